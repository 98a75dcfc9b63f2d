/**
 * What users are told when a budget, a quota, a limit range or a namespace on its way out refuses what they ask.
 *
 * Method: a calm run of a few requests; the refusals as the API server words them, and what is said to wait.
 */
import { expect, test } from 'vitest'
import type { Action, Manifest, Plan } from '../../model/state/plan.ts'
import { INVARIANTS } from '../../model/register.ts'
import { violatedIds } from '../examine.ts'
import { judge } from '../judge.ts'
import { CALM_WEATHER } from '../generators/plan.ts'
import { nodes, standardShape } from '../generators/shapes.ts'
import { simulated } from '../subjects/simulated.ts'

const planOf = (steps: readonly (readonly [number, Action])[], calmMs = 120_000): Plan => ({
  format: 1,
  suite: 'policy',
  seed: 'policy',
  cluster: standardShape(nodes(2)),
  weather: CALM_WEATHER,
  actions: steps.map(([atMs, action]) => ({ atMs, do: action })),
  stormMs: (steps.at(-1)?.[0] ?? 0) + 20_000,
  calmMs,
  quietMs: 10_000,
})
const apply = (kind: string, name: string, rest: object, apiVersion = 'v1', namespace = 'default'): Action => {
  const object: Manifest = { apiVersion, kind, metadata: kind === 'Namespace' ? { name } : { name, namespace }, ...rest }
  return { kind: 'Apply', object }
}
const container = (requests: object) => ({ name: 'main', image: 'registry.example/app:1', resources: { requests } })
const labels = { app: 'web' }
const web = apply(
  'Deployment',
  'web',
  {
    spec: {
      replicas: 2,
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec: { containers: [container({ cpu: '100m' })] } },
    },
  },
  'apps/v1',
)

const cpu = { type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 50 } } }

const told = (steps: readonly (readonly [number, Action])[]) => {
  const run = simulated().run(planOf(steps))
  const refused = run.history.flatMap((seen) =>
    seen.kind === 'Reply' && seen.process === 'user-0' && seen.outcome.kind === 'refused' && seen.outcome.code !== 404
      ? [`${seen.outcome.code} ${seen.outcome.reason}`]
      : [],
  )
  return { refused: [...new Set(refused)], pending: run.pending.map(({ object, waitsFor }) => `${object} waits for ${waitsFor}`) }
}

test('a drain that a budget never allows is refused with 429, and explained', () => {
  const budget = apply('PodDisruptionBudget', 'web', { spec: { selector: { matchLabels: labels }, minAvailable: '100%' } }, 'policy/v1')
  expect(
    told([
      [5_000, web],
      [5_100, budget],
      [20_000, { kind: 'Drain', node: 'node-0' }],
    ]),
  ).toMatchInlineSnapshot(`
    {
      "pending": [
        "Drain of node-0 waits for the disruption budget web to allow the eviction of web-f7rb7kp65z-rsn9q: it needs 2 healthy pods and has 2",
      ],
      "refused": [
        "429 Cannot evict pod as it would violate the pod's disruption budget.",
      ],
    }
  `)
})

test('what exceeds a quota or breaks a limit range is refused with 403', () => {
  const pod = (name: string, requests: object): Action => apply('Pod', name, { spec: { containers: [container(requests)] } })
  const range = { limits: [{ type: 'Container', max: { cpu: '1' }, default: { cpu: '500m' } }] }
  expect(
    told([
      [5_000, apply('ResourceQuota', 'share', { spec: { hard: { pods: '1', 'requests.memory': '1Gi' } } })],
      [5_100, apply('LimitRange', 'usual', { spec: range })],
      [10_000, pod('a', { cpu: '100m' })],
      [11_000, pod('b', { cpu: '2', memory: '64Mi' })],
      [12_000, pod('c', { cpu: '100m', memory: '64Mi' })],
      [13_000, pod('d', { cpu: '100m', memory: '64Mi' })],
    ]),
  ).toMatchInlineSnapshot(`
    {
      "pending": [],
      "refused": [
        "403 pods "a" is forbidden: failed quota: share: must specify requests.memory for: main",
        "403 pods "b" is forbidden: maximum cpu usage per Container is 1, but request is 2000m",
        "403 pods "d" is forbidden: exceeded quota: share, requested: pods=1, used: pods=1, limited: pods=1",
      ],
    }
  `)
})

