/** Times as the API writes them. */

/** RFC 3339 in whole seconds. */
export const rfc3339 = (epochMs: number): string => `${isoOf(epochMs).slice(0, 19)}Z`
/** RFC 3339 with microseconds, as Leases have them. */
export const microTime = (epochMs: number): string => `${isoOf(epochMs).slice(0, 23)}000Z`
export const epochMs = (time: string): number => {
  const [date = '', clock = ''] = time.slice(0, -1).split('T')
  const [year = 0, month = 1, day = 1] = date.split('-').map(Number)
  const [hours = 0, minutes = 0, seconds = 0] = clock.split(':').map(Number)
  return daysFrom1970(year, month, day) * DAY_MS + hours * 3_600_000 + minutes * 60_000 + Math.round(seconds * 1000)
}

const DAY_MS = 86_400_000

/** Days since 1970-01-01 in the proleptic Gregorian calendar. */
const daysFrom1970 = (year: number, month: number, day: number): number => {
  const shifted = month <= 2 ? year - 1 : year
  const era = Math.floor(shifted / 400)
  const yearOfEra = shifted - era * 400
  const dayOfYear = Math.floor((153 * (month + (month > 2 ? -3 : 9)) + 2) / 5) + day - 1
  const dayOfEra = yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear
  return era * 146_097 + dayOfEra - 719_468
}

const pad = (value: number, width: number): string => String(value).padStart(width, '0')

const isoOf = (epoch: number): string => {
  const days = Math.floor(epoch / DAY_MS)
  const rest = epoch - days * DAY_MS
  const shifted = days + 719_468
  const era = Math.floor(shifted / 146_097)
  const dayOfEra = shifted - era * 146_097
  const yearOfEra = Math.floor(
    (dayOfEra - Math.floor(dayOfEra / 1460) + Math.floor(dayOfEra / 36_524) - Math.floor(dayOfEra / 146_096)) / 365,
  )
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100))
  const monthShifted = Math.floor((5 * dayOfYear + 2) / 153)
  const day = dayOfYear - Math.floor((153 * monthShifted + 2) / 5) + 1
  const month = monthShifted < 10 ? monthShifted + 3 : monthShifted - 9
  const year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
  const clock = `${pad(Math.floor(rest / 3_600_000), 2)}:${pad(Math.floor(rest / 60_000) % 60, 2)}:${pad(Math.floor(rest / 1000) % 60, 2)}`
  return `${pad(year, 4)}-${pad(month, 2)}-${pad(day, 2)}T${clock}.${pad(rest % 1000, 3)}`
}
