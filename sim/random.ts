/** Placeholder type, filled in by sim. */
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
