/** Objects of small instances, complete as the API would keep them. */
import { CLAIM_PROTECTION } from '../../model/components/volume-protection.ts'
import { CONTROLLER_UID, type CronJob, type Job } from '../../model/state/batch.ts'
import type { HorizontalPodAutoscaler } from '../../model/state/autoscaling.ts'
import type { Endpoints } from '../../model/state/endpoints.ts'
import type { ResourceQuota } from '../../model/state/policy.ts'
import type { ReplicationController } from '../../model/state/replication.ts'
import { ACCOUNT_NAME, TOKEN_TYPE, type Secret, type ServiceAccount } from '../../model/state/service-account.ts'
import type { DaemonSet, StatefulSet } from '../../model/state/stateful.ts'
import type {
  Deployment,
  Namespace,
  Node,
  PersistentVolume,
  PersistentVolumeClaim,
  Pod,
  PodSpec,
  ReplicaSet,
  Service,
  Taint,
  Toleration,
} from '../../model/state/objects.ts'

const made = (name: string, namespaced = true): Pod['metadata'] => ({
  name,
  uid: '',
  creationTimestamp: '',
  ...(namespaced ? { namespace: 'default' } : {}),
})

const TOLERATED = ['not-ready', 'unreachable'].map((taint): Toleration => ({
  key: `node.kubernetes.io/${taint}`,
  operator: 'Exists',
  effect: 'NoExecute',
  tolerationSeconds: 300,
}))

const specOf = (image: string, cpu: string): PodSpec => ({
  containers: [{ name: 'app', image, resources: { requests: { cpu } } }],
  restartPolicy: 'Always',
  terminationGracePeriodSeconds: 30,
  schedulerName: 'default-scheduler',
  tolerations: TOLERATED,
})

export const node = (name: string, cpu = '2', taints: readonly Taint[] = []): Node => ({
  apiVersion: 'v1',
  kind: 'Node',
  metadata: made(name, false),
  spec: taints.length === 0 ? {} : { taints },
  status: { capacity: { cpu, pods: '10' }, allocatable: { cpu, pods: '10' }, conditions: [{ type: 'Ready', status: 'True' }] },
})

export const namespace = (name: string): Namespace => ({
  apiVersion: 'v1',
  kind: 'Namespace',
  metadata: made(name, false),
  spec: { finalizers: ['kubernetes'] },
  status: { phase: 'Active' },
})

export const pod = (name: string, cpu = '1', spec: Partial<PodSpec> = {}): Pod => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { ...made(name), labels: { app: name } },
  spec: { ...specOf('v1', cpu), ...spec },
  status: { phase: 'Pending' },
})

export const deployment = (
  name: string,
  replicas: number,
  strategy: Deployment['spec']['strategy'] = { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } },
): Deployment => ({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: made(name),
  spec: {
    replicas,
    selector: { matchLabels: { app: name } },
    strategy,
    template: { metadata: { labels: { app: name } }, spec: specOf('v1', '100m') },
  },
  status: {},
})

export const replicaSet = (name: string, replicas: number): ReplicaSet => ({
  apiVersion: 'apps/v1',
  kind: 'ReplicaSet',
  metadata: made(name),
  spec: {
    replicas,
    selector: { matchLabels: { app: name } },
    template: { metadata: { labels: { app: name } }, spec: specOf('v1', '100m') },
  },
  status: { replicas: 0 },
})

/** Of a ReplicaSet, by all of the CPU that its pods ask for: up by one pod in half a minute, down after a window. */
export const autoscaler = (name: string, maxReplicas: number, windowSeconds: number): HorizontalPodAutoscaler => {
  const policies = [{ type: 'Pods', value: 1, periodSeconds: 30 }] as const
  return {
    apiVersion: 'autoscaling/v2',
    kind: 'HorizontalPodAutoscaler',
    metadata: made(name),
    spec: {
      scaleTargetRef: { apiVersion: 'apps/v1', kind: 'ReplicaSet', name },
      minReplicas: 1,
      maxReplicas,
      metrics: [{ type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 100 } } }],
      behavior: {
        scaleUp: { stabilizationWindowSeconds: 0, selectPolicy: 'Max', policies },
        scaleDown: { stabilizationWindowSeconds: windowSeconds, selectPolicy: 'Max', policies },
      },
    },
    status: {},
  }
}

export const replicationController = (name: string, replicas: number): ReplicationController => ({
  apiVersion: 'v1',
  kind: 'ReplicationController',
  metadata: made(name),
  spec: { replicas, selector: { app: name }, template: { metadata: { labels: { app: name } }, spec: specOf('v1', '100m') } },
  status: { replicas: 0 },
})

/** selector null: its user writes its endpoints himself. */
export const service = (name: string, selector: { readonly app: string } | null = { app: name }): Service => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: made(name),
  spec: {
    type: 'ClusterIP',
    clusterIP: '10.96.0.10',
    ...(selector === null ? {} : { selector }),
    ports: [{ port: 80, protocol: 'TCP', targetPort: 80 }],
  },
})

export const endpoints = (name: string, ready: readonly string[], notReady: readonly string[] = []): Endpoints => ({
  apiVersion: 'v1',
  kind: 'Endpoints',
  metadata: made(name),
  subsets: [
    { addresses: ready.map((ip) => ({ ip })), notReadyAddresses: notReady.map((ip) => ({ ip })), ports: [{ port: 80, protocol: 'TCP' }] },
  ],
})

