/** Columns of text: as wide as they have to be, numbers to the right. */
export const columns = (rows: readonly (readonly (string | number)[])[]): readonly string[] => {
  const widths: number[] = []
  for (const row of rows) for (const [index, cell] of row.entries()) widths[index] = Math.max(widths[index] ?? 0, String(cell).length)
  return rows.map((row) =>
    row
      .map((cell, index) => {
        const width = index === row.length - 1 && typeof cell === 'string' ? 0 : (widths[index] ?? 0)
        return typeof cell === 'number' ? String(cell).padStart(width) : cell.padEnd(width)
      })
      .join('  ')
      .trimEnd(),
  )
}

/** 61234 → '1 min 1 s', 900 → '0.9 s' */
export const duration = (ms: number): string => {
  if (ms < 60_000) return `${(ms / 1000).toFixed(1)} s`
  const seconds = Math.round(ms / 1000)
  return `${Math.floor(seconds / 60)} min ${seconds % 60} s`
}

/** The value that a share of the values does not exceed; null: there are none. */
export const quantile = (values: readonly number[], share: number): number | null => {
  const sorted = values.toSorted((one, other) => one - other)
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? null
}
