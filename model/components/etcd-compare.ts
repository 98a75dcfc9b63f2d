/**
 * The guards of a transaction.
 *
 * Source: server/etcdserver/txn/txn.go (applyCompare).
 */
import type { Compare, Key, Stored } from '../state/keyspace.ts'
import { matching, textOf } from './etcd-range.ts'

const ABSENT: Stored = { value: '', createRevision: 0, modRevision: 0, version: 0, lease: 0 }
const FIELD = { version: 'version', create: 'createRevision', mod: 'modRevision', lease: 'lease' } as const

/** Over a range it must hold for every key. Where there is no key all numbers are 0, and no value compares to anything. */
export const holds = (kvs: ReadonlyMap<Key, Stored>, compare: Compare): boolean => {
  const found = matching(kvs, compare)
  if (found.length > 0) return found.every((stored) => holdsFor(stored, compare))
  return compare.target !== 'value' && holdsFor(ABSENT, compare)
}

const holdsFor = (stored: Stored, { target, result, operand }: Compare): boolean => {
  const [held, asked] = target === 'value' ? [textOf(stored.value), textOf(operand)] : [stored[FIELD[target]], Number(operand)]
  switch (result) {
    case '=':
      return held === asked
    case '!=':
      return held !== asked
    case '<':
      return held < asked
    case '>':
      return held > asked
  }
}
