/**
 * Cron schedules as CronJobs have them: five fields, or a name such as '@hourly'.
 *
 * Source of what is taken: https://pkg.go.dev/github.com/robfig/cron/v3 (ParseStandard), which Kubernetes uses. What the
 * library takes beyond that (L, W, #, seconds) is refused before it is asked.
 */
import { Cron } from 'croner'

const NAMED: Readonly<Record<string, string>> = {
  '@yearly': '0 0 1 1 *',
  '@annually': '0 0 1 1 *',
  '@monthly': '0 0 1 * *',
  '@weekly': '0 0 * * 0',
  '@daily': '0 0 * * *',
  '@midnight': '0 0 * * *',
  '@hourly': '0 * * * *',
}
const MONTHS = 'JAN|FEB|MAR|APR|MAY|JUN|JUL|AUG|SEP|OCT|NOV|DEC'
const DAYS = 'SUN|MON|TUE|WED|THU|FRI|SAT'
const fieldOf = (value: string): RegExp => {
  const part = `(?:[*?]|(?:${value})(?:-(?:${value}))?)(?:/[1-9]\\d*)?`
  return new RegExp(`^${part}(?:,${part})*$`, 'i')
}
const FIELDS = [fieldOf('\\d{1,2}'), fieldOf('\\d{1,2}'), fieldOf('\\d{1,2}'), fieldOf(`\\d{1,2}|${MONTHS}`), fieldOf(`[0-6]|${DAYS}`)]
const PLACES = ['minute', 'hour', 'day of month', 'month', 'day of week']

/** Null: it is one. Otherwise what is wrong with it. */
export const cronProblem = (schedule: string): string | null => {
  if (schedule.startsWith('@every')) return '@every is not simulated: write the five fields'
  const fields = (NAMED[schedule] ?? schedule).trim().split(/\s+/)
  if (fields.length !== FIELDS.length) return `expected exactly 5 fields, found ${fields.length}: ${schedule}`
  const wrong = FIELDS.findIndex((pattern, place) => !pattern.test(fields[place] ?? ''))
  if (wrong >= 0) return `'${fields[wrong]}' is no ${PLACES[wrong]}`
  try {
    cronOf(schedule, 0)
    return null
  } catch (error) {
    return (error as Error).message
  }
}

const parsed = new Map<string, Cron>()
const cronOf = (schedule: string, minutesEast: number): Cron => {
  const key = `${minutesEast} ${schedule}`
  let cron = parsed.get(key)
  if (cron === undefined) {
    const fields = (NAMED[schedule] ?? schedule).trim().replaceAll('?', '*')
    cron = new Cron(fields, { mode: '5-part', paused: true, sloppyRanges: true, utcOffset: minutesEast })
    parsed.set(key, cron)
  }
  return cron
}

/** The first time after a moment; null: never. Times are milliseconds since 1970, moments too. */
export const nextDue = (schedule: string, minutesEast: number, afterMs: number): number | null =>
  cronOf(schedule, minutesEast).nextRun(new Date(afterMs))?.getTime() ?? null

/** The last time up to a moment, itself included. */
export const lastDue = (schedule: string, minutesEast: number, untilMs: number): number | null =>
  cronOf(schedule, minutesEast)
    .previousRuns(1, new Date(untilMs + 1))[0]
    ?.getTime() ?? null
