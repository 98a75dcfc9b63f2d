/** Containers that start slowly, hang, crash, and take leave; probes and hooks around them, on nodes that fail. */
import fc from 'fast-check'
import type { Container } from '../../model/state/objects.ts'
import type { ClusterShape, Manifest, ProgramShape, UserAction } from '../../model/state/plan.ts'
import { applied, service } from '../generators/manifests.ts'
import { planOf } from '../generators/plan.ts'
import { clusterTargets, nodes, standardShape } from '../generators/shapes.ts'
import type { FaultKind } from '../generators/weather.ts'
import type { Suite } from './suite.ts'

const NODES = 3
const NODE_NAMES = nodes(NODES).map((node) => node.name)

const FAULTS: readonly FaultKind[] = [
  'CrashProcess',
  'CrashMachine',
  'PauseProcess',
  'Partition',
  'JumpClock',
  'CrashBetweenWrites',
  'FreezeCache',
  'BreakConnections',
]

const sometimes = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> => fc.option(value, { nil: undefined, freq: 3 })

/** The slowest of later starts is over before the most impatient of these gives up. */
const LATER: readonly [number, number] = [300, 1_900]
const STARTS: readonly ProgramShape['startsMs'][] = [[LATER], [[40_000, 60_000], LATER], [[8_000, 15_000], [8_000, 15_000], LATER]]

/** Of every class, and such as look like another. */
const RESOURCES: readonly Container['resources'][] = [
  { requests: { cpu: '100m', memory: '64Mi' } },
  { requests: { cpu: '0.1', memory: '64Mi' }, limits: { cpu: '100m', memory: '65536Ki' } },
  { limits: { cpu: '100m', memory: '64Mi' } },
  { requests: { cpu: '0' } },
  {},
  { requests: { cpu: '100m', memory: '64Mi' }, limits: { memory: '64Mi' } },
]

const knobs = fc.record({
  replicas: fc.integer({ min: 1, max: 3 }),
  graceSeconds: fc.constantFrom(5, 1, 30),
  readiness: sometimes(
    fc.record({
      initialDelaySeconds: fc.constantFrom(0, 5),
      periodSeconds: fc.constantFrom(1, 2, 10),
      failureThreshold: fc.constantFrom(1, 3),
      successThreshold: fc.constantFrom(1, 2),
    }),
  ),
  liveness: sometimes(
    fc.record({
      initialDelaySeconds: fc.constantFrom(0, 10),
      periodSeconds: fc.constantFrom(2, 5),
      timeoutSeconds: fc.constantFrom(1, 3),
      failureThreshold: fc.constantFrom(2, 3),
    }),
  ),
  startup: sometimes(fc.record({ periodSeconds: fc.constantFrom(1, 5), failureThreshold: fc.constantFrom(3, 6) })),
  probeGraceSeconds: fc.constantFrom(undefined, undefined, 3),
  preStop: fc.constantFrom(undefined, 0, 2, 10, 40),
  postStart: fc.constantFrom(undefined, undefined, 0, 3),
  postStartFails: fc.constantFrom(0, 0, 1, 2),
  beside: fc.boolean(),
  startsMs: fc.constantFrom(...STARTS),
  resources: fc.constantFrom(...RESOURCES),
})
type Knobs = typeof knobs extends fc.Arbitrary<infer T> ? T : never

const hook = (seconds: number): object =>
  seconds === 0 ? { exec: { command: ['notify'] } } : { exec: { command: ['sh', '-c', `sleep ${seconds}`] } }

