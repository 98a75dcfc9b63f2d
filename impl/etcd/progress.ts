/**
 * How far a leader knows a follower's log to agree with its own, and how much it may send without waiting.
 *
 * probe: where the logs agree is not known, one message at a time. replicate: it is, the rest follows without waiting
 * for answers, up to a window. snapshot: what it needs is compacted away, nothing is sent until the snapshot arrived.
 * Source: etcd-io/raft tracker/progress.go, tracker/inflights.go.
 */
export type ProgressState = 'probe' | 'replicate' | 'snapshot'

export interface Window {
  readonly messagesMost: number
  readonly entriesMost: number
}

interface Flight {
  readonly last: number
  readonly entries: number
}

export class Progress {
  /** It holds the leader's log up to here. */
  match = 0
  /** What it is sent next. Always more than match. */
  next: number
  state: ProgressState = 'probe'
  /** The index of the snapshot that is on its way. */
  snapshotIndex = 0
  /** Heard from since the last check for a quorum. */
  active = false
  /** Nothing more until it answers, or a heartbeat comes back. */
  paused = false
  private readonly window: Window
  private flights: Flight[] = []
  private entriesInFlight = 0

  constructor(next: number, window: Window) {
    this.next = next
    this.window = window
  }

  private enter(state: ProgressState): void {
    this.state = state
    this.paused = false
    this.snapshotIndex = 0
    this.flights = []
    this.entriesInFlight = 0
  }

  becomeProbe(): void {
    // A snapshot that has been sent may have arrived although nobody said so.
    const next = Math.max(this.match + 1, this.snapshotIndex + 1)
    this.enter('probe')
    this.next = next
  }

  becomeReplicate(): void {
    this.enter('replicate')
    this.next = this.match + 1
  }

  becomeSnapshot(index: number): void {
    this.enter('snapshot')
    this.snapshotIndex = index
    this.next = index + 1
  }

  /** Whether it may be sent anything now. */
  get blocked(): boolean {
    return this.state === 'snapshot' || this.paused
  }

  /** Whether entries may go with it; without them a message still finds out whether those before have arrived. */
  get windowFull(): boolean {
    return (
      this.state === 'replicate' && (this.flights.length >= this.window.messagesMost || this.entriesInFlight >= this.window.entriesMost)
    )
  }

  sent(entries: number): void {
    if (this.state === 'probe') {
      if (entries > 0) this.paused = true
      return
    }
    if (entries > 0) {
      this.next += entries
      this.flights.push({ last: this.next - 1, entries })
      this.entriesInFlight += entries
    }
    this.paused = this.windowFull
  }

  /** An answer to all up to `index`. False: nothing new. */
  acknowledged(index: number): boolean {
    if (index <= this.match) return false
    this.match = index
    this.next = Math.max(this.next, index + 1)
    this.paused = false
    return true
  }

  /** What was sent up to `index` has landed. */
  landed(index: number): void {
    let count = 0
    for (const flight of this.flights) {
      if (flight.last > index) break
      this.entriesInFlight -= flight.entries
      count++
    }
    if (count > 0) this.flights.splice(0, count)
    this.paused = this.windowFull
  }

  /** It does not have what comes before `next`; `hint` is where the logs may agree. False: an answer that was overtaken. */
  rejected(index: number, hint: number): boolean {
    // What it speaks of has been acknowledged since.
    if (index <= this.match) return false
    if (this.state === 'replicate') {
      this.next = this.match + 1
      return true
    }
    if (this.next - 1 !== index) return false
    this.next = Math.max(this.match + 1, Math.min(index, hint + 1))
    this.paused = false
    return true
  }
}
