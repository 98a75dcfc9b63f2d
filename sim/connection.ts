/**
 * Ordered streams between two processes (TCP), with the ways in which they end.
 *
 * A cut link holds what is sent; when the cut outlasts the keepalive time each end finds out by itself.
 */
import type { Connection, ConnectionHandler } from './host.ts'
import { KEEPALIVE_MS, type Link } from './network.ts'
import type { Life } from './life.ts'
import type { World } from './world.ts'

export class End<Message, Observation> implements Connection<Message> {
  readonly id: number
  readonly life: Life<Message, Observation>
  /** The incarnation that holds it: a restarted process has none of its predecessor's connections. */
  readonly incarnation: number
  handler: ConnectionHandler<Message> | null = null
  other: End<Message, Observation> | null = null
  open = true
  /** Nothing sent later may arrive earlier than this. */
  private lastArrivalMs = 0
  private waiting: Message[] = []
  private readonly world: World<Message, Observation>
  private readonly link: Link | null

  constructor(world: World<Message, Observation>, id: number, life: Life<Message, Observation>, link: Link | null) {
    this.world = world
    this.id = id
    this.life = life
    this.incarnation = life.incarnation
    this.link = link
  }

  get peer(): string {
    return this.other?.life.name ?? ''
  }

  send(message: Message): void {
    if (!this.open || this.life.silenced) return
    this.world.leaving(this.life, message)
    this.forward(message)
  }

  private forward(message: Message): void {
    const { link } = this
    if (link !== null && (link.blocked || this.waiting.length > 0)) this.waiting.push(message)
    else if (link !== null && link.clogged) link.hold(() => this.deliver(message))
    else this.deliver(message)
  }

  private deliver(message: Message): void {
    const { other } = this
    if (other === null || !other.open) return
    this.world.arrive(this.arrival(), other, 'message', message, '')
  }

  private arrival(): number {
    const latency = this.link === null ? 0 : this.link.latency(this.world.weather)
    this.lastArrivalMs = Math.max(this.lastArrivalMs, this.world.now + latency)
    return this.lastArrivalMs
  }

  /** The link lets messages through again. */
  flush(): void {
    const waiting = this.waiting
    this.waiting = []
    for (const message of waiting) this.forward(message)
  }

  close(): void {
    if (!this.open) return
    this.open = false
    this.world.forget(this)
    this.tellPeer('closed by peer')
  }

  /** The peer hears the end as soon as the link allows, by its own keepalive otherwise. */
  tellPeer(reason: string): void {
    const { other } = this
    if (other === null || !other.open) return
    if (this.link !== null && this.link.blocked) {
      this.world.arrive(this.world.now + KEEPALIVE_MS, other, 'closed', null, 'timed out')
    } else this.world.arrive(this.arrival(), other, 'closed', null, reason)
  }

  /** After the dial: the peer has accepted, told in order with what it sends. */
  acceptArrival(): number {
    return this.arrival()
  }

  breakAt(atMs: number, reason: string): void {
    this.world.arrive(atMs, this, 'closed', null, reason)
  }
}
