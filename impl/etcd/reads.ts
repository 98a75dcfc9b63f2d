/**
 * Linearizable reads of a member: one question to the leader at a time, for all that came before it.
 *
 * Source: server/etcdserver/v3_server.go (linearizableReadLoop).
 */
import type { ClusterHost } from '../wire.ts'

export interface ReadIndexing {
  /** Asks up to which index a read must wait; what comes back carries the context. */
  ask(context: string): void
  /** What was asked goes on its way. */
  flush(): void
  /** The last entry that was applied. */
  applied(): number
}

interface Round {
  /** Of every time it was asked: all who wait came before the first, so an answer to any will do. */
  readonly contexts: string[]
  index: number | null
  readonly done: readonly (() => void)[]
}

const RETRY_MS = 500

export class Reads {
  private readonly host: ClusterHost
  private readonly timeoutMs: number
  private readonly indexing: ReadIndexing
  /** Contexts are never used twice, by no member and no incarnation of one. */
  private readonly prefix: string
  private contexts = 0
  private waiting: (() => void)[] = []
  private round: Round | null = null

  constructor(host: ClusterHost, timeoutMs: number, indexing: ReadIndexing) {
    this.host = host
    this.timeoutMs = timeoutMs
    this.indexing = indexing
    this.prefix = `${host.name}/${host.random('reads').below(2 ** 32)}`
  }

  /** Runs `done` once this member has applied all that was committed before now; otherwise `late`. */
  linearizable(done: () => void, late: () => void): void {
    let open = true
    const timer = this.host.after(this.timeoutMs, () => {
      open = false
      late()
    })
    this.waiting.push(() => {
      if (!open) return
      this.host.cancel(timer)
      done()
    })
    if (this.round === null) this.begin()
  }

  private begin(): void {
    if (this.waiting.length === 0) return
    const round: Round = { contexts: [], index: null, done: this.waiting }
    this.waiting = []
    this.round = round
    this.ask(round)
  }

  /** Until it is answered. An acknowledgement of an earlier question says nothing about who leads now: each has its own context. */
  private ask(round: Round): void {
    const context = `${this.prefix}/${this.contexts++}`
    round.contexts.push(context)
    this.indexing.ask(context)
    this.host.after(RETRY_MS, () => {
      if (this.round !== round || round.index !== null) return
      this.ask(round)
      this.indexing.flush()
    })
  }

  ready(context: string, index: number): void {
    if (this.round?.contexts.includes(context) === true) this.round.index = index
  }

  /** More may have been applied. */
  applied(): void {
    const { round } = this
    if (round === null || round.index === null || this.indexing.applied() < round.index) return
    this.round = null
    for (const done of round.done) done()
    this.begin()
  }
}
