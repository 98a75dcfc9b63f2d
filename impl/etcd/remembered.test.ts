import { expect, test } from 'vitest'
import { Remembered } from './remembered.ts'

test('it remembers the last few in order, and goes on alike from what it was once', () => {
  const one = new Remembered(3)
  for (const name of ['a', 'b', 'c', 'd', 'e']) one.add(name)
  expect(one.list()).toEqual(['c', 'd', 'e'])
  expect(['c', 'e'].map((name) => one.add(name))).toEqual([false, false])
  expect(one.list()).toEqual(['c', 'd', 'e'])
  const other = new Remembered(3)
  other.add('z')
  other.replace(one.list())
  for (const remembered of [one, other]) {
    remembered.add('f')
    expect(remembered.list()).toEqual(['d', 'e', 'f'])
    expect(remembered.add('z')).toBe(true)
  }
})
