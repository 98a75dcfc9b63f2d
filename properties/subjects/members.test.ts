import { expect, test } from 'vitest'
import type { EtcdClientAction, Plan, TimedAction } from '../../model/state/plan.ts'
import { CALM_WEATHER } from '../generators/plan.ts'
import { simulated } from './simulated.ts'

const at = (atMs: number, request: EtcdClientAction): TimedAction => ({ atMs, do: { kind: 'Etcd', client: 0, request } })

const planOf = (actions: readonly TimedAction[]): Plan => ({
  format: 1,
  suite: 'etcd',
  seed: '1',
  cluster: {
    members: 3,
    spareMembers: 1,
    apiservers: 0,
    controllerManagers: 0,
    schedulers: 0,
    nodes: [],
    etcdClients: 1,
    timings: { etcdSnapshotCount: 10, etcdCatchUpEntries: 2 },
  },
  weather: CALM_WEATHER,
  actions,
  stormMs: 60_000,
  calmMs: 40_000,
  quietMs: 3_000,
})

// Goal: members come and go while the store is in use. Method: one learner in a spare process, promoted; a founder removed,
// and back in the same process under an id of its own; all they need to know comes in snapshots.
test('a spare becomes a voter, and a member that was removed comes back as another one', () => {
  const puts = Array.from({ length: 40 }, (_, place) => at(2_000 + place * 1_000, { kind: 'Put', key: 'a', value: `v${place}` }))
  const changes = [
    at(7_000, { kind: 'MemberAdd', peerUrls: ['etcd-3'], isLearner: true }),
    at(12_000, { kind: 'MemberPromote', id: 'etcd-3' }),
    at(20_000, { kind: 'MemberRemove', id: 'etcd-2' }),
    at(34_000, { kind: 'MemberAdd', peerUrls: ['etcd-2'], isLearner: true }),
    at(45_000, { kind: 'MemberPromote', id: 'etcd-2.1' }),
  ]
  const { history } = simulated().run(planOf([...puts, ...changes].toSorted((one, other) => one.atMs - other.atMs)))
  const refused = history.filter((seen) => seen.kind === 'Reply' && seen.outcome.kind !== 'done')
  expect(refused).toEqual([])
  const last = history.findLast((seen) => seen.kind === 'Configured' && seen.member === 'etcd-2.1')
  expect(last).toMatchObject({ configuration: { voters: ['etcd-0', 'etcd-1', 'etcd-2.1', 'etcd-3'], learners: [] } })
  const states = new Map<string, string>()
  for (const seen of history)
    if (seen.kind === 'Applied' && seen.member !== 'etcd-2') states.set(seen.member, `${seen.index} ${seen.digest}`)
  expect([...states.keys()].toSorted()).toEqual(['etcd-0', 'etcd-1', 'etcd-2.1', 'etcd-3'])
  expect(new Set(states.values()).size).toBe(1)
  expect(history.some((seen) => seen.kind === 'Installed' && seen.member === 'etcd-2.1' && seen.index > 1)).toBe(true)
})
