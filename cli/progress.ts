/** Says how far long work is: one line that is rewritten on a terminal, a plain line now and then elsewhere. */
import { createLogUpdate } from 'log-update'

const PLAIN_EVERY_MS = 10_000

export class Progress {
  private readonly stream: NodeJS.WriteStream
  private readonly update: ReturnType<typeof createLogUpdate> | null
  private lastMs = performance.now()

  constructor(stream: NodeJS.WriteStream) {
    this.stream = stream
    this.update = stream.isTTY ? createLogUpdate(stream) : null
  }

  say(line: string): void {
    if (this.update !== null) {
      this.update(line)
      return
    }
    const now = performance.now()
    if (now - this.lastMs < PLAIN_EVERY_MS) return
    this.lastMs = now
    this.stream.write(`${line}\n`)
  }

  /** A step of its own: always said. */
  step(line: string): void {
    this.lastMs = -Infinity
    this.say(line)
  }

  done(): void {
    this.update?.clear()
    this.update?.done()
  }
}