export const serviceAccount = (name: string): ServiceAccount => ({ apiVersion: 'v1', kind: 'ServiceAccount', metadata: made(name) })

/** Still to be filled, for whoever has the name. */
export const token = (name: string, account: string): Secret => ({
  apiVersion: 'v1',
  kind: 'Secret',
  metadata: { ...made(name), annotations: { [ACCOUNT_NAME]: account } },
  type: TOKEN_TYPE,
})

export const job = (name: string, spec: Partial<Job['spec']> = {}): Job => {
  const labels = { [CONTROLLER_UID]: `jobs-${name}.1` }
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: made(name),
    spec: {
      parallelism: 1,
      completions: 1,
      completionMode: 'NonIndexed',
      backoffLimit: 1,
      suspend: false,
      selector: { matchLabels: labels },
      podReplacementPolicy: 'TerminatingOrFailed',
      template: { metadata: { labels }, spec: { ...specOf('v1', '100m'), restartPolicy: 'Never' } },
      ...spec,
    },
    status: {},
  }
}

/** Its Jobs run nothing: they end by themselves, as soon as their controller looks. */
export const cronJob = (name: string, schedule: string, spec: Partial<CronJob['spec']> = {}, work: Partial<Job['spec']> = {}): CronJob => {
  const { selector: _selector, ...once } = job(name, { completions: 0, ...work }).spec
  return {
    apiVersion: 'batch/v1',
    kind: 'CronJob',
    metadata: made(name),
    spec: {
      schedule,
      concurrencyPolicy: 'Allow',
      suspend: false,
      successfulJobsHistoryLimit: 3,
      failedJobsHistoryLimit: 1,
      jobTemplate: { spec: once },
      ...spec,
    },
    status: {},
  }
}

export const quota = (name: string, hard: ResourceQuota['spec']['hard'] & {}): ResourceQuota => ({
  apiVersion: 'v1',
  kind: 'ResourceQuota',
  metadata: made(name),
  spec: { hard },
  status: {},
})

export const statefulSet = (name: string, replicas: number, image: string, spec: Partial<StatefulSet['spec']> = {}): StatefulSet => ({
  apiVersion: 'apps/v1',
  kind: 'StatefulSet',
  metadata: made(name),
  spec: {
    replicas,
    serviceName: name,
    podManagementPolicy: 'OrderedReady',
    updateStrategy: { type: 'RollingUpdate', rollingUpdate: { partition: 0 } },
    revisionHistoryLimit: 10,
    persistentVolumeClaimRetentionPolicy: { whenDeleted: 'Retain', whenScaled: 'Retain' },
    selector: { matchLabels: { app: name } },
    template: { metadata: { labels: { app: name } }, spec: specOf(image, '100m') },
    ...spec,
  },
  status: { replicas: 0 },
})

export const daemonSet = (name: string, image: string, maxSurge: number): DaemonSet => ({
  apiVersion: 'apps/v1',
  kind: 'DaemonSet',
  metadata: made(name),
  spec: {
    updateStrategy: { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: 1 - maxSurge, maxSurge } },
    revisionHistoryLimit: 10,
    selector: { matchLabels: { app: name } },
    template: { metadata: { labels: { app: name } }, spec: specOf(image, '100m') },
  },
  status: { desiredNumberScheduled: 0, currentNumberScheduled: 0, numberMisscheduled: 0, numberReady: 0 },
})

const STORAGE = { accessModes: ['ReadWriteOnce'], storageClassName: '', volumeMode: 'Filesystem' }

export const volume = (name: string): PersistentVolume => ({
  apiVersion: 'v1',
  kind: 'PersistentVolume',
  metadata: made(name, false),
  spec: { ...STORAGE, capacity: { storage: '1Gi' }, persistentVolumeReclaimPolicy: 'Retain' },
  status: { phase: 'Available' },
})

export const claim = (name: string): PersistentVolumeClaim => ({
  apiVersion: 'v1',
  kind: 'PersistentVolumeClaim',
  metadata: made(name),
  spec: { ...STORAGE, resources: { requests: { storage: '1Gi' } } },
  status: { phase: 'Pending' },
})

const DRIVER = 'disk.example'

/** A volume that has to be attached, and the claim that has it: bound to each other. */
export const bound = (
  volumeName: string,
  claimName: string,
  mode = 'ReadWriteOnce',
): readonly [PersistentVolume, PersistentVolumeClaim] => {
  const disk = volume(volumeName)
  const wish = claim(claimName)
  const claimRef = { namespace: 'default', name: claimName, uid: `persistentvolumeclaims-${claimName}.1` }
  return [
    {
      ...disk,
      spec: { ...disk.spec, accessModes: [mode], csi: { driver: DRIVER, volumeHandle: volumeName }, claimRef },
      status: { phase: 'Bound' },
    },
    {
      ...wish,
      metadata: { ...wish.metadata, finalizers: [CLAIM_PROTECTION], annotations: { 'pv.kubernetes.io/bind-completed': 'yes' } },
      spec: { ...wish.spec, accessModes: [mode], volumeName },
      status: { phase: 'Bound' },
    },
  ]
}

/** A pod that uses a claim; nodeName absent: it is for the scheduler. */
export const user = (name: string, claimName: string, nodeName?: string): Pod => {
  const plain = pod(name)
  const volumes = [{ name: 'data', persistentVolumeClaim: { claimName } }]
  return { ...plain, spec: { ...plain.spec, volumes, ...(nodeName === undefined ? {} : { nodeName }) } }
}
