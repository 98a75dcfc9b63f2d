import { expect, test } from 'vitest'
import { Zones, type ZoneCount } from './zones.ts'

/** Seconds at which nodes of a zone are given up, looked at every second. */
const given = (count: ZoneCount, names: number, seconds: number): readonly number[] => {
  const zones = new Zones()
  zones.counted(new Map([['a', count]]), 0)
  for (let name = 0; name < names; name++) zones.add('a', `node-${name}`)
  return Array.from({ length: seconds }, (_, second) => second).filter((second) => zones.next(second * 1000) !== null)
}

// Goal: the rates of SEMANTICS 1.14, those of zones too large for the suites included. Method: one zone, watched for minutes.
test('one node in ten seconds; of a large zone lost for the most part one in a hundred; of a small one none', () => {
  expect(given({ ready: 4, unready: 3 }, 3, 60)).toEqual([0, 10, 20])
  expect(given({ ready: 30, unready: 40 }, 3, 300)).toEqual([0, 100, 200])
  expect(given({ ready: 2, unready: 3 }, 3, 300)).toEqual([])
})

test('another rate begins with a full wait; where all is lost nobody goes, and it is said once', () => {
  const zones = new Zones()
  expect(zones.counted(new Map([['a', { ready: 0, unready: 2 }]]), 0)).toBe('lost')
  zones.add('a', 'node-0')
  expect(zones.next(60_000)).toBeNull()
  expect(zones.counted(new Map([['a', { ready: 0, unready: 2 }]]), 60_000)).toBeNull()
  expect(zones.counted(new Map([['a', { ready: 1, unready: 1 }]]), 61_000)).toBe('back')
  expect(zones.nextInMs(61_000)).toBe(10_000)
  expect([zones.next(70_999), zones.next(71_000)]).toEqual([null, 'node-0'])
})
