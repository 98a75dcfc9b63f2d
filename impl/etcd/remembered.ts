/** The last few of many names: what a member knows to have been applied already. */
export class Remembered {
  private readonly most: number
  private readonly names = new Set<string>()
  /** A ring: once it is full, the oldest name is the one that the next takes the place of. */
  private readonly ring: string[] = []
  private oldest = 0

  constructor(most: number) {
    this.most = most
  }

  /** False: it is remembered already. */
  add(name: string): boolean {
    const { size } = this.names
    if (this.names.add(name).size === size) return false
    if (this.ring.length < this.most) this.ring.push(name)
    else {
      this.names.delete(this.ring[this.oldest] as string)
      this.ring[this.oldest] = name
      this.oldest = (this.oldest + 1) % this.most
    }
    return true
  }

  /** The oldest first. */
  list(): readonly string[] {
    return [...this.ring.slice(this.oldest), ...this.ring.slice(0, this.oldest)]
  }

  /** Instead of all it holds. */
  replace(names: readonly string[]): void {
    this.names.clear()
    this.ring.length = 0
    this.oldest = 0
    for (const name of names) this.add(name)
  }
}