const container = (name: string, image: string, drawn: Knobs) => {
  const { readiness, startup, preStop, postStart, probeGraceSeconds } = drawn
  const ask = { httpGet: { path: '/healthz', port: 8080 } }
  const lifecycle = {
    ...(preStop === undefined ? {} : { preStop: hook(preStop) }),
    ...(postStart === undefined ? {} : { postStart: hook(postStart) }),
  }
  const liveness =
    drawn.liveness === undefined ? undefined : { ...ask, ...drawn.liveness, terminationGracePeriodSeconds: probeGraceSeconds }
  return {
    name,
    image,
    ports: [{ containerPort: 8080, name: 'http' }],
    resources: drawn.resources,
    ...(readiness === undefined ? {} : { readinessProbe: { ...ask, ...readiness } }),
    ...(liveness === undefined ? {} : { livenessProbe: liveness }),
    ...(startup === undefined ? {} : { startupProbe: { ...ask, ...startup } }),
    ...(Object.keys(lifecycle).length === 0 ? {} : { lifecycle }),
  }
}

const imageOf = (name: string, tag: number): string => `registry.example/${name}:${tag}`

const application = (name: string, drawn: Knobs): Manifest => ({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name, namespace: 'default', labels: { app: name } },
  spec: {
    replicas: drawn.replicas,
    selector: { matchLabels: { app: name } },
    template: {
      metadata: { labels: { app: name } },
      spec: {
        terminationGracePeriodSeconds: drawn.graceSeconds,
        containers: [
          container('main', imageOf(name, 1), drawn),
          ...(drawn.beside ? [{ name: 'beside', image: imageOf('beside', 1) }] : []),
        ],
      },
    },
  },
})

/** A pod that nobody owns and that is not started again: whatever ends its container ends it. */
const single = (drawn: Knobs): Manifest => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'single', namespace: 'default' },
  spec: {
    restartPolicy: 'Never',
    terminationGracePeriodSeconds: drawn.graceSeconds,
    initContainers: [{ name: 'prepare', image: imageOf('prepare', 1) }],
    containers: [container('main', imageOf('single', 1), drawn)],
  },
})

const programs = (web: Knobs, db: Knobs, one: Knobs): NonNullable<ClusterShape['programs']> => {
  const shape = ({ startsMs, postStartFails }: Knobs): ProgramShape => ({ ...(startsMs === undefined ? {} : { startsMs }), postStartFails })
  return {
    [imageOf('web', 1)]: shape(web),
    [imageOf('web', 2)]: shape(web),
    [imageOf('db', 1)]: shape(db),
    [imageOf('single', 1)]: { ...shape(one), runsMs: [20_000, 60_000] },
  }
}

const users: fc.Arbitrary<UserAction> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant('HangContainer'),
      nth: fc.integer({ min: 0, max: 8 }),
      forMs: fc.integer({ min: 500, max: 120_000 }),
    }),
  },
  // Few of them, so that one ends again and again.
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant('ExitContainer'), nth: fc.integer({ min: 0, max: 2 }), exitCode: fc.constantFrom(0, 1) }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('DeletePod'),
      nth: fc.integer({ min: 0, max: 8 }),
      force: fc.constantFrom(false, false, false, true),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('SetImage'),
      deployment: fc.constant('default/web'),
      image: fc.constantFrom(imageOf('web', 1), imageOf('web', 2)),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('Scale'),
      resource: fc.constant('deployments'),
      name: fc.constantFrom('default/web', 'default/db'),
      replicas: fc.integer({ min: 0, max: 4 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('Connect'), node: fc.constantFrom(...NODE_NAMES) }) },
)

export const containers: Suite = {
  name: 'containers',
  sentence: 'containers that start slowly, hang and crash, with probes and hooks around them, while kubelets and machines fail',
  weight: 1,
  concerns: ['KUBELET-', 'CRI-'],
  plans: fc.tuple(knobs, knobs, knobs).chain(([web, db, one]) =>
    planOf({
      suite: 'containers',
      cluster: fc.constant({ ...standardShape(nodes(NODES)), programs: programs(web, db, one) }),
      opening: applied([application('web', web), service('web'), application('db', db), service('db'), single(one)]),
      users,
      usersMost: 14,
      faultKinds: FAULTS,
      targets: clusterTargets(NODES),
      stormMs: fc.integer({ min: 60_000, max: 240_000 }),
      calmMs: 900_000,
      quietMs: 40_000,
    }),
  ),
}
