/**
 * TCP proxies in front of every member: one for its clients, one for its peers. Between any two parties each direction
 * is a link that can be cut or slowed down by itself, without privileges and without touching the processes.
 *
 * A cut link holds bytes back, as lost packets do: when it is whole again they arrive. All members are given the same
 * address of a peer, so a connection says who made it by its first request: rafthttp sends the member's id in the header
 * X-Server-From. Other calls between members (forwarded lease renewals) do not; they wait while anybody is cut off.
 */
import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net'

export interface Links {
  /** Bytes from one party to another are held back. */
  cut(from: string, to: string): boolean
  delayMs(from: string, to: string): number
}

/** The whole network: which links are cut, which are slow. Parties are members and 'clients'. */
export class Network implements Links {
  private readonly cuts = new Map<string, number>()
  private readonly delays = new Map<string, number>()
  private readonly pipes = new Set<Pipe>()

  cut(from: string, to: string): boolean {
    if (from !== UNKNOWN && to !== UNKNOWN) return this.cuts.has(linkOf(from, to))
    const known = from === UNKNOWN ? to : from
    return [...this.cuts.keys()].some((link) => link.split(ARROW).includes(known))
  }

  delayMs(from: string, to: string): number {
    return this.delays.get(linkOf(from, to)) ?? 0
  }

  /** Until what it returns is called. Cuts of one link add up. */
  hold(links: readonly (readonly [string, string])[]): () => void {
    for (const [from, to] of links) this.cuts.set(linkOf(from, to), (this.cuts.get(linkOf(from, to)) ?? 0) + 1)
    return () => {
      for (const [from, to] of links) {
        const left = (this.cuts.get(linkOf(from, to)) ?? 1) - 1
        if (left === 0) this.cuts.delete(linkOf(from, to))
        else this.cuts.set(linkOf(from, to), left)
      }
      for (const pipe of this.pipes) pipe.flow()
    }
  }

  slow(links: readonly (readonly [string, string])[], delayMs: number): () => void {
    for (const [from, to] of links) this.delays.set(linkOf(from, to), delayMs)
    return () => {
      for (const [from, to] of links) this.delays.delete(linkOf(from, to))
    }
  }

  add(pipe: Pipe): void {
    this.pipes.add(pipe)
  }

  remove(pipe: Pipe): void {
    this.pipes.delete(pipe)
  }
}

/** Whoever could not be told from its first request. */
const UNKNOWN = '?'
const ARROW = '>'
const linkOf = (from: string, to: string): string => `${from}${ARROW}${to}`

/** How much of a held link is kept; beyond it the sender's own buffers fill up, as with a real connection. */
const KEPT_MOST = 4 * 1024 * 1024

interface Chunk {
  readonly dueMs: number
  /** Null: the sender has finished. */
  readonly bytes: Buffer | null
}

/** One direction of one connection: bytes in order, each at its time, none while the link is cut. */
class Pipe {
  private readonly waiting: Chunk[] = []
  private kept = 0
  private timer: NodeJS.Timeout | null = null
  private readonly source: Socket
  private readonly target: Socket
  private readonly network: Network
  private readonly ends: readonly [() => string, () => string]

  constructor(network: Network, source: Socket, target: Socket, from: () => string, to: () => string) {
    this.network = network
    this.source = source
    this.target = target
    this.ends = [from, to]
    network.add(this)
    source.on('data', (bytes) => this.take(bytes))
    source.on('end', () => this.take(null))
    target.on('drain', () => this.flow())
    source.on('close', () => network.remove(this))
  }

  take(bytes: Buffer | null): void {
    const delayMs = this.network.delayMs(this.ends[0](), this.ends[1]())
    const after = this.waiting.at(-1)?.dueMs ?? 0
    this.waiting.push({ bytes, dueMs: delayMs === 0 ? after : Math.max(after, performance.now() + delayMs) })
    this.kept += bytes?.length ?? 0
    this.flow()
  }

  flow(): void {
    const [from, to] = this.ends
    while (this.waiting.length > 0 && !this.network.cut(from(), to()) && !this.target.writableNeedDrain) {
      const chunk = this.waiting[0] as Chunk
      const waitMs = chunk.dueMs - performance.now()
      if (waitMs > 0) {
        this.timer ??= setTimeout(() => {
          this.timer = null
          this.flow()
        }, waitMs)
        break
      }
      this.waiting.shift()
      this.kept -= chunk.bytes?.length ?? 0
      if (this.target.destroyed) continue
      if (chunk.bytes === null) this.target.end()
      else this.target.write(chunk.bytes)
    }
    if (this.kept > KEPT_MOST) this.source.pause()
    else this.source.resume()
  }
}

/** The party that made a connection, by what it sent first. Asked again each time: its name may come to be known later. */
export type Caller = (first: Buffer) => () => string | null

export class Proxy {
  private readonly server: Server
  private readonly sockets = new Set<Socket>()

  private constructor(server: Server) {
    this.server = server
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port
  }

  /** Stands in front of `to` at `targetPort`. */
  static async listen(network: Network, to: string, targetPort: number, nameOf: Caller): Promise<Proxy> {
    const server = createServer({ allowHalfOpen: true })
    const proxy = new Proxy(server)
    server.on('connection', (near) => proxy.join(network, near, to, targetPort, nameOf))
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    return proxy
  }

  /** Breaks every connection that runs through it. */
  reset(): void {
    for (const socket of this.sockets) socket.destroy()
  }

  async close(): Promise<void> {
    this.reset()
    await once(this.server.close(), 'close')
  }

  private join(network: Network, near: Socket, to: string, targetPort: number, nameOf: Caller): void {
    let from: ReturnType<Caller> = () => null
    const far = connect({ port: targetPort, host: '127.0.0.1', allowHalfOpen: true })
    for (const socket of [near, far]) {
      socket.setNoDelay(true)
      this.sockets.add(socket)
      socket.on('error', () => undefined)
      socket.on('close', () => {
        this.sockets.delete(socket)
        near.destroy()
        far.destroy()
      })
    }
    near.once('data', (first) => {
      from = nameOf(first)
    })
    const fromName = (): string => from() ?? UNKNOWN
    const toName = (): string => to
    void new Pipe(network, near, far, fromName, toName)
    void new Pipe(network, far, near, toName, fromName)
  }
}

const FROM_HEADER = /\r\nX-Server-From: ([0-9a-f]+)\r\n/i

/** The id, in hexadecimal, that a request of rafthttp names as its sender. */
export const raftSender = (first: Buffer): string | null => FROM_HEADER.exec(first.subarray(0, 4096).toString('latin1'))?.[1] ?? null
