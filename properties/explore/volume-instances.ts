/** Small clusters whose pods have volumes that are attached to nodes. */
import { OUT_OF_SERVICE } from '../../model/components/attachments.ts'
import { COMPONENTS } from '../../model/model.ts'
import type { Budget, UserStep } from '../../model/state/system.ts'
import type { Instance } from './cluster.ts'
import { bound, node, user } from './objects.ts'

const QUIET: Budget = { crashes: 0, restarts: 0, exits: 0, cuts: 0 }
const PODS = 'kube-controller-manager pods'
const ATTACHMENTS = 'kube-controller-manager volumeattachments'

const { informers, attachDetach, csiAttacher, kubelet, containerRuntime, volumeBinder, volumeProtection, clock } = COMPONENTS
const { nodeLifecycle, taintEviction, podGarbageCollector } = COMPONENTS
const ON_NODES = { informers, attachDetach, csiAttacher, kubelet, containerRuntime }

const removed = (resource: 'pods' | 'nodes' | 'persistentvolumeclaims', name: string): UserStep => ({
  kind: 'Delete',
  resource,
  name,
  propagation: 'Background',
})
/** The clock may stand before its time has come. */
const concerns = (waitsFor: string): boolean => !waitsFor.endsWith('for 6 min')
const OBJECTS = [node('node-0'), node('node-1'), ...bound('disk', 'data'), user('a', 'data', 'node-0')]

export const VOLUME_INSTANCES = {
  attaching: {
    sentence: 'a disk for one node at a time goes from a pod that is deleted to one on another node, by a controller that sees late',
    objects: OBJECTS,
    lagging: [PODS, ATTACHMENTS],
    users: [removed('pods', 'a'), { kind: 'Create', value: user('b', 'data', 'node-1') }],
    budget: QUIET,
    components: ON_NODES,
  },
  returning: {
    sentence: 'a pod goes and another comes to the same node for the same disk, by a controller that sees late what it is taking off',
    objects: OBJECTS,
    lagging: [PODS, ATTACHMENTS],
    users: [removed('pods', 'a'), { kind: 'Create', value: user('b', 'data', 'node-0') }],
    budget: QUIET,
    components: ON_NODES,
  },
  alone: {
    sentence: 'a second pod comes to the node of a first one whose disk is for one pod, which then is deleted',
    objects: [node('node-0'), ...bound('disk', 'data', 'ReadWriteOncePod'), user('a', 'data', 'node-0')],
    lagging: [PODS],
    users: [{ kind: 'Create', value: user('b', 'data', 'node-0') }, removed('pods', 'a')],
    budget: QUIET,
    components: ON_NODES,
  },
  waiting: {
    sentence: 'the node of a pod is removed, and waited for before its disk is taken to another pod elsewhere',
    objects: [...OBJECTS, user('b', 'data', 'node-1')],
    lagging: [],
    users: [removed('nodes', 'node-0')],
    budget: { ...QUIET, minutes: 7 },
    components: { ...ON_NODES, podGarbageCollector, clock },
    concerns,
  },
  fencing: {
    sentence: 'a machine crashes, and its user says that it is out of service: its disk is taken elsewhere at once',
    objects: [...OBJECTS, user('b', 'data', 'node-1')],
    lagging: [],
    users: [
      {
        kind: 'Replace',
        value: { ...node('node-0'), spec: { taints: [{ key: OUT_OF_SERVICE, value: 'nodeshutdown', effect: 'NoExecute' }] } },
      },
    ],
    budget: { ...QUIET, crashes: 1 },
    components: { ...ON_NODES, nodeLifecycle, taintEviction, podGarbageCollector },
    concerns,
  },
  protecting: {
    sentence: 'a claim is deleted while a pod runs with it, then the pod, before a controller that sees pods late',
    objects: OBJECTS,
    lagging: [PODS],
    users: [removed('persistentvolumeclaims', 'data'), removed('pods', 'a')],
    budget: QUIET,
    components: { ...ON_NODES, volumeBinder, volumeProtection },
  },
} satisfies Readonly<Record<string, Instance>>
