import { expect, test } from 'vitest'
import { Lessor } from './lessor.ts'

const leading = (checkpointEveryMs?: number): Lessor => {
  const lessor = new Lessor(1_000, checkpointEveryMs)
  lessor.promote(0)
  return lessor
}

test('a lease is granted one and a half election timeouts at least, and ends once, by the leader', () => {
  const lessor = leading()
  expect(lessor.grant(1, 1, 0)).toBe(2)
  expect(lessor.expired(1_999)).toEqual([])
  expect(lessor.expired(2_000)).toEqual([1])
  expect(lessor.expired(3_000)).toEqual([])
  lessor.promote(3_000)
  lessor.demote()
  expect(lessor.expired(99_000)).toEqual([])
})

test('who begins to lead gives every lease its full time and an election timeout', () => {
  const lessor = new Lessor(1_000)
  lessor.grant(1, 5, 0)
  lessor.promote(4_000)
  expect(lessor.expired(9_999)).toEqual([])
  expect(lessor.expired(10_000)).toEqual([1])
})

test('a lease that was revoked after it was found is not renewed', () => {
  const lessor = leading()
  lessor.grant(1, 5, 0)
  const found = lessor.find(1)
  if (found === null) throw new Error('the lease was granted')
  expect(lessor.renew(1, found, 1_000)).toBe(5)
  lessor.revoke(1)
  expect(lessor.renew(1, found, 1_000)).toBeNull()
  lessor.grant(1, 9, 1_000)
  expect(lessor.renew(1, found, 1_000)).toBeNull()
})

test('a checkpoint is what a new leader goes by, also one that starts from an image', () => {
  const lessor = leading(2_000)
  lessor.grant(1, 10, 0)
  expect(lessor.checkpoints(1_999)).toEqual([])
  expect(lessor.checkpoints(2_000)).toEqual([{ id: 1, remainingTtl: 8 }])
  lessor.checkpoint(1, 8)
  const other = new Lessor(1_000, 2_000)
  other.restore(lessor.image(), 0)
  for (const one of [lessor, other]) {
    one.promote(3_000)
    expect(one.expired(11_999)).toEqual([])
    expect(one.expired(12_000)).toEqual([1])
  }
})
