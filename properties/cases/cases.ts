/** Cases with known answers from outside: what one is once it has been tried. */
export interface CaseResult {
  readonly id: string
  /** Null: as expected. Otherwise what was expected and what was found, one line each. */
  readonly difference: readonly [expected: string, found: string] | null
}

const sorted = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(sorted)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value)
      .toSorted(([one], [other]) => (one < other ? -1 : 1))
      .map(([key, held]) => [key, sorted(held)]),
  )
}

export const compared = (id: string, expected: unknown, found: unknown): CaseResult => {
  const [one, other] = [JSON.stringify(sorted(expected)), JSON.stringify(sorted(found))]
  return { id, difference: one === other ? null : [one, other] }
}
