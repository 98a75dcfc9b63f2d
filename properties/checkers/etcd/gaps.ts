/**
 * Revisions that exist, since higher ones were told of, but whose change nobody saw: some write with an open outcome, or
 * a lease that ran out, made each of them. Kept as spans; a revision that is explained is taken out.
 */
export class Gaps {
  private readonly spans: { readonly from: number; readonly to: number }[] = []
  private readonly taken = new Set<number>()
  size = 0

  add(from: number, to: number): void {
    this.spans.push({ from, to })
    this.size += to - from + 1
  }

  /** The latest free one in (after, before), or undefined. */
  latestIn(after: number, before: number): number | undefined {
    for (let index = this.spans.length - 1; index >= 0; index--) {
      const { from, to } = this.spans[index] as { from: number; to: number }
      if (to <= after) return undefined
      for (let revision = Math.min(to, before - 1); revision >= Math.max(from, after + 1); revision--)
        if (!this.taken.has(revision)) return revision
    }
    return undefined
  }

  /** The latest one in (after, before), free or not, or undefined. */
  everIn(after: number, before: number): number | undefined {
    const span = this.spans.findLast(({ from }) => from < before)
    if (span === undefined || span.to <= after) return undefined
    return Math.min(span.to, before - 1)
  }

  take(revision: number): void {
    this.taken.add(revision)
    this.size--
  }

  *free(): Iterable<number> {
    for (const { from, to } of this.spans)
      for (let revision = from; revision <= to; revision++) if (!this.taken.has(revision)) yield revision
  }
}
