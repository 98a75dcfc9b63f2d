import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Node, Pod } from '../../model/state/objects.ts'
import { Streams } from '../../sim/random.ts'
import { SchedulerCache } from './cache.ts'
import { profilesOf, type Profile } from './config.ts'
import { search } from './cycle.ts'
import { listersOf } from './listers.ts'
import { podInfoOf } from './node-info.ts'

const HOST = 'kubernetes.io/hostname'
const ZONE = 'topology.kubernetes.io/zone'
const ofColour = (colour: string) => ({ labelSelector: { matchLabels: { colour } } })
const term = (colour: string, topologyKey: string) => ({ ...ofColour(colour), topologyKey })
const weighted = (colour: string) => ({
  preferredDuringSchedulingIgnoredDuringExecution: [{ weight: 7, podAffinityTerm: term(colour, ZONE) }],
})
const required = (colour: string, key: string) => ({ requiredDuringSchedulingIgnoredDuringExecution: [term(colour, key)] })
const spread = (whenUnsatisfiable: string, topologyKey: string) => ({
  topologySpreadConstraints: [{ maxSkew: 1, topologyKey, whenUnsatisfiable, ...ofColour('red') }],
})
/** What pods ask for of nodes and of each other. */
const WISHES: readonly object[] = [
  {},
  spread('DoNotSchedule', ZONE),
  spread('DoNotSchedule', HOST),
  spread('ScheduleAnyway', ZONE),
  { affinity: { podAffinity: required('red', ZONE) } },
  { affinity: { podAntiAffinity: required('red', HOST) } },
  { affinity: { podAffinity: weighted('blue') } },
  { affinity: { podAntiAffinity: weighted('red') } },
  { nodeSelector: { [ZONE]: 'z1' } },
  { tolerations: [{ key: 'gpu', operator: 'Exists' }] },
]

const nodeOf = (name: string, zone: string, tainted: boolean): Node =>
  ({
    metadata: { name, labels: { [HOST]: name, [ZONE]: zone } },
    spec: tainted ? { taints: [{ key: 'gpu', effect: 'NoSchedule' }] } : {},
    status: { allocatable: { cpu: '4', memory: '8Gi', pods: '5' } },
  }) as unknown as Node
const podOf = (uid: string, wish: number, colour: string, leaving = false): Pod =>
  ({
    metadata: { uid, name: uid, namespace: 'default', labels: { colour }, ...(leaving ? { deletionTimestamp: 'now' } : {}) },
    spec: { containers: [{ name: 'main', resources: { requests: { cpu: '500m' } } }], schedulerName: 'default-scheduler', ...WISHES[wish] },
    status: {},
  }) as unknown as Pod

const small = (most: number) => fc.nat({ max: most })
const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ kind: fc.constant('place' as const), wish: small(WISHES.length - 1), red: fc.boolean(), node: small(3) }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('drop' as const), nth: small(20) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('leave' as const), nth: small(20), node: small(3) }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('node' as const), node: small(3), zone: small(1), tainted: fc.boolean(), gone: fc.boolean() }),
  },
)

const NOTHING = listersOf(
  () => undefined,
  () => [],
)
const fresh = (): Profile => profilesOf({ percentageOfNodesToScore: 100 })[0] as Profile

/** All that a profile says of a pod: why not of each node, and what the others score. */
const said = (profile: Profile, cache: SchedulerCache, pod: Pod): unknown => {
  const info = podInfoOf(pod)
  const { cycle, feasible, statuses } = search(profile, cache, info, 0, new Streams('1').stream('ties'))
  const names = feasible.map(({ name }) => name)
  return { statuses: [...statuses], names, scores: feasible.length === 0 ? [] : profile.framework.score(cycle, info, feasible).totals }
}

// Goal: what is remembered and kept never differs from what would be found anew. Method: random changes, then both are asked.
test('a profile that has seen all changes says what one says that looks for the first time', () => {
  fc.assert(
    fc.property(fc.array(step, { minLength: 5, maxLength: 40 }), (steps) => {
      const cache = new SchedulerCache(NOTHING)
      for (let index = 0; index < 4; index++) cache.setNode(nodeOf(`n${index}`, `z${index % 2}`, index === 3))
      const old = fresh()
      const placed: { uid: string; wish: number; colour: string }[] = []
      for (const [index, one] of steps.entries()) {
        if (one.kind === 'place') {
          const pod = { uid: `p${index}`, wish: one.wish, colour: one.red ? 'red' : 'blue' }
          placed.push(pod)
          cache.assume(podInfoOf(podOf(pod.uid, pod.wish, pod.colour)), `n${one.node}`)
        } else if (one.kind === 'node') {
          if (one.gone) cache.removeNode(`n${one.node}`)
          else cache.setNode(nodeOf(`n${one.node}`, `z${one.zone}`, one.tainted))
        } else {
          const [pod] = placed.slice(one.nth % Math.max(1, placed.length))
          if (pod === undefined) continue
          if (one.kind === 'drop') cache.dropPod(pod.uid)
          else {
            const leaving = podOf(pod.uid, pod.wish, pod.colour, true)
            cache.setPod({ ...leaving, spec: { ...leaving.spec, nodeName: `n${one.node}` } })
          }
        }
        for (const colour of ['red', 'blue']) {
          const pod = podOf('asked', (index * 7 + colour.length) % WISHES.length, colour)
          expect(said(old, cache, pod)).toEqual(said(fresh(), cache, pod))
        }
      }
    }),
    { numRuns: 150 },
  )
})
