/**
 * Small clusters are explored in full: whatever order things happen in, every invariant holds and all comes to rest.
 *
 * How many states there are is pinned: a guard that narrows or widens by accident moves the number while all holds. What
 * each exploration must have reached keeps it from being about nothing.
 */
import { expect, test } from 'vitest'
import { exploreCluster } from './cluster.ts'
import { INSTANCES } from './instances.ts'

/** Instance → the invariants whose interesting case it is there for. */
const REACHES: Readonly<Record<keyof typeof INSTANCES, readonly string[]>> = {
  scheduling: ['SCHED-S2', 'SCHED-S3', 'SCHED-S7'],
  rollout: ['DEP-S1', 'DEP-S2', 'DEP-S4', 'DEP-S7', 'DEP-S8', 'KUBELET-S13'],
  rollback: ['DEP-S1', 'RS-S5'],
  recreate: ['DEP-S3'],
  scaling: ['RS-S2', 'DEP-S1'],
  loss: ['KUBELET-S2', 'CL-P1'],
  cut: ['KUBELET-S15'],
  removal: ['NODE-S5'],
  restart: ['KUBELET-S5', 'KUBELET-S9', 'API-S4'],
  background: ['GC-S1', 'API-S8'],
  foreground: ['GC-S1', 'GC-S3'],
  orphan: ['API-S8'],
  service: ['EPS-S1', 'EPS-S2', 'PROXY-S6'],
}

test('every small cluster holds its invariants and comes to rest in every order of events', () => {
  const sizes = Object.entries(INSTANCES).map(([name, instance]) => {
    const { printed, complete, reached, statesDistinct, depth, resting } = exploreCluster(instance)
    expect(printed).toBeNull()
    expect(complete).toBe(true)
    const missed = REACHES[name as keyof typeof INSTANCES].filter((id) => (reached.get(id)?.notable ?? 0) === 0)
    expect(missed, `${name} does not reach what it is there for`).toEqual([])
    return `${name}: ${statesDistinct} states, depth ${depth}, ${resting} at rest`
  })
  expect(sizes).toMatchInlineSnapshot(`
    [
      "scheduling: 201 states, depth 12, 9 at rest",
      "rollout: 8338 states, depth 29, 2 at rest",
      "rollback: 774 states, depth 29, 2 at rest",
      "recreate: 3199 states, depth 22, 2 at rest",
      "scaling: 394 states, depth 15, 6 at rest",
      "loss: 2572 states, depth 21, 11 at rest",
      "cut: 1581 states, depth 20, 10 at rest",
      "removal: 733 states, depth 18, 13 at rest",
      "restart: 5470 states, depth 25, 8 at rest",
      "background: 16 states, depth 10, 2 at rest",
      "foreground: 96 states, depth 12, 2 at rest",
      "orphan: 1254 states, depth 18, 4 at rest",
      "service: 907 states, depth 21, 2 at rest",
    ]
  `)
})
