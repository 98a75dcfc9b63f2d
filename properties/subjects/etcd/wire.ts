/**
 * The messages of etcd's v3 interface as they come off the wire, and the channel that carries them.
 *
 * The definitions are read from etcd.proto at run time. 64-bit numbers come as text: member ids need all 64 bits.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { credentials, Client, Metadata, type ChannelCredentials, type MethodDefinition, type ServiceError } from '@grpc/grpc-js'
import { loadSync } from '@grpc/proto-loader'
import { InputError } from '../../input.ts'

export interface WireHeader {
  readonly clusterId: string
  readonly memberId: string
  readonly revision: string
  readonly raftTerm: string
}
export interface WireKeyValue {
  readonly key: Buffer
  readonly createRevision: string
  readonly modRevision: string
  readonly version: string
  readonly value: Buffer
  readonly lease: string
}
export interface WireMember {
  readonly ID: string
  readonly name: string
  readonly peerURLs: readonly string[]
  readonly clientURLs: readonly string[]
  readonly isLearner: boolean
}
export interface WireStatus {
  readonly header: WireHeader
  readonly version: string
  readonly leader: string
  readonly raftIndex: string
  readonly raftTerm: string
  readonly raftAppliedIndex: string
  readonly errors: readonly string[]
  readonly isLearner: boolean
}
export interface WireWatchResponse {
  readonly header: WireHeader
  readonly watchId: string
  readonly created: boolean
  readonly canceled: boolean
  readonly compactRevision: string
  readonly cancelReason: string
  readonly fragment: boolean
  readonly events: readonly { readonly type: 'PUT' | 'DELETE'; readonly kv: WireKeyValue; readonly prevKv: WireKeyValue | null }[]
}

type MethodOf = MethodDefinition<object, object>
const definitions = loadSync(join(import.meta.dirname, 'etcd.proto'), {
  longs: String,
  enums: String,
  defaults: true,
  arrays: true,
  oneofs: true,
})

/** 'KV/Range' → its path and its way to and from bytes. */
export const methodNamed = (name: string): MethodOf => {
  const [service = '', method = ''] = name.split('/')
  const found = (definitions[`etcdserverpb.${service}`] as Readonly<Record<string, MethodOf>> | undefined)?.[method]
  if (found === undefined) throw new Error(`etcd.proto has no method ${name}`)
  return found
}

export interface Tls {
  /** Files in PEM form. */
  readonly cacert?: string
  readonly cert?: string
  readonly key?: string
  /** As etcdctl's --insecure-skip-tls-verify: encrypted, but whoever answers is believed. */
  readonly skipVerify: boolean
}

const pem = (option: string, file: string | undefined, label: string): Buffer | null => {
  if (file === undefined) return null
  let text: Buffer
  try {
    text = readFileSync(file)
  } catch {
    throw new InputError(option, `expected a file in PEM form, found no file ${file}`)
  }
  if (!text.includes(`-----BEGIN `) || !text.includes(label)) throw new InputError(option, `expected ${label} in PEM form in ${file}`)
  return text
}

/** Null: in clear. Throws InputError for files that are not what they should be. */
export const credentialsFor = (tls: Tls | null): ChannelCredentials => {
  if (tls === null) return credentials.createInsecure()
  if ((tls.cert === undefined) !== (tls.key === undefined)) throw new InputError('--cert, --key', 'expected both or neither')
  const ca = pem('--cacert', tls.cacert, 'CERTIFICATE')
  const cert = pem('--cert', tls.cert, 'CERTIFICATE')
  const key = pem('--key', tls.key, 'PRIVATE KEY')
  const trusting = { rejectUnauthorized: false, checkServerIdentity: () => undefined }
  try {
    return credentials.createSsl(ca, key, cert, tls.skipVerify ? trusting : {})
  } catch (error) {
    throw new InputError('--cacert, --cert, --key', `expected certificates that fit together, found: ${(error as Error).message}`)
  }
}

export type Answer<Message> = { readonly message: Message } | { readonly error: ServiceError }

const LAST_TRY_MS = 500
/** The library records from where each call is made, which costs as much as making it, and nobody asks. */
const withoutStacks = (call: () => void): void => {
  const { stackTraceLimit } = Error
  Error.stackTraceLimit = 0
  try {
    call()
  } finally {
    Error.stackTraceLimit = stackTraceLimit
  }
}

const BACK_OFF_MS = 100
const BACK_OFF_MOST_MS = 500

/** One connection to one member, over which many calls run. Nothing is tried twice: a history must know what was asked. */
export class Channel {
  private readonly client: Client
  readonly address: string

  constructor(address: string, tls: Tls | null) {
    this.address = address
    this.client = new Client(address, credentialsFor(tls), {
      'grpc.enable_retries': 0,
      'grpc.enable_http_proxy': 0,
      'grpc.use_local_subchannel_pool': 1,
      'grpc.max_receive_message_length': -1,
      'grpc.initial_reconnect_backoff_ms': BACK_OFF_MS,
      'grpc.max_reconnect_backoff_ms': BACK_OFF_MOST_MS,
    })
  }

  unary<Reply>(name: string, message: object, metadata: Metadata, timeoutMs: number): Promise<Answer<Reply>> {
    const { path, requestSerialize, responseDeserialize } = methodNamed(name)
    const options = { deadline: Date.now() + timeoutMs }
    return new Promise((resolve) => {
      withoutStacks(() =>
        this.client.makeUnaryRequest(path, requestSerialize, responseDeserialize, message, metadata, options, (error, reply) =>
          resolve(error === null ? { message: reply as Reply } : { error }),
        ),
      )
    })
  }

  bidirectional(name: string, metadata: Metadata) {
    const { path, requestSerialize, responseDeserialize } = methodNamed(name)
    return this.client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize, metadata, {})
  }

  download(name: string, message: object, metadata: Metadata, timeoutMs: number) {
    const { path, requestSerialize, responseDeserialize } = methodNamed(name)
    const options = { deadline: Date.now() + timeoutMs }
    return this.client.makeServerStreamRequest(path, requestSerialize, responseDeserialize, message, metadata, options)
  }

  /** Null when it is connected, otherwise why the last attempt failed. */
  async ready(timeoutMs: number): Promise<string | null> {
    const late = await new Promise((resolve) => this.client.waitForReady(Date.now() + timeoutMs, resolve))
    if (late === undefined) return null
    const answer = await this.unary('Maintenance/Status', {}, new Metadata(), LAST_TRY_MS)
    return 'error' in answer ? answer.error.details : null
  }

  close(): void {
    this.client.close()
  }
}
