/** The implementation asks a library when a schedule is due; the specification says it by plain definition. They agree. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { cronProblem, lastDue, nextDue } from '../impl/cron.ts'
import { isDue, lastDue as specifiedLastDue } from '../model/components/cron.ts'
import { minutesEast } from '../model/state/time-zones.ts'

const START_MS = Date.UTC(2026, 0, 1)
const DAY_MS = 86_400_000

const part = (first: number, last: number): fc.Arbitrary<string> => {
  const value = fc.integer({ min: first, max: last })
  const range = fc.tuple(value, value).map(([one, other]) => `${Math.min(one, other)}-${Math.max(one, other)}`)
  const stepped = fc.tuple(fc.oneof(fc.constant('*'), range, value.map(String)), fc.integer({ min: 2, max: 6 }))
  return fc.oneof(
    fc.constant('*'),
    value.map(String),
    range,
    stepped.map(([base, step]) => `${base}/${step}`),
  )
}
const field = (first: number, last: number): fc.Arbitrary<string> =>
  fc.oneof(
    { weight: 3, arbitrary: part(first, last) },
    { weight: 1, arbitrary: fc.tuple(part(first, last), part(first, last)).map((parts) => parts.join(',')) },
  )
const schedule = fc
  .tuple(
    field(0, 59),
    field(0, 23),
    field(1, 28),
    fc.oneof(fc.constant('*'), field(1, 12), fc.constantFrom('JAN', 'feb-APR')),
    fc.oneof(field(0, 6), fc.constantFrom('MON', 'sat,SUN')),
  )
  .map((fields) => fields.join(' '))
const zone = fc.constantFrom('UTC', 'Asia/Kolkata', 'Etc/GMT+5', 'Asia/Tokyo')

// Method: two days of minutes from a moment of the year; the next and the last due time are those of the definition.
test('the library and the definition name the same times', () => {
  fc.assert(
    fc.property(schedule, zone, fc.integer({ min: 0, max: 365 * 1440 }), (drawn, name, minutes) => {
      const east = minutesEast(name) ?? 0
      const fromMs = START_MS + minutes * 60_000 + 1
      expect(cronProblem(drawn)).toBeNull()
      const next = nextDue(drawn, east, fromMs)
      const last = lastDue(drawn, east, fromMs)
      if (next !== null && next - fromMs < 2 * DAY_MS) expect(specifiedLastDue(drawn, east, fromMs, next)).toBe(next)
      else expect(specifiedLastDue(drawn, east, fromMs, fromMs + 2 * DAY_MS)).toBeNull()
      if (next !== null && next - fromMs < 2 * DAY_MS) expect(specifiedLastDue(drawn, east, fromMs, next - 1)).toBeNull()
      if (last !== null) expect(isDue(drawn, east, last)).toBe(true)
    }),
    { numRuns: 200, seed: 1 },
  )
})

test.for([
  ['* * * *', 'expected exactly 5 fields, found 4: * * * *'],
  ['0 0 L * *', "'L' is no day of month"],
  ['0 0 * * 7', "'7' is no day of week"],
  ['0 0 * * 5#2', "'5#2' is no day of week"],
  ['@every 5m', '@every is not simulated: write the five fields'],
  ['61 * * * *', 'CronPattern: Invalid value for minute: 61'],
])('%s is refused', ([text = '', problem]) => {
  expect(cronProblem(text)).toBe(problem)
})

test('zones that keep one offset are known, others are not', () => {
  expect(['UTC', 'Etc/GMT-14', 'Etc/GMT+12', 'Asia/Kolkata'].map(minutesEast)).toEqual([0, 840, -720, 330])
  expect(['America/New_York', 'Etc/GMT+13', 'Nowhere'].map(minutesEast)).toEqual([undefined, undefined, undefined])
})
