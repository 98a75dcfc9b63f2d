/** Manifests for generated runs: small applications with the knobs that matter to a rollout. */
import fc from 'fast-check'
import type { Toleration } from '../../model/state/objects.ts'
import type { Manifest, TimedAction, UserAction } from '../../model/state/plan.ts'

export interface DeploymentKnobs {
  readonly replicas: number
  readonly cpu: string
  readonly graceSeconds: number
  readonly minReadySeconds: number
  readonly strategy:
    | { readonly type: 'Recreate' }
    | {
        readonly type: 'RollingUpdate'
        readonly rollingUpdate: { readonly maxSurge: number | string; readonly maxUnavailable: number | string }
      }
  readonly podReplacementPolicy: 'TerminationStarted' | 'TerminationComplete'
  readonly nodeSelector?: Readonly<Record<string, string>>
  /** Where its pods go for each other's sake. */
  readonly placement?: 'apart' | 'together' | 'even' | 'away'
  /** Old ReplicaSets kept. */
  readonly historyLimit?: number
  readonly priorityClass?: string
  /** A container that runs before the others. */
  readonly init?: boolean
  readonly tolerations?: readonly Toleration[]
  readonly deadlineSeconds?: number
  /** Reads a ConfigMap that is not there: it never becomes ready. */
  readonly broken?: boolean
}

export const deploymentKnobs: fc.Arbitrary<DeploymentKnobs> = fc
  .record({
    replicas: fc.integer({ min: 1, max: 6 }),
    cpu: fc.constantFrom('100m', '250m', '1'),
    graceSeconds: fc.constantFrom(5, 1, 30),
    minReadySeconds: fc.constantFrom(0, 0, 5),
    policy: fc.constantFrom('TerminationStarted' as const, 'TerminationComplete' as const),
    historyLimit: fc.constantFrom(10, 0, 1),
    init: fc.constantFrom(false, false, true),
    deadlineSeconds: fc.constantFrom(600, 600, 20),
    strategy: fc.oneof(
      fc.constant({ type: 'Recreate' as const }),
      ...[
        { maxSurge: '25%', maxUnavailable: '25%' },
        { maxSurge: 1, maxUnavailable: 0 },
        { maxSurge: 0, maxUnavailable: 1 },
        { maxSurge: 0, maxUnavailable: '50%' },
        { maxSurge: 2, maxUnavailable: 2 },
      ].map((rollingUpdate) => fc.constant({ type: 'RollingUpdate' as const, rollingUpdate })),
    ),
  })
  .map(({ policy, ...knobs }) => ({ ...knobs, podReplacementPolicy: policy }))

const HOSTNAME = 'kubernetes.io/hostname'
const ZONE = 'topology.kubernetes.io/zone'

/** A namespace of a sort of its own. */
export const BATCH: Manifest = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'batch', labels: { kind: 'batch' } } }
/** Away from the tasks of all namespaces of that sort, and of no other. */
const fromTasks = {
  requiredDuringSchedulingIgnoredDuringExecution: [
    { topologyKey: HOSTNAME, labelSelector: { matchLabels: { app: 'task' } }, namespaceSelector: { matchLabels: { kind: 'batch' } } },
  ],
}

/** What keeps pods of one application apart, together or even, or away from others. */
const placed = (placement: NonNullable<DeploymentKnobs['placement']>, name: string) => {
  const labelSelector = { matchLabels: { app: name } }
  const term = (topologyKey: string) => ({ requiredDuringSchedulingIgnoredDuringExecution: [{ topologyKey, labelSelector }] })
  switch (placement) {
    case 'apart':
      return { affinity: { podAntiAffinity: term(HOSTNAME) } }
    case 'together':
      return { affinity: { podAffinity: term(ZONE) } }
    case 'away':
      return { affinity: { podAntiAffinity: fromTasks } }
    case 'even':
      return { topologySpreadConstraints: [{ maxSkew: 1, topologyKey: ZONE, whenUnsatisfiable: 'DoNotSchedule', labelSelector }] }
  }
}