test('what a quota keeps from starting is explained, whoever wants it, and violates nothing', () => {
  const template = { metadata: { labels }, spec: { restartPolicy: 'Never', containers: [container({ cpu: '100m' })] } }
  const hello = { schedule: '* * * * *', jobTemplate: { spec: { template } } }
  const scaled = { scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'web' }, minReplicas: 1, maxReplicas: 5 }
  const steps: readonly (readonly [number, Action])[] = [
    [5_000, apply('ResourceQuota', 'share', { spec: { hard: { 'requests.memory': '1Gi' } } })],
    [6_000, web],
    [6_500, apply('HorizontalPodAutoscaler', 'web', { spec: { ...scaled, metrics: [cpu] } }, 'autoscaling/v2')],
    [7_000, apply('Job', 'once', { spec: { template } }, 'batch/v1')],
    [7_500, apply('CronJob', 'hello', { spec: hello }, 'batch/v1')],
  ]
  const run = simulated().run(planOf(steps, 900_000))
  expect(violatedIds(judge(run.history, INVARIANTS))).toEqual([])
  expect(new Set(run.pending.map(({ object, waitsFor }) => `${object.replace(/-\w{5,}$/, '')} waits for ${waitsFor}`)))
    .toMatchInlineSnapshot(`
    Set {
      "ReplicaSet default/web waits for the quota default/share to allow its pods: they have to say their requests.memory",
      "Deployment default/web waits for 2 replicas of its current template: 0 are",
      "Job default/once waits for the quota default/share to allow its pods: they have to say their requests.memory",
      "Job default/hello waits for the quota default/share to allow its pods: they have to say their requests.memory",
      "HorizontalPodAutoscaler default/web waits for the quota default/share to allow its pods: they have to say their requests.memory",
    }
  `)
})

test('defaults of a limit range are no change of the spec when the pod is written again', () => {
  const range = { limits: [{ type: 'Container', default: { cpu: '500m' }, defaultRequest: { cpu: '100m' } }] }
  const template = { metadata: { labels }, spec: { restartPolicy: 'Never', containers: [container({})] } }
  const run = simulated().run(
    planOf([
      [5_000, apply('LimitRange', 'usual', { spec: range })],
      [6_000, apply('Job', 'once', { spec: { template } }, 'batch/v1')],
    ]),
  )
  expect(violatedIds(judge(run.history, INVARIANTS))).toEqual([])
  expect(run.pending).toEqual([])
})

test('nothing gets into a namespace that is being deleted, and the system ones are not deleted', () => {
  const remove = (name: string): Action => ({ kind: 'Delete', resource: 'namespaces', name, propagation: 'Background' })
  expect(
    told([
      [5_000, apply('Namespace', 'shop', {})],
      [6_000, remove('shop')],
      [6_500, apply('ConfigMap', 'late', {}, 'v1', 'shop')],
      [7_000, remove('shop')],
      [7_500, remove('default')],
    ]),
  ).toMatchInlineSnapshot(`
    {
      "pending": [],
      "refused": [
        "403 configmaps "late" is forbidden: unable to create new content in namespace shop because it is being terminated",
        "409 Operation cannot be fulfilled on namespaces "shop": The system is ensuring all content is removed from this namespace.  Upon completion, this namespace will automatically be purged by the system.",
        "403 namespaces "default" is forbidden: this namespace may not be deleted",
      ],
    }
  `)
})
