/**
 * Small clusters are explored in full: whatever order things happen in, every invariant holds and all comes to rest.
 *
 * How many states there are is pinned: a guard that narrows or widens by accident moves the number while all holds. What
 * each exploration must have reached keeps it from being about nothing.
 */
import { expect, test } from 'vitest'
import { exploreCluster } from './cluster.ts'
import { INSTANCES } from './instances.ts'

/** Instance → what there is of it, and the invariants whose interesting case it is there for. */
const PINNED: Readonly<Record<keyof typeof INSTANCES, { readonly size: string; readonly reaches: readonly string[] }>> = {
  scheduling: { size: '201 states, depth 12, 9 at rest', reaches: ['SCHED-S2', 'SCHED-S3', 'SCHED-S7'] },
  rollout: { size: '8338 states, depth 29, 2 at rest', reaches: ['DEP-S1', 'DEP-S2', 'DEP-S4', 'DEP-S8', 'KUBELET-S13'] },
  rollback: { size: '774 states, depth 29, 2 at rest', reaches: ['DEP-S1', 'RS-S5'] },
  recreate: { size: '3199 states, depth 22, 2 at rest', reaches: ['DEP-S3'] },
  scaling: { size: '394 states, depth 15, 6 at rest', reaches: ['RS-S2', 'RS-R1', 'DEP-S1'] },
  adopting: { size: '83 states, depth 12, 6 at rest', reaches: ['RS-S1', 'RS-S2'] },
  autoscaling: { size: '2013 states, depth 24, 7 at rest', reaches: ['HPA-R1', 'HPA-S1', 'HPA-S2', 'RS-R1'] },
  pacing: { size: '373 states, depth 15, 71 at rest', reaches: ['HPA-R1', 'HPA-S1', 'HPA-S2', 'HPA-S3'] },
  tokens: { size: '134 states, depth 16, 10 at rest', reaches: ['SA-S2', 'SA-S3'] },
  quota: { size: '961 states, depth 16, 14 at rest', reaches: ['QUOTA-S1', 'QUOTA-S2'] },
  loss: { size: '2484 states, depth 18, 13 at rest', reaches: ['KUBELET-S2', 'CL-P1', 'NODE-S3'] },
  cut: { size: '1384 states, depth 17, 12 at rest', reaches: ['KUBELET-S15'] },
  tainted: { size: '159 states, depth 14, 5 at rest', reaches: ['NODE-S3'] },
  outOfService: { size: '2481 states, depth 23, 30 at rest', reaches: ['NODE-S3', 'NODE-S5', 'NODE-S6'] },
  leftover: { size: '36 states, depth 10, 3 at rest', reaches: ['NODE-S6'] },
  removal: { size: '1545 states, depth 18, 30 at rest', reaches: ['NODE-S6'] },
  restart: { size: '5470 states, depth 25, 8 at rest', reaches: ['KUBELET-S5', 'KUBELET-S9', 'API-S4'] },
  ordered: { size: '162 states, depth 25, 2 at rest', reaches: ['STS-S1', 'STS-S2', 'STS-S4', 'STS-S7'] },
  partitioned: { size: '179 states, depth 12, 6 at rest', reaches: ['STS-S3'] },
  daemons: { size: '755 states, depth 21, 5 at rest', reaches: ['DS-S2'] },
  surging: { size: '78 states, depth 18, 2 at rest', reaches: ['DS-S1', 'DS-S3'] },
  storage: { size: '191 states, depth 14, 5 at rest', reaches: ['VOL-S1'] },
  attaching: { size: '1117 states, depth 31, 4 at rest', reaches: ['VOL-S3', 'VOL-S4', 'VOL-S6'] },
  returning: { size: '1286 states, depth 31, 4 at rest', reaches: ['VOL-S4', 'VOL-S6'] },
  alone: { size: '274 states, depth 15, 3 at rest', reaches: ['VOL-S7'] },
  waiting: { size: '640 states, depth 25, 9 at rest', reaches: ['VOL-S3', 'VOL-S5', 'NODE-S6'] },
  fencing: { size: '1003 states, depth 27, 14 at rest', reaches: ['VOL-S3', 'VOL-S5', 'NODE-S6'] },
  protecting: { size: '127 states, depth 17, 3 at rest', reaches: ['VOL-S8'] },
  background: { size: '16 states, depth 10, 2 at rest', reaches: ['GC-S1', 'API-S8'] },
  foreground: { size: '96 states, depth 12, 2 at rest', reaches: ['GC-S1', 'GC-S3'] },
  orphan: { size: '1254 states, depth 18, 4 at rest', reaches: ['API-S8'] },
  namespace: { size: '98 states, depth 11, 2 at rest', reaches: ['NS-S1'] },
  job: { size: '284 states, depth 36, 7 at rest', reaches: ['JOB-S1', 'JOB-S2', 'JOB-S3'] },
  indexed: { size: '1090 states, depth 43, 21 at rest', reaches: ['JOB-S6'] },
  enough: { size: '1220 states, depth 22, 39 at rest', reaches: ['JOB-S3'] },
  limits: { size: '1179 states, depth 34, 49 at rest', reaches: ['JOB-S10', 'JOB-S12', 'JOB-S13'] },
  parallel: { size: '64 states, depth 18, 4 at rest', reaches: ['JOB-S4'] },
  abandoned: { size: '708 states, depth 18, 6 at rest', reaches: ['GC-S1'] },
  cron: { size: '2062 states, depth 24, 5 at rest', reaches: ['CJ-S1', 'CJ-S3'] },
  replacing: { size: '937 states, depth 17, 8 at rest', reaches: ['CJ-S2'] },
  forbidding: { size: '436 states, depth 16, 15 at rest', reaches: ['CJ-S1'] },
  expiry: { size: '1345 states, depth 19, 42 at rest', reaches: ['TTL-S1'] },
  service: { size: '907 states, depth 21, 2 at rest', reaches: ['EPS-S1', 'EPS-S2', 'PROXY-S6'] },
  mirroring: { size: '416 states, depth 20, 12 at rest', reaches: ['EPS-S1', 'EPS-S2'] },
}

test.for(Object.entries(INSTANCES))('%s holds its invariants and comes to rest in every order of events', ([name, instance]) => {
  const { printed, complete, reached, statesDistinct, depth, resting } = exploreCluster(instance)
  expect(printed).toBeNull()
  expect(complete).toBe(true)
  const { size, reaches } = PINNED[name as keyof typeof INSTANCES]
  expect(`${statesDistinct} states, depth ${depth}, ${resting} at rest`).toBe(size)
  expect(reaches.filter((id) => (reached.get(id)?.notable ?? 0) === 0)).toEqual([])
})