export const deployment = (name: string, knobs: DeploymentKnobs): Manifest => ({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name, namespace: 'default', labels: { app: name } },
  spec: {
    replicas: knobs.replicas,
    minReadySeconds: knobs.minReadySeconds,
    podReplacementPolicy: knobs.podReplacementPolicy,
    ...(knobs.deadlineSeconds === undefined ? {} : { progressDeadlineSeconds: knobs.deadlineSeconds }),
    ...(knobs.historyLimit === undefined ? {} : { revisionHistoryLimit: knobs.historyLimit }),
    selector: { matchLabels: { app: name } },
    strategy: knobs.strategy,
    template: {
      metadata: { labels: { app: name } },
      spec: {
        terminationGracePeriodSeconds: knobs.graceSeconds,
        ...(knobs.nodeSelector === undefined ? {} : { nodeSelector: knobs.nodeSelector }),
        ...(knobs.priorityClass === undefined ? {} : { priorityClassName: knobs.priorityClass }),
        ...(knobs.placement === undefined ? {} : placed(knobs.placement, name)),
        ...(knobs.tolerations === undefined ? {} : { tolerations: knobs.tolerations }),
        ...(knobs.init === true ? { initContainers: [{ name: 'prepare', image: `registry.example/${name}:1` }] } : {}),
        containers: [
          {
            name: 'main',
            image: `registry.example/${name}:1`,
            ports: [{ containerPort: 8080, name: 'http' }],
            resources: { requests: { cpu: knobs.cpu, memory: '64Mi' } },
            ...(knobs.broken === true ? { envFrom: [{ configMapRef: { name: 'absent' } }] } : {}),
          },
        ],
      },
    },
  },
})

export const priorityClass = (name: string, value: number, preemptionPolicy: 'PreemptLowerPriority' | 'Never'): Manifest => ({
  apiVersion: 'scheduling.k8s.io/v1',
  kind: 'PriorityClass',
  metadata: { name },
  value,
  preemptionPolicy,
})

export const service = (name: string): Manifest => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name, namespace: 'default', labels: { app: name } },
  spec: { selector: { app: name }, ports: [{ port: 80, targetPort: 'http' }] },
})

/** One action of one user among those a running application sees. */
export const workloadAction = (names: readonly string[], nodeNames: readonly string[]): fc.Arbitrary<UserAction> => {
  const name = fc.constantFrom(...names.map((one) => `default/${one}`))
  return fc.oneof(
    {
      weight: 4,
      arbitrary: fc.record({
        kind: fc.constant('SetImage'),
        deployment: name,
        image: fc.integer({ min: 1, max: 4 }).map((tag) => `registry.example/app:${tag}`),
      }),
    },
    {
      weight: 3,
      arbitrary: fc.record({
        kind: fc.constant('Scale'),
        resource: fc.constant('deployments'),
        name,
        replicas: fc.integer({ min: 0, max: 7 }),
      }),
    },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('Rollback'), deployment: name, revision: fc.constantFrom(0, 0, 1, 2) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('Pause'), deployment: name, paused: fc.boolean() }) },
    {
      weight: 2,
      arbitrary: fc.record({
        kind: fc.constant('DeletePod'),
        nth: fc.integer({ min: 0, max: 20 }),
        force: fc.constantFrom(false, false, false, true),
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({ kind: fc.constant('ExitContainer'), nth: fc.integer({ min: 0, max: 20 }), exitCode: fc.constantFrom(0, 1) }),
    },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('Connect'), node: fc.constantFrom(...nodeNames) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('Cordon'), node: fc.constantFrom(...nodeNames), unschedulable: fc.boolean() }) },
  )
}

/** Applies manifests one after another from the moment the cluster has had time to elect its leaders. */
export const applied = (manifests: readonly Manifest[], startMs = 5_000): readonly TimedAction[] =>
  manifests.map((object, index) => ({ atMs: startMs + index * 100, do: { kind: 'Apply', object } }))
