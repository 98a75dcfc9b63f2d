/**
 * Who made which revision, where each may have made at most one: an assignment that grows by augmenting paths, so that one
 * is found whenever there is one and the tries last.
 *
 * Source: Kuhn, The Hungarian Method for the Assignment Problem, 1955; paths are the shortest, as Hopcroft and Karp's.
 */
export class Assignment<Maker> {
  private readonly makers: readonly Maker[]
  private readonly possible: (maker: Maker, revision: number) => boolean
  private readonly made = new Map<Maker, number>()
  private triesLeft: number

  constructor(makers: readonly Maker[], triesMost: number, possible: (maker: Maker, revision: number) => boolean) {
    this.makers = makers
    this.triesLeft = triesMost
    this.possible = possible
  }

  /** Finds a maker for one more revision, if need be by giving earlier ones others. False: there is none, or no try is left. */
  add(revision: number): boolean {
    const free = this.makers.find((maker) => !this.made.has(maker) && this.tried(maker, revision))
    if (free === undefined) return this.augment(revision)
    this.made.set(free, revision)
    return true
  }

  private augment(revision: number): boolean {
    /** Maker → the revision that it could make instead of its own. */
    const instead = new Map<Maker, number>()
    const wanting = [revision]
    for (const wanted of wanting) {
      for (const maker of this.makers) {
        if (instead.has(maker) || !this.tried(maker, wanted)) continue
        instead.set(maker, wanted)
        const own = this.made.get(maker)
        if (own === undefined) {
          this.shift(maker, instead)
          return true
        }
        wanting.push(own)
      }
    }
    return false
  }

  /** Who is free takes what the maker before it on the path had, and so on. */
  private shift(free: Maker, instead: ReadonlyMap<Maker, number>): void {
    const makerOf = new Map([...this.made].map(([maker, revision]) => [revision, maker]))
    let maker: Maker | undefined = free
    while (maker !== undefined) {
      const revision = instead.get(maker) as number
      this.made.set(maker, revision)
      maker = makerOf.get(revision)
    }
  }

  private tried(maker: Maker, revision: number): boolean {
    return this.triesLeft-- > 0 && this.possible(maker, revision)
  }
}
