/**
 * When a cron schedule is due, by plain definition: a minute is, if each of its five fields allows it.
 *
 * A day is allowed by the month and the week together where one of them is '*', by either where both are told.
 * Source: crontab(5); https://pkg.go.dev/github.com/robfig/cron/v3
 */
const NAMED: Readonly<Record<string, string>> = {
  '@yearly': '0 0 1 1 *',
  '@annually': '0 0 1 1 *',
  '@monthly': '0 0 1 * *',
  '@weekly': '0 0 * * 0',
  '@daily': '0 0 * * *',
  '@midnight': '0 0 * * *',
  '@hourly': '0 * * * *',
}
const MONTHS = ['', 'JAN', 'FEB', 'MAR', 'APR', 'MAY', 'JUN', 'JUL', 'AUG', 'SEP', 'OCT', 'NOV', 'DEC']
const DAYS = ['SUN', 'MON', 'TUE', 'WED', 'THU', 'FRI', 'SAT']
const MINUTE_MS = 60_000

const allows = (field: string, value: number, last: number, names: readonly string[]): boolean => {
  const numberOf = (text: string): number => (names.includes(text.toUpperCase()) ? names.indexOf(text.toUpperCase()) : Number(text))
  return field.split(',').some((part) => {
    const [range = '', step = '1'] = part.split('/')
    const [from = '', to = part.includes('/') ? String(last) : from] =
      range === '*' || range === '?' ? ['0', String(last)] : range.split('-')
    const first = range === '*' || range === '?' ? (last === 31 || last === 12 ? 1 : 0) : numberOf(from)
    return value >= first && value <= numberOf(to) && (value - first) % Number(step) === 0
  })
}
const isOpen = (field: string): boolean => field === '*' || field === '?'

/** Whether it is due in the minute that begins then; milliseconds since 1970. */
export const isDue = (schedule: string, minutesEast: number, atMs: number): boolean => {
  const [minute = '', hour = '', dayOfMonth = '', month = '', dayOfWeek = ''] = (NAMED[schedule] ?? schedule).trim().split(/\s+/)
  if (atMs % MINUTE_MS !== 0) return false
  const local = new Date(atMs + minutesEast * MINUTE_MS)
  const inMonth = allows(dayOfMonth, local.getUTCDate(), 31, [])
  const inWeek = allows(dayOfWeek, local.getUTCDay(), 6, DAYS)
  return (
    allows(minute, local.getUTCMinutes(), 59, []) &&
    allows(hour, local.getUTCHours(), 23, []) &&
    allows(month, local.getUTCMonth() + 1, 12, MONTHS) &&
    (isOpen(dayOfMonth) || isOpen(dayOfWeek) ? inMonth && inWeek : inMonth || inWeek)
  )
}

/** The last time it was due after one moment and up to another; null: it was not. Minute by minute: for short spans. */
export const lastDue = (schedule: string, minutesEast: number, afterMs: number, untilMs: number): number | null => {
  for (let atMs = Math.floor(untilMs / MINUTE_MS) * MINUTE_MS; atMs > afterMs; atMs -= MINUTE_MS)
    if (isDue(schedule, minutesEast, atMs)) return atMs
  return null
}
