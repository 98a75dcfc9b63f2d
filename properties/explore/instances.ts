/** Small clusters, each with the one thing that can go wrong in it, to be explored in full. */
import { forcingOut, isNotStored } from '../../model/components/pod-gc.ts'
import { COMPONENTS } from '../../model/model.ts'
import type { Budget, Propagation } from '../../model/state/system.ts'
import type { Instance } from './cluster.ts'
import {
  autoscaler,
  claim,
  cronJob,
  daemonSet,
  deployment,
  endpoints,
  job,
  namespace,
  node,
  pod,
  quota,
  replicaSet,
  replicationController,
  service,
  serviceAccount,
  statefulSet,
  token,
  volume,
} from './objects.ts'
import { VOLUME_INSTANCES } from './volume-instances.ts'

const QUIET: Budget = { crashes: 0, restarts: 0, exits: 0, cuts: 0 }
const MANAGER = 'kube-controller-manager'
const PODS = `${MANAGER} pods`
const JOBS = `${MANAGER} jobs`
const CRONJOBS = `${MANAGER} cronjobs`
const SETS = `${MANAGER} replicasets`

/** Nobody stays on such a node who does not tolerate it. */
const MAINTENANCE = [{ key: 'maintenance', effect: 'NoExecute' as const }]
const OUT_OF_SERVICE = [{ key: 'node.kubernetes.io/out-of-service', effect: 'NoExecute' as const }]

const { informers, scheduler, namespaces, kubelet, containerRuntime } = COMPONENTS

