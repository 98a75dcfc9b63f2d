/** Compares what was found with what was expected, whatever the order of fields. */
const sorted = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(sorted)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value)
      .toSorted(([one], [other]) => (one < other ? -1 : 1))
      .map(([key, held]) => [key, sorted(held)]),
  )
}

/** Null: the same. */
export const compared = (expected: unknown, found: unknown): string | null => {
  const [one, other] = [JSON.stringify(sorted(expected)), JSON.stringify(sorted(found))]
  return one === other ? null : `expected ${one}, found ${other}`
}
