/**
 * Secrets that are tokens of service accounts: filled for an account that is there, deleted with an account that is gone.
 *
 * An account of the same name with another uid is another one. That it is gone counts only after a live read.
 * Source: kubernetes/kubernetes pkg/controller/serviceaccount/tokens_controller.go. Left out: tokens that are made unasked, as
 * before Kubernetes 1.24.
 */
import { ACCOUNT_NAME, ACCOUNT_UID, TOKEN_TYPE, type Secret, type ServiceAccount } from '../../model/state/service-account.ts'
import type { Controller, ControllerContext, Informer, WorkQueue } from '../client/api.ts'
import { nameOf } from '../client/informer.ts'
import { isDeleting, refOf } from '../objects.ts'
import type { Task } from '../task.ts'
import { base64, tokenFor } from '../token.ts'
import { ROOT_CERTIFICATE } from './namespace-defaults.ts'

const WORKERS = 5
const CA = base64(ROOT_CERTIFICATE)

export const serviceAccountTokens: Controller = (context) => {
  const controller = new Tokens(context)
  return { name: 'serviceaccount-token', start: () => controller.start() }
}

class Tokens {
  private readonly context: ControllerContext
  private readonly secrets: Informer<Secret>
  private readonly accounts: Informer<ServiceAccount>
  private readonly queue: WorkQueue
  /** Keys: account|secret, of secrets that are gone. */
  private readonly forgotten: WorkQueue
  /** Account → the secrets that are its tokens, by name alone. */
  private readonly tokens = new Map<string, Set<string>>()

  constructor(context: ControllerContext) {
    this.context = context
    this.secrets = context.informer('secrets')
    this.accounts = context.informer('serviceaccounts')
    this.queue = context.queue(WORKERS, (key) => this.sync(key))
    this.forgotten = context.queue(WORKERS, (key) => this.forget(key))
  }

  start(): void {
    this.secrets.onChange((before, after) => {
      const secret = (after ?? before) as Secret
      if (secret.type !== TOKEN_TYPE) return
      const account = accountOf(secret)
      if (before !== null && accountOf(before) !== account) this.tokens.get(accountOf(before))?.delete(nameOf(secret))
      const tokens = this.tokens.get(account) ?? new Set()
      if (after === null) {
        tokens.delete(nameOf(secret))
        this.forgotten.add(`${account}|${secret.metadata.name}`)
      } else {
        this.tokens.set(account, tokens.add(nameOf(secret)))
        this.queue.add(nameOf(secret))
      }
    })
    this.accounts.onChange((before, after) => {
      const account = (after ?? before) as ServiceAccount
      if (before?.metadata.uid === after?.metadata.uid) return
      for (const token of this.tokens.get(nameOf(account)) ?? []) this.queue.add(token)
    })
  }

  private *sync(key: string): Task<'done' | 'retry'> {
    const secret = this.secrets.get(key)
    if (secret === undefined || isDeleting(secret)) return 'done'
    const account = yield* this.find(secret)
    if (account === undefined) return 'retry'
    return account === null ? yield* this.remove(secret) : yield* this.fill(secret, account)
  }

  /** Null: it is not there, by a live read; undefined: nobody knows. */
  private *find(secret: Secret): Task<ServiceAccount | null | undefined> {
    const cached = this.accounts.get(accountOf(secret))
    if (cached !== undefined && isItsOwn(secret, cached)) return cached
    const { namespace, annotations } = secret.metadata
    const name = annotations?.[ACCOUNT_NAME] ?? ''
    const read = yield* this.context.client.get<ServiceAccount>({ resource: 'serviceaccounts', namespace, name })
    if (read.ok) return isItsOwn(secret, read.value) ? read.value : null
    return read.status.code === 404 ? null : undefined
  }

  private *remove(secret: Secret): Task<'done' | 'retry'> {
    const { namespace, name, uid, annotations = {} } = secret.metadata
    const account = { name: annotations[ACCOUNT_NAME] ?? '', uid: annotations[ACCOUNT_UID] ?? null }
    this.context.client.decide(this.context.view('secrets'), { kind: 'DeleteToken', secret: refOf('secrets', secret), account })
    const reply = yield* this.context.client.delete({ resource: 'secrets', namespace, name }, { preconditions: { uid } })
    return reply.ok || reply.status.code === 404 || reply.status.code === 409 ? 'done' : 'retry'
  }

  private *fill(secret: Secret, account: ServiceAccount): Task<'done' | 'retry'> {
    const { data = {}, metadata } = secret
    if (data['ca.crt'] === CA && data['namespace'] && data['token']) return 'done'
    const { namespace = '' } = metadata
    const annotations = { ...metadata.annotations, [ACCOUNT_NAME]: account.metadata.name, [ACCOUNT_UID]: account.metadata.uid }
    const filled = {
      'ca.crt': CA,
      namespace: data['namespace'] || base64(namespace),
      token: data['token'] || base64(tokenFor(account, secret)),
    }
    // Of the version that was seen: whoever changed it meanwhile is heard of.
    const reply = yield* this.context.client.update<Secret>('secrets', {
      ...secret,
      metadata: { ...metadata, annotations },
      data: { ...data, ...filled },
    })
    return reply.ok || reply.status.code === 404 || reply.status.code === 409 ? 'done' : 'retry'
  }

  /** An account that still names a token which is gone. */
  private *forget(key: string): Task<'done' | 'retry'> {
    const [account = '', token = ''] = key.split('|')
    const [namespace, name = ''] = account.split('/')
    if (this.accounts.get(account) === undefined || this.secrets.get(`${namespace}/${token}`) !== undefined) return 'done'
    const read = yield* this.context.client.get<ServiceAccount>({ resource: 'serviceaccounts', namespace, name })
    if (!read.ok) return read.status.code === 404 ? 'done' : 'retry'
    const { secrets = [] } = read.value
    const left = secrets.filter((one) => one.name !== token)
    if (left.length === secrets.length) return 'done'
    const reply = yield* this.context.client.update<ServiceAccount>('serviceaccounts', { ...read.value, secrets: left })
    return reply.ok || reply.status.code === 404 ? 'done' : 'retry'
  }
}

/** Key of the account whose token it is. */
const accountOf = ({ metadata }: Secret): string => `${metadata.namespace}/${metadata.annotations?.[ACCOUNT_NAME] ?? ''}`

/** A secret that names no uid yet is for whoever has the name. */
const isItsOwn = ({ metadata }: Secret, account: ServiceAccount): boolean =>
  (metadata.annotations?.[ACCOUNT_UID] || account.metadata.uid) === account.metadata.uid
