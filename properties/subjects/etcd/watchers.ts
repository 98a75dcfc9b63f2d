/**
 * Watchers of every sort, on every member: the whole range from the first revision, filtered ones, ones that ask for
 * notices, ones that go away and resume where they were, ones that begin in the past or the future.
 *
 * A stream that ends is followed by one that resumes after the last revision it delivered in full.
 */
import type { Delivered } from '../../../model/state/history.ts'
import type { Header, KeyRange, Revision, WatchCreateRequest, WatchEvent } from '../../../model/state/keyspace.ts'
import type { Random } from '../../../sim/random.ts'
import type { OpenWatch } from './client.ts'
import type { Journal } from './journal.ts'
import type { Connect, Driver } from './traffic.ts'

export interface WatcherOptions {
  readonly name: string
  readonly member: string
  readonly range: KeyRange
  readonly filters?: readonly ('NOPUT' | 'NODELETE')[]
  readonly prevKv: boolean
  /** Where the first stream starts, given the highest revision anybody was told. */
  readonly start: (told: Revision) => Revision
  /** Goes away by itself after about as many events, and resumes; null: never. */
  readonly restlessAfter: number | null
  readonly asksProgress: boolean
}

const REOPEN_MS = 200
const ASK_EVERY_MS = 700

const delivered = ({ type, kv, prevKv }: WatchEvent): Delivered => ({
  type,
  key: kv.key,
  revision: kv.modRevision,
  ...(type === 'PUT' ? { createRevision: kv.createRevision, version: kv.version, value: kv.value, lease: kv.lease } : {}),
  ...(prevKv === undefined ? {} : { prevRevision: prevKv.modRevision, prevValue: prevKv.value }),
})

export class Watcher {
  readonly options: WatcherOptions
  private readonly journal: Journal
  private readonly random: Random
  private readonly driver: Driver
  private streams = 0
  private next: Revision
  private over = false
  private open: OpenWatch | null = null
  private timer: NodeJS.Timeout | null = null
  private readonly asking: NodeJS.Timeout | null
  /** All that it was told, over all its streams. */
  events = 0
  /** Everything up to here was delivered, or said to be nothing. */
  reached: Revision = 0

  constructor(options: WatcherOptions, journal: Journal, connect: Connect, random: Random, told: Revision) {
    this.options = options
    this.journal = journal
    this.random = random
    this.driver = connect(options.member)
    this.next = options.start(told)
    this.asking = options.asksProgress ? setInterval(() => this.open?.requestProgress(), ASK_EVERY_MS) : null
    this.begin()
  }

  close(): void {
    this.over = true
    if (this.timer !== null) clearTimeout(this.timer)
    if (this.asking !== null) clearInterval(this.asking)
    this.open?.cancel()
    this.driver.close()
  }

  private begin(): void {
    const { name, member, range, filters, prevKv, restlessAfter } = this.options
    const stream = `${name}/${this.streams++}`
    const startRevision = this.next
    const request: WatchCreateRequest = {
      ...range,
      startRevision,
      prevKv,
      progressNotify: true,
      ...(filters === undefined ? {} : { filters }),
    }
    const most = restlessAfter === null ? Infinity : this.random.between(1, 2 * restlessAfter)
    let eventsHere = 0
    let opened = false
    this.open = this.driver.watch(request, {
      created: ({ revision }) => {
        opened = true
        // Without a start it is the next revision, as seen by the member when it took the watch on.
        const start = startRevision === 0 ? revision + 1 : startRevision
        this.next = start
        this.journal.see({
          kind: 'WatchOpened',
          layer: 'etcd',
          stream,
          process: name,
          from: member,
          range,
          startRevision: start,
          ...(filters === undefined ? {} : { filters }),
        })
      },
      delivered: (header, events, fragment) => {
        this.deliver(stream, header, events, fragment)
        eventsHere += events.length
        if (eventsHere >= most) this.open?.cancel()
      },
      closed: (reason, compactRevision) => {
        // One that is open when the run ends stays so in the history.
        if (opened && !this.over)
          this.journal.see({ kind: 'WatchClosed', layer: 'etcd', stream, reason, ...(compactRevision > 0 ? { compactRevision } : {}) })
        if (compactRevision > 0) this.next = Math.max(this.next, compactRevision)
        if (!this.over) this.timer = setTimeout(() => this.begin(), REOPEN_MS)
      },
    })
  }

  private deliver(stream: string, { revision }: Header, events: readonly WatchEvent[], fragment: boolean): void {
    this.events += events.length
    this.journal.see({
      kind: 'WatchDelivered',
      layer: 'etcd',
      stream,
      revision,
      events: events.map(delivered),
      progress: events.length === 0,
      ...(fragment ? { fragment } : {}),
    })
    const last = events.at(-1)
    if (last !== undefined && !fragment) this.next = last.kv.modRevision + 1
    this.reached = Math.max(this.reached, last?.kv.modRevision ?? revision)
  }
}
