/** Which compactions were asked for and acknowledged when, and what a refusal may say because of them. */
export class Compactions {
  private readonly asked: { readonly revision: number; readonly atMs: number }[] = []
  /** Acknowledged, with the highest revision so far: ascending in both. */
  private readonly done: { readonly revision: number; readonly atMs: number }[] = []

  ask(revision: number, atMs: number): void {
    const highest = this.asked.at(-1)?.revision ?? 0
    if (revision > highest) this.asked.push({ revision, atMs })
  }

  acknowledge(revision: number, atMs: number): void {
    const highest = this.done.at(-1)?.revision ?? 0
    if (revision > highest) this.done.push({ revision, atMs })
  }

  /** The highest revision whose compaction had been acknowledged before a moment; 0: none. */
  before(atMs: number): number {
    let low = 0
    let high = this.done.length
    while (low < high) {
      const middle = (low + high) >> 1
      if ((this.done[middle] as { atMs: number }).atMs < atMs) low = middle + 1
      else high = middle
    }
    return this.done[low - 1]?.revision ?? 0
  }

  /** The highest revision that anybody had asked to compact. */
  askedMost(): number {
    return this.asked.at(-1)?.revision ?? 0
  }
}