export const INSTANCES = {
  scheduling: {
    sentence: 'three pods and room for three on two nodes, by a scheduler that sees late where it has put them',
    objects: [node('node-0', '1'), node('node-1', '2')],
    lagging: ['kube-scheduler pods'],
    users: [pod('a'), pod('b'), pod('c')].map((value) => ({ kind: 'Create', value })),
    budget: QUIET,
    components: { informers, scheduler },
    concerns: (waitsFor) => waitsFor.startsWith('a node'),
  },
  rollout: {
    sentence: 'a new image for a Deployment of two, in every order of what its controllers, scheduler and kubelet do',
    objects: [node('node-0'), deployment('web', 2)],
    lagging: [],
    users: [{ kind: 'SetImage', deployment: 'web', image: 'v2' }],
    budget: QUIET,
  },
  rollback: {
    sentence: 'back to the template of the revision before, by a controller that sees its sets and pods late',
    objects: [node('node-0'), deployment('web', 1)],
    lagging: [PODS, SETS],
    before: [{ kind: 'SetImage', deployment: 'web', image: 'v2' }],
    users: [{ kind: 'Rollback', deployment: 'web' }],
    budget: QUIET,
  },
  recreate: {
    sentence: 'all old pods go before the first new one comes',
    objects: [node('node-0'), deployment('web', 1, { type: 'Recreate' })],
    lagging: [PODS],
    users: [{ kind: 'SetImage', deployment: 'web', image: 'v2' }],
    budget: QUIET,
  },
  scaling: {
    sentence: 'more replicas, then fewer, by a controller that sees its pods late',
    objects: [node('node-0'), deployment('web', 1)],
    lagging: [PODS],
    users: [
      { kind: 'Scale', deployment: 'web', replicas: 3 },
      { kind: 'Scale', deployment: 'web', replicas: 1 },
    ],
    budget: QUIET,
    components: { informers, replicaSet: COMPONENTS.replicaSet, deployment: COMPONENTS.deployment, kubelet, containerRuntime },
    concerns: (waitsFor) => waitsFor.includes('it has'),
  },
  adopting: {
    sentence: 'a ReplicationController of one finds a pod of its labels, then is to have three, and sees its pods late',
    objects: [node('node-0'), replicationController('old', 1)],
    lagging: [PODS],
    users: [
      { kind: 'Create', value: pod('old') },
      { kind: 'Replace', value: replicationController('old', 3) },
    ],
    budget: QUIET,
    components: { informers, replicaSet: COMPONENTS.replicaSet },
    concerns: (waitsFor) => waitsFor.includes('it has'),
  },
  autoscaling: {
    sentence: 'a load rises and falls, and its pods follow it: down only after a minute, by an autoscaler that sees them late',
    objects: [node('node-0'), replicaSet('web', 1), autoscaler('web', 2, 60)],
    lagging: [PODS],
    users: [
      { kind: 'SetLoad', workload: 'default/web', milliCpu: 200 },
      { kind: 'SetLoad', workload: 'default/web', milliCpu: 50 },
    ],
    budget: QUIET,
    components: {
      informers,
      scheduler,
      replicaSet: COMPONENTS.replicaSet,
      autoscaler: COMPONENTS.autoscaler,
      kubelet,
      containerRuntime,
      clock: COMPONENTS.clock,
    },
  },
  pacing: {
    sentence:
      'a load that one pod bears is set, unmeasured and gone again; users set the replicas too, and other rules, which are seen late',
    objects: [node('node-0'), replicaSet('web', 1), autoscaler('web', 3, 60)],
    lagging: [`${MANAGER} horizontalpodautoscalers`],
    users: [
      { kind: 'SetLoad', workload: 'default/web', milliCpu: 300 },
      { kind: 'SetLoad', workload: 'default/web', milliCpu: null },
      { kind: 'Replace', value: replicaSet('web', 1) },
      { kind: 'SetLoad', workload: 'default/web', milliCpu: 0 },
      { kind: 'Replace', value: autoscaler('web', 2, 0) },
    ],
    budget: { ...QUIET, minutes: 1 },
    components: { informers, autoscaler: COMPONENTS.autoscaler, clock: COMPONENTS.clock },
    concerns: (waitsFor) => waitsFor.includes('replicas of'),
  },
  tokens: {
    sentence: 'a service account and its token are made; another account of that name follows, seen late as the token is',
    objects: [],
    lagging: [`${MANAGER} secrets`, `${MANAGER} serviceaccounts`],
    users: [
      { kind: 'Create', value: serviceAccount('robot') },
      { kind: 'Create', value: token('key', 'robot') },
      { kind: 'Delete', resource: 'serviceaccounts', name: 'robot', propagation: 'Background' },
      { kind: 'Create', value: serviceAccount('robot') },
      { kind: 'Create', value: token('key', 'robot') },
    ],
    budget: QUIET,
    components: { informers, serviceAccountTokens: COMPONENTS.serviceAccountTokens },
  },
  quota: {
    sentence: 'a quota of two pods, three that are asked for and one that is deleted, counted by a controller that sees them late',
    objects: [quota('share', { pods: '2' })],
    lagging: [PODS],
    users: [
      ...[pod('a'), pod('b'), pod('c')].map((value) => ({ kind: 'Create' as const, value })),
      { kind: 'Delete', resource: 'pods', name: 'a', propagation: 'Background' },
    ],
    budget: QUIET,
    components: { informers, admission: COMPONENTS.admission, resourceQuotas: COMPONENTS.resourceQuotas },
    concerns: (waitsFor) => waitsFor.startsWith('what it says is used'),
  },
  loss: {
    sentence: 'a machine crashes, and may come back before, while or after its pod is moved',
    objects: [node('node-0'), node('node-1'), replicaSet('web', 1)],
    lagging: [],
    users: [],
    budget: { ...QUIET, crashes: 1, restarts: 1 },
  },
  cut: {
    sentence: 'a machine that nobody reaches, with what runs on it going on',
    objects: [node('node-0'), node('node-1'), replicaSet('web', 1)],
    lagging: [],
    users: [],
    budget: { ...QUIET, cuts: 1 },
  },
  tainted: {
    sentence: 'a node is tainted for a while: one pod tolerates that for ever and one for some time, before a controller that sees late',
    objects: [
      node('node-0', '4'),
      pod('awhile', '1', { tolerations: [{ key: 'maintenance', operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 60 }] }),
      pod('forever', '1', { tolerations: [{ key: 'maintenance', operator: 'Exists', effect: 'NoExecute' }] }),
    ],
    lagging: [`${MANAGER} nodes`, PODS],
    users: [
      { kind: 'Replace', value: node('node-0', '4', MAINTENANCE) },
      { kind: 'Replace', value: node('node-0', '4') },
    ],
    budget: QUIET,
    components: { informers, taintEviction: COMPONENTS.taintEviction, kubelet, containerRuntime },
  },
  outOfService: {
    sentence: 'a machine crashes, is said to be out of service, and is removed and added again: its pod is forced out, by its user at last',
    objects: [node('node-0'), pod('a')],
    lagging: [`${MANAGER} nodes`, PODS],
    users: [
      { kind: 'Replace', value: node('node-0', '2', OUT_OF_SERVICE) },
      { kind: 'Delete', resource: 'nodes', name: 'node-0', propagation: 'Background' },
      { kind: 'Create', value: node('node-0') },
      { kind: 'Delete', resource: 'pods', name: 'a', propagation: 'Background', graceSeconds: 0 },
    ],
    budget: { ...QUIET, crashes: 1 },
    components: {
      informers,
      nodeLifecycle: COMPONENTS.nodeLifecycle,
      taintEviction: COMPONENTS.taintEviction,
      podGarbageCollector: COMPONENTS.podGarbageCollector,
      kubelet,
      containerRuntime,
    },
  },
  leftover: {
    sentence: 'of two pods that are over one may stay; a third has a finalizer and no node, and is deleted; their collector sees them late',
    objects: [node('node-0'), pod('a', '1', { restartPolicy: 'Never' }), pod('b', '1', { restartPolicy: 'Never' })],
    lagging: [PODS],
    users: [
      { kind: 'Create', value: { ...pod('held'), metadata: { ...pod('held').metadata, finalizers: ['example.org/hold'] } } },
      { kind: 'Delete', resource: 'pods', name: 'held', propagation: 'Background' },
    ],
    budget: QUIET,
    // Nobody here looks for a node, and nobody lifts the finalizer.
    concerns: (waitsFor) => waitsFor !== 'a node' && !waitsFor.startsWith('its end'),
    components: { informers, podGarbageCollector: forcingOut(1, isNotStored) },
  },
  removal: {
    sentence: 'a crashed machine is removed by its user: its pods are forced out',
    objects: [node('node-0'), node('node-1'), replicaSet('web', 1)],
    lagging: [],
    users: [{ kind: 'Delete', resource: 'nodes', name: 'node-0', propagation: 'Background' }],
    budget: { ...QUIET, crashes: 1 },
  },
  restart: {
    sentence: 'a container ends by itself, and a user deletes its pod',
    objects: [node('node-0'), deployment('web', 1)],
    lagging: ['kubelet-node-0 pods'],
    users: [{ kind: 'Delete', resource: 'pods', name: 'web-v1-0', propagation: 'Background' }],
    budget: { ...QUIET, exits: 1 },
  },
  ordered: {
    sentence: 'a StatefulSet of two grows and gets a new image, by a controller that sees its pods late',
    objects: [node('node-0'), statefulSet('db', 1, 'v1')],
    lagging: [PODS],
    users: [{ kind: 'Replace', value: statefulSet('db', 2, 'v2') }],
    budget: QUIET,
  },
  partitioned: {
    sentence: 'a StatefulSet shrinks and keeps its template below a partition, while a container ends by itself',
    objects: [node('node-0'), statefulSet('db', 2, 'v1')],
    lagging: [],
    users: [
      {
        kind: 'Replace',
        value: statefulSet('db', 1, 'v2', { updateStrategy: { type: 'RollingUpdate', rollingUpdate: { partition: 1 } } }),
      },
    ],
    budget: { ...QUIET, exits: 1 },
  },
  daemons: {
    sentence: 'a DaemonSet on two nodes gets a new image: one node after the other',
    objects: [node('node-0'), node('node-1'), daemonSet('agent', 'v1', 0)],
    lagging: [],
    users: [{ kind: 'Replace', value: daemonSet('agent', 'v2', 0) }],
    budget: QUIET,
  },
  surging: {
    sentence: 'a DaemonSet gets a new image by a surge, from a controller that sees its pods late',
    objects: [node('node-0'), daemonSet('agent', 'v1', 1)],
    lagging: [PODS],
    users: [{ kind: 'Replace', value: daemonSet('agent', 'v2', 1) }],
    budget: QUIET,
  },
  storage: {
    sentence: 'two claims and two volumes that fit both, bound by a controller that sees volumes late',
    objects: [volume('disk-0'), volume('disk-1')],
    lagging: [`${MANAGER} persistentvolumes`],
    users: [
      { kind: 'Create', value: claim('a') },
      { kind: 'Create', value: claim('b') },
    ],
    budget: QUIET,
  },
  ...VOLUME_INSTANCES,
  background: deletion('Background'),
  foreground: deletion('Foreground'),
  orphan: deletion('Orphan'),
  namespace: {
    sentence: 'a namespace is deleted with a Deployment in it, whose ReplicaSet wants its pod back as long as it is there',
    objects: [namespace('default'), node('node-0'), deployment('web', 1)],
    lagging: [],
    users: [{ kind: 'Delete', resource: 'namespaces', name: 'default', propagation: 'Background' }],
    budget: QUIET,
    components: { replicaSet: COMPONENTS.replicaSet, namespaces, kubelet, containerRuntime },
  },
  job: {
    sentence: 'a Job of one pod that ends well or not, by a controller that sees its pods and its own status late',
    objects: [node('node-0')],
    lagging: [PODS, JOBS],
    users: [{ kind: 'Create', value: job('work') }],
    budget: { ...QUIET, exits: 1 },
    components: { informers, scheduler, job: COMPONENTS.job, kubelet, containerRuntime },
  },
  indexed: {
    sentence: 'an Indexed Job of two, one pod at a time, by a controller that sees its pods late',
    objects: [node('node-0')],
    lagging: [PODS],
    users: [{ kind: 'Create', value: job('work', { completions: 2, completionMode: 'Indexed' }) }],
    budget: { ...QUIET, exits: 1 },
    components: { informers, scheduler, job: COMPONENTS.job, kubelet, containerRuntime },
  },
  enough: {
    sentence: 'an Indexed Job of two at once, for which its second index is enough',
    objects: [node('node-0')],
    lagging: [],
    users: [
      {
        kind: 'Create',
        value: job('work', {
          completions: 2,
          parallelism: 2,
          completionMode: 'Indexed',
          backoffLimit: 0,
          successPolicy: { rules: [{ succeededIndexes: '1' }] },
        }),
      },
    ],
    budget: { ...QUIET, exits: 1 },
    components: { informers, scheduler, job: COMPONENTS.job, kubelet, containerRuntime },
  },
  limits: {
    sentence: 'an Indexed Job of two whose indexes may fail once each, given up when one has failed for good',
    objects: [node('node-0')],
    lagging: [],
    users: [
      {
        kind: 'Create',
        value: job('work', { completions: 2, completionMode: 'Indexed', backoffLimit: 9, backoffLimitPerIndex: 1, maxFailedIndexes: 0 }),
      },
    ],
    budget: { ...QUIET, exits: 2 },
    components: { informers, scheduler, job: COMPONENTS.job, kubelet, containerRuntime },
  },
  parallel: {
    sentence: 'a Job of two pods at once, one of which is deleted, by a controller that sees them late; nobody runs them',
    objects: [node('node-0')],
    lagging: [PODS, JOBS],
    users: [
      { kind: 'Create', value: job('work', { completions: 2, parallelism: 2 }) },
      { kind: 'Delete', resource: 'pods', name: 'work-0', propagation: 'Background' },
    ],
    budget: QUIET,
    components: { informers, job: COMPONENTS.job },
    concerns: () => false,
  },
  abandoned: {
    sentence: 'a Job is deleted midway: its pods keep no finalizer',
    objects: [node('node-0')],
    lagging: [PODS],
    users: [
      { kind: 'Create', value: job('work') },
      { kind: 'Delete', resource: 'jobs', name: 'work', propagation: 'Background' },
    ],
    budget: QUIET,
    components: { informers, scheduler, job: COMPONENTS.job, garbageCollector: COMPONENTS.garbageCollector, kubelet, containerRuntime },
  },
  cron: {
    sentence: 'a CronJob due each minute, whose Job of the minute its user deletes, by a controller that sees itself and its Jobs late',
    objects: [cronJob('tick', '* * * * *', { successfulJobsHistoryLimit: 1, startingDeadlineSeconds: 30 })],
    lagging: [JOBS, CRONJOBS],
    users: [{ kind: 'Delete', resource: 'jobs', name: 'tick-1', propagation: 'Background' }],
    budget: { ...QUIET, minutes: 2 },
    components: { informers, cronJob: COMPONENTS.cronJob, job: COMPONENTS.job, clock: COMPONENTS.clock },
  },
  replacing: {
    sentence: 'a CronJob that replaces the Job of the minute before, which never ends, by a controller that sees its Jobs late',
    objects: [cronJob('tick', '* * * * *', { concurrencyPolicy: 'Replace' }, { parallelism: 0, completions: 1 })],
    lagging: [JOBS],
    users: [],
    budget: { ...QUIET, minutes: 3 },
    components: { informers, cronJob: COMPONENTS.cronJob, job: COMPONENTS.job, clock: COMPONENTS.clock },
  },
  forbidding: {
    sentence: 'a CronJob that waits for the Job of the minute before, until its user deletes that',
    objects: [cronJob('tick', '* * * * *', { concurrencyPolicy: 'Forbid' }, { parallelism: 0, completions: 1 })],
    lagging: [JOBS],
    users: [{ kind: 'Delete', resource: 'jobs', name: 'tick-1', propagation: 'Background' }],
    budget: { ...QUIET, minutes: 2 },
    components: { informers, cronJob: COMPONENTS.cronJob, job: COMPONENTS.job, clock: COMPONENTS.clock },
  },
  expiry: {
    sentence:
      'a Job is to go a minute after its end; its user lets it stay longer, then makes another of its name, which a controller sees late',
    objects: [],
    lagging: [JOBS],
    users: [
      { kind: 'Create', value: job('work', { completions: 0, ttlSecondsAfterFinished: 60 }) },
      { kind: 'Replace', value: job('work', { completions: 0, ttlSecondsAfterFinished: 120 }) },
      { kind: 'Delete', resource: 'jobs', name: 'work', propagation: 'Background' },
      { kind: 'Create', value: job('work', { completions: 0, ttlSecondsAfterFinished: 60 }) },
    ],
    budget: { ...QUIET, minutes: 3 },
    // The clock may stand before its time has come.
    concerns: (waitsFor) => !waitsFor.startsWith('its deletion'),
    components: {
      informers,
      job: COMPONENTS.job,
      ttlAfterFinished: COMPONENTS.ttlAfterFinished,
      garbageCollector: COMPONENTS.garbageCollector,
      clock: COMPONENTS.clock,
    },
  },
  service: {
    sentence: 'a service follows its pods, on a node that sees late where to send',
    objects: [node('node-0'), deployment('web', 1), service('web')],
    lagging: ['kube-proxy-node-0 endpointslices'],
    users: [{ kind: 'SetImage', deployment: 'web', image: 'v2' }],
    budget: QUIET,
  },
  mirroring: {
    sentence: 'a user writes endpoints for a service, others, and no service of that kind any more; a controller sees each of it late',
    objects: [service('web', null)],
    lagging: [`${MANAGER} services`, `${MANAGER} endpoints`, `${MANAGER} endpointslices`],
    users: [
      { kind: 'Create', value: endpoints('web', ['10.0.0.1']) },
      { kind: 'Replace', value: endpoints('web', ['10.0.0.2'], ['10.0.0.1']) },
      { kind: 'Delete', resource: 'endpoints', name: 'web', propagation: 'Background' },
      { kind: 'Create', value: endpoints('web', ['10.0.0.3']) },
      { kind: 'Replace', value: service('web') },
    ],
    budget: QUIET,
    components: {
      informers,
      endpointSlices: COMPONENTS.endpointSlices,
      endpointSliceMirroring: COMPONENTS.endpointSliceMirroring,
    },
  },
} satisfies Readonly<Record<string, Instance>>

function deletion(propagation: Propagation): Instance {
  const orphans = propagation === 'Orphan'
  return {
    sentence: `a Deployment is deleted (${propagation}), before a collector that sees late what there is`,
    objects: [node('node-0'), deployment('web', 1)],
    lagging: orphans ? [PODS, SETS] : [PODS],
    users: [
      ...(orphans ? [{ kind: 'Scale' as const, deployment: 'web', replicas: 2 }] : []),
      { kind: 'Delete', resource: 'deployments', name: 'web', propagation },
    ],
    budget: QUIET,
  }
}
