/**
 * Writes down what is seen of real processes, with the time of a clock that never goes back, as it happens: what was
 * recorded before a crash of the harness or of the machine can be judged too (`evenkeel history --model etcd`).
 */
import { once } from 'node:events'
import { createWriteStream, type WriteStream } from 'node:fs'
import type { History, Observation } from '../../../model/state/history.ts'
import type { Sighting } from '../../../impl/wire.ts'

const LINES_AT_ONCE = 500

export class Journal {
  private readonly seen: Observation[] = []
  private readonly beganMs = performance.now()
  private readonly stream: WriteStream | null
  private written = 0

  /** Null: nothing is written to a file. */
  constructor(file: string | null) {
    this.stream = file === null ? null : createWriteStream(file)
  }

  get history(): History {
    return this.seen
  }

  /** Since the start, to the microsecond. */
  get nowMs(): number {
    return Math.round((performance.now() - this.beganMs) * 1000) / 1000
  }

  see(sighting: Sighting): void {
    this.seen.push({ atMs: this.nowMs, ...sighting })
    if (this.seen.length - this.written >= LINES_AT_ONCE) this.flush()
  }

  async close(): Promise<void> {
    if (this.stream === null) return
    this.flush()
    this.stream.end()
    await once(this.stream, 'close')
  }

  private flush(): void {
    if (this.stream === null) return
    const lines = this.seen.slice(this.written).map((one) => `${JSON.stringify(one)}\n`)
    this.written = this.seen.length
    this.stream.write(lines.join(''))
  }
}
