/** What members compare to find out whether one of them differs: its hash tells the same of the same, and tells what is not. */
import { fc, test } from '@fast-check/vitest'
import { expect } from 'vitest'
import { Mvcc } from '../../impl/etcd/mvcc.ts'
import type { KvRequest } from '../../model/state/keyspace.ts'
import { BASE } from './model-machine.ts'
import { sequence, type Sequence } from './operations.ts'

const header = (revision: number) => ({ revision, raftTerm: 1, member: 'etcd' })
const leases = { has: () => true }
const SMALL_BATCH = 3

/** Each step changes the store as one entry of the log does. */
const stepsOf = ({ operations }: Sequence): readonly ((store: Mvcc) => void)[] =>
  operations.flatMap((operation) => {
    if (operation.kind !== 'Ask') return []
    return [
      (store: Mvcc): void => {
        const { revision, compacted } = store
        for (const request of operation.requests({ ...BASE, revision, compacted })) {
          if (request.kind === 'Compact') store.compact(request.revision)
          else if (!request.kind.startsWith('Lease')) store.apply(request as KvRequest, header, leases)
        }
      },
    ]
  })

const readable = ({ revision, compacted }: Mvcc): readonly number[] =>
  Array.from({ length: revision - compacted + 1 }, (_, place) => compacted + place).filter((one) => one > 0)

test.prop([sequence(40), fc.nat(), fc.array(fc.nat(6), { minLength: 1 })], { numRuns: 150, seed: 1 })(
  'a member restored from a snapshot, which compacts at its own pace, has the hashes of one that did everything',
  (drawn, cut, pace) => {
    const steps = stepsOf(drawn)
    const whole = new Mvcc()
    const restored = new Mvcc(SMALL_BATCH)
    for (const [place, step] of steps.entries()) {
      if (place === cut % steps.length) restored.restore(whole.image())
      step(whole)
      if (place < cut % steps.length) continue
      step(restored)
      if (pace[place % pace.length] === 0) restored.scrub()
    }
    if (steps.length === 0) return
    expect(restored.revision).toBe(whole.revision)
    for (const revision of readable(whole)) expect(restored.hashAt(revision)).toBe(whole.hashAt(revision))
  },
)

test.prop([sequence(40), fc.nat()], { numRuns: 150, seed: 2 })(
  'members of which one has put something else have different hashes',
  (drawn, at) => {
    const steps = stepsOf(drawn)
    const [one, other] = [new Mvcc(), new Mvcc()]
    const put = (store: Mvcc, value: string): void => void store.apply({ kind: 'Put', key: 'odd', value }, header, leases)
    for (const [place, step] of steps.entries()) {
      if (place === at % steps.length) {
        put(one, '1')
        put(other, '2')
      }
      step(one)
      step(other)
    }
    const differ = one.latest('odd') !== null && one.latest('odd')?.value !== other.latest('odd')?.value
    fc.pre(differ)
    expect(one.hashAt(one.revision)).not.toBe(other.hashAt(other.revision))
  },
)
