/**
 * Named streams of random numbers: what one part of the world draws never shifts what another draws.
 *
 * Each stream is a generator of its own, seeded by the run's seed and the stream's name. Whole numbers only.
 */
import seedrandom from 'seedrandom'

export interface Random {
  /** A whole number in [0, bound). */
  below(bound: number): number
  /** A whole number in [low, high]. */
  between(low: number, high: number): number
  /** True in `perMille` of 1000 draws. */
  chance(perMille: number): boolean
  pick<T>(items: readonly T[]): T
  /** A new array in random order. */
  shuffle<T>(items: readonly T[]): T[]
}

class Stream implements Random {
  private readonly draw: () => number

  constructor(seed: string) {
    this.draw = seedrandom.alea(seed)
  }

  below(bound: number): number {
    return Math.floor(this.draw() * bound)
  }

  between(low: number, high: number): number {
    return low + Math.floor(this.draw() * (high - low + 1))
  }

  chance(perMille: number): boolean {
    return perMille > 0 && this.draw() * 1000 < perMille
  }

  pick<T>(items: readonly T[]): T {
    if (items.length === 0) throw new Error('nothing to pick from')
    return items[this.below(items.length)] as T
  }

  shuffle<T>(items: readonly T[]): T[] {
    const result = [...items]
    for (let last = result.length - 1; last > 0; last--) {
      const other = this.below(last + 1)
      const kept = result[last] as T
      result[last] = result[other] as T
      result[other] = kept
    }
    return result
  }
}

/** The streams of one run. A name always means the same stream, with the position it has reached. */
export class Streams {
  private readonly known = new Map<string, Random>()
  private readonly seed: string

  constructor(seed: string) {
    this.seed = seed
  }

  stream(...name: readonly string[]): Random {
    const key = name.join('\n')
    let stream = this.known.get(key)
    if (stream === undefined) {
      stream = new Stream(`${this.seed}\n${key}`)
      this.known.set(key, stream)
    }
    return stream
  }
}
