/**
 * A component with one guard left out is found, by the invariant that is there for it, with a shortest run to show it.
 *
 * The wrong component is a value put in the place of the right one; nothing else changes.
 */
import { expect, test } from 'vitest'
import { startingBy } from '../../model/components/cronjob-machine.ts'
import { rollingOutWithin } from '../../model/components/deployment.ts'
import { collectingBy, standingOf } from '../../model/components/garbage-collector.ts'
import { autoscalingBy } from '../../model/components/hpa-machine.ts'
import { countingBy } from '../../model/components/job-machine.ts'
import { mirroringBy } from '../../model/components/mirrored-machine.ts'
import { watchingNodes } from '../../model/components/node-lifecycle.ts'
import { forcingOut } from '../../model/components/pod-gc.ts'
import { admittingBy, countingOnly, SERVER } from '../../model/components/quota-machine.ts'
import { replicatingBy } from '../../model/components/replicaset.ts'
import { asks, client, MANAGER, ownedBy, refOf } from '../../model/components/request.ts'
import { fillingBy, inView } from '../../model/components/service-account-tokens.ts'
import { schedulingBy } from '../../model/components/scheduler.ts'
import { evictingAfter } from '../../model/components/taint-eviction.ts'
import { seen } from '../../model/components/view.ts'
import { COMPONENTS } from '../../model/model.ts'
import type { KubernetesObject } from '../../model/state/kinds.ts'
import type { Pod, ReplicaSet, Service } from '../../model/state/objects.ts'
import type { ResourceQuota } from '../../model/state/policy.ts'
import { resourceOfKind } from '../../model/state/resources.ts'
import { exploreCluster } from './cluster.ts'
import { INSTANCES } from './instances.ts'
import { node, pod } from './objects.ts'

test('a scheduler that forgets what it has assumed overcommits a node', () => {
  const forgetful = schedulingBy((system, process) => seen<Pod>(system, process, 'pods'))
  const { informers } = COMPONENTS
  const { printed } = exploreCluster({ ...INSTANCES.scheduling, components: { informers, scheduler: forgetful } })
  expect(printed).toMatchInlineSnapshot(`
    "SCHED-S2: kube-scheduler overcommits node-0: its pods ask for 2 cpu, it has 1
      1  user                     Create Pod a
           pods/default/a new, phase=Pending
      2  kube-scheduler           See pods
      3  user                     Create Pod b
           pods/default/b new, phase=Pending
      4  kube-scheduler           See pods
      5  kube-scheduler           Bind a → node-0
           pods/default/a node=- → node-0
      6  kube-scheduler           Bind b → node-0
           pods/default/b node=- → node-0"
  `)
})

test('a scheduler that moves a pod is found at its first move', () => {
  const mover = client('mover', (system) =>
    seen<Pod>(system, 'kube-scheduler', 'pods')
      .filter(({ value }) => value.spec.nodeName === 'node-0')
      .map(({ value, version }) =>
        asks(
          'kube-scheduler',
          { kind: 'Bind', pod: refOf(value), node: 'node-1', assumed: [], promised: [] },
          { verb: 'update', value: { ...value, spec: { ...value.spec, nodeName: 'node-1' } }, version },
        ),
      ),
  )
  const { printed } = exploreCluster({
    ...INSTANCES.scheduling,
    objects: [node('node-0'), node('node-1')],
    users: [{ kind: 'Create', value: pod('a') }],
    components: { ...INSTANCES.scheduling.components, mover },
  })
  expect(printed).toMatchInlineSnapshot(`
    "SCHED-S1: kube-scheduler moved /registry/pods/default/a from node-0 to node-1
      1  user                     Create Pod a
           pods/default/a new, phase=Pending
      2  kube-scheduler           See pods
      3  kube-scheduler           Bind a → node-0
           pods/default/a node=- → node-0
      4  kube-scheduler           See pods
      5  kube-scheduler           Bind a → node-1
           pods/default/a node=node-0 → node-1"
  `)
})

test('a ReplicaSet that forgets what it made makes too many', () => {
  const forgetful = replicatingBy((system, process) => seen<Pod>(system, process, 'pods'))
  const { printed } = exploreCluster({
    ...INSTANCES.scaling,
    components: { ...INSTANCES.scaling.components, replicaSet: forgetful },
  })
  expect(printed).toMatchInlineSnapshot(`
    "RS-S2: kube-controller-manager makes a pod for web-v1, which wants 3: it saw 1 and had made 2 more
      1  user                     Scale web to 3
           deployments/default/web replicas=1 → 3
      2  kube-controller-manager  ScaleReplicaSet web-v1 1 → 3
           replicasets/default/web-v1 replicas=1 → 3
      3  kube-controller-manager  CreatePod web-v1-1
           pods/default/web-v1-1 new, phase=Pending
      4  kube-controller-manager  CreatePod web-v1-2
           pods/default/web-v1-2 new, phase=Pending
      5  kube-controller-manager  CreatePod web-v1-3
           pods/default/web-v1-3 new, phase=Pending"
  `)
})

test('a Job that believes what it sees counts an end twice', () => {
  const credulous = countingBy(() => true)
  const { printed } = exploreCluster({ ...INSTANCES.job, components: { ...INSTANCES.job.components, job: credulous } })
  expect(printed).toMatchInlineSnapshot(`
    "JOB-S1: Job default/work notes the end of pod pods-work-0.1 again, which it had counted
      1  user                     Create Job work
           jobs/default/work new, wants=1 by 1, active=0, succeeded=0, failed=0
      2  kube-controller-manager  See jobs
      3  kube-controller-manager  status Job work
      4  kube-controller-manager  See jobs
      5  kube-controller-manager  CreateJobPod work-0
           pods/default/work-0 new, phase=Pending, finalizers=batch.kubernetes.io/job-tracking
      6  kube-controller-manager  See pods
      7  kube-scheduler           Bind work-0 → node-0
           pods/default/work-0 node=- → node-0
      8  kube-controller-manager  See pods
      9  kubelet-node-0           StartContainer pods-work-0.1/app#0
     10  environment              ExitContainer pods-work-0.1/app#0
     11  kubelet-node-0           status Pod work-0
           pods/default/work-0 phase=Pending → Failed, ready=- → False
     12  kube-controller-manager  See pods
     13  kube-controller-manager  status Job work
           jobs/default/work uncounted=- → pods-work-0.1
     14  kube-controller-manager  See jobs
     15  kube-controller-manager  update Pod work-0
           pods/default/work-0 finalizers=batch.kubernetes.io/job-tracking → -
     16  kube-controller-manager  status Job work
           jobs/default/work failed=0 → 1, uncounted=pods-work-0.1 → -
     17  kube-controller-manager  See jobs
     18  kube-controller-manager  status Job work
           jobs/default/work uncounted=- → pods-work-0.1, is=- → FailureTarget"
  `)
})

test('a CronJob that believes what it sees of itself starts a Job again', () => {
  const credulous = startingBy(() => true)
  const { printed } = exploreCluster({ ...INSTANCES.cron, components: { ...INSTANCES.cron.components, cronJob: credulous } })
  expect(printed).toMatchInlineSnapshot(`
    "CJ-S1: kube-controller-manager starts tick-1 again, which it had seen started
      1  clock                    MinutePasses
      2  kube-controller-manager  StartJob tick-1
           jobs/default/tick-1 new, wants=0 by 1, active=0, succeeded=0, failed=0
      3  kube-controller-manager  status CronJob tick
           cronjobs/default/tick active=0 → 1, last=- → 1970-01-01T00:01:00Z
      4  user                     Delete jobs/tick-1 (Background)
           jobs/default/tick-1 gone
      5  kube-controller-manager  StartJob tick-1
           jobs/default/tick-1 new, wants=0 by 1, active=0, succeeded=0, failed=0"
  `)
})

test('a server that charges its own copy of a quota loses what has been charged meanwhile', () => {
  const credulous = admittingBy((system) => seen<ResourceQuota>(system, SERVER, 'resourcequotas'), false)
  const { printed } = exploreCluster({
    ...INSTANCES.quota,
    lagging: [`${SERVER} resourcequotas`],
    components: { ...INSTANCES.quota.components, admission: credulous },
  })
  expect(printed).toMatchInlineSnapshot(`
    "QUOTA-S1: kube-apiserver-0 charges /registry/resourcequotas/default/share at revision 8, and nothing is added: what another had charged is lost
      1  user                     Create Pod a
      2  kube-apiserver-0         Charge
           resourcequotas/default/share pods=0 of 2 → 1 of 2
      3  kube-apiserver-0         Make what user asked for
           pods/default/a new, phase=Pending
      4  user                     Create Pod b
      5  kube-apiserver-0         Charge
      6  kube-apiserver-0         Make what user asked for
           pods/default/b new, phase=Pending
      7  kube-controller-manager  CountQuota share
           resourcequotas/default/share pods=1 of 2 → 2 of 2
      8  user                     Create Pod c
      9  kube-apiserver-0         Charge
           resourcequotas/default/share pods=2 of 2 → 1 of 2"
  `)
})

test('an autoscaler that forgets what it has recommended follows a load down at once', () => {
  const forgetful = autoscalingBy((memory) => ({ ...memory, recommendations: [] }))
  const { printed } = exploreCluster({ ...INSTANCES.pacing, components: { ...INSTANCES.pacing.components, autoscaler: forgetful } })
  expect(printed).toMatchInlineSnapshot(`
    "HPA-S2: kube-controller-manager scales web from 2 to 1: it had recommended 3 not long before
      1  user                     SetLoad default/web 300m
      2  kube-controller-manager  Recommend 3 for web, Autoscale web 1 → 2
      3  user                     SetLoad default/web unmeasured
      4  user                     Replace ReplicaSet web
      5  kube-controller-manager  ScaleTarget replicasets/default/web
           replicasets/default/web replicas=1 → 2
      6  user                     SetLoad default/web 0m
      7  kube-controller-manager  Recommend 0 for web, Autoscale web 2 → 1"
  `)
})

test('an autoscaler that forgets what it has changed grows faster than it may', () => {
  const forgetful = autoscalingBy((memory) => ({ ...memory, changes: [] }))
  const { printed } = exploreCluster({ ...INSTANCES.pacing, components: { ...INSTANCES.pacing.components, autoscaler: forgetful } })
  expect(printed).toMatchInlineSnapshot(`
    "HPA-S1: kube-controller-manager scales web from 2 to 3, where its policies allow 2
      1  user                     SetLoad default/web 300m
      2  kube-controller-manager  Recommend 3 for web, Autoscale web 1 → 2
      3  kube-controller-manager  ScaleTarget replicasets/default/web
           replicasets/default/web replicas=1 → 2
      4  kube-controller-manager  Recommend 3 for web, Autoscale web 2 → 3"
  `)
})

test('a controller of tokens that believes its view deletes one whose account is there', () => {
  const components = { ...INSTANCES.tokens.components, serviceAccountTokens: fillingBy(inView) }
  expect(exploreCluster({ ...INSTANCES.tokens, components }).printed).toMatchInlineSnapshot(`
    "SA-S3: kube-controller-manager deletes token key, whose account robot was there all the time
      1  user                     Create ServiceAccount robot
           serviceaccounts/default/robot new
      2  user                     Create Secret key
           secrets/default/key new
      3  kube-controller-manager  See secrets
      4  kube-controller-manager  DeleteToken key
           secrets/default/key gone"
  `)
})

test('a quota that is counted without pods that have no node lets in too many', () => {
  const forgetful = countingOnly((object) => object.kind !== 'Pod' || (object as Pod).spec.nodeName !== undefined)
  const { printed } = exploreCluster({
    ...INSTANCES.quota,
    lagging: [],
    components: { ...INSTANCES.quota.components, resourceQuotas: forgetful },
    concerns: () => false,
  })
  expect(printed).toMatchInlineSnapshot(`
    "QUOTA-S2: with /registry/pods/default/c at revision 10 there is more pods than the 2 that /registry/resourcequotas/default/share allows
      1  user                     Create Pod a
      2  kube-apiserver-0         Charge
           resourcequotas/default/share pods=0 of 2 → 1 of 2
      3  kube-apiserver-0         Make what user asked for
           pods/default/a new, phase=Pending
      4  kube-controller-manager  CountQuota share
           resourcequotas/default/share pods=1 of 2 → 0 of 2
      5  user                     Create Pod b
      6  kube-apiserver-0         Charge
           resourcequotas/default/share pods=0 of 2 → 1 of 2
      7  kube-apiserver-0         Make what user asked for
           pods/default/b new, phase=Pending
      8  user                     Create Pod c
      9  kube-apiserver-0         Charge
           resourcequotas/default/share pods=1 of 2 → 2 of 2
     10  kube-apiserver-0         Make what user asked for
           pods/default/c new, phase=Pending"
  `)
})

test('an eviction that does not look at tolerations comes before their time', () => {
  const components = { ...INSTANCES.tainted.components, taintEviction: evictingAfter(() => 0) }
  expect(exploreCluster({ ...INSTANCES.tainted, components }).printed).toMatchInlineSnapshot(`
    "NODE-S3: kube-controller-manager evicts awhile 0 ms after the taint, it tolerates 60000 ms
      1  user                     Replace Node node-0
           nodes/node-0 taints=- → maintenance:NoExecute
      2  kube-controller-manager  See nodes
      3  kube-controller-manager  EvictPod awhile"
  `)
})

test('a collector of pods that believes its view forces them out of a node that is there', () => {
  const credulous = forcingOut(1, () => true)
  const components = { ...INSTANCES.outOfService.components, podGarbageCollector: credulous }
  expect(exploreCluster({ ...INSTANCES.outOfService, components }).printed).toMatchInlineSnapshot(`
    "NODE-S6: kube-controller-manager forces a out, whose node node-0 is there
      1  user                     Replace Node node-0
           nodes/node-0 taints=- → node.kubernetes.io/out-of-service:NoExecute
      2  kube-controller-manager  See nodes
      3  user                     Delete nodes/node-0 (Background)
           nodes/node-0 gone
      4  kube-controller-manager  See nodes
      5  user                     Create Node node-0
           nodes/node-0 new, ready=True, unschedulable=false
      6  kube-controller-manager  ForceDeletePod a
           pods/default/a phase=Running → Failed"
  `)
})

test('who says anew all that he saw of a pod of an unknown node brings it back to life', () => {
  const { nodeLifecycle: _guarded, ...components } = INSTANCES.outOfService.components
  const { printed } = exploreCluster({ ...INSTANCES.outOfService, components: { ...components, nodeLifecycle: watchingNodes(false) } })
  expect(printed).toMatchInlineSnapshot(`
    "KUBELET-S4: kube-controller-manager set /registry/pods/default/a from Failed back to Running
      1  user                     Replace Node node-0
           nodes/node-0 taints=- → node.kubernetes.io/out-of-service:NoExecute
      2  kube-controller-manager  See nodes
      3  kube-controller-manager  EvictPod a
      4  kube-controller-manager  See pods
      5  kube-controller-manager  EvictPod a
           pods/default/a deleting=- → grace 30 s
      6  kube-controller-manager  See pods
      7  environment              CrashMachine node-0
      8  kube-controller-manager  MarkUnknown node-0
           nodes/node-0 ready=True → Unknown
      9  kube-controller-manager  See nodes
     10  kube-controller-manager  ForceDeletePod a
           pods/default/a phase=Running → Failed
     11  kube-controller-manager  status Pod a
           pods/default/a phase=Failed → Running, ready=True → False"
  `)
})

test('a Deployment that forgets maxUnavailable takes too many away', () => {
  const careless = rollingOutWithin(() => null)
  const { printed } = exploreCluster({ ...INSTANCES.rollback, components: { ...COMPONENTS, deployment: careless } })
  expect(printed).toMatchInlineSnapshot(`
    "DEP-S1: kube-controller-manager resizes web-v2 from 1 to 0: leaving 0 available where 1 are wanted
      1  user                     Rollback web
           deployments/default/web image=v2 → v1
      2  kube-controller-manager  ScaleReplicaSet web-v2 1 → 0
           replicasets/default/web-v2 replicas=1 → 0"
  `)
})

/** A set as a user makes one, with the uid that it is going to have. */
const set: ReplicaSet = {
  apiVersion: 'apps/v1',
  kind: 'ReplicaSet',
  metadata: { ...pod('web').metadata, uid: 'replicasets-web.1' },
  spec: {
    replicas: 1,
    selector: { matchLabels: { app: 'web' } },
    template: { metadata: { labels: { app: 'web' } }, spec: pod('web').spec },
  },
  status: { replicas: 0 },
}
const ofSet = ownedBy(set)

test('a collector that believes its view collects what has an owner', () => {
  const credulous = collectingBy((system, object, owner) => {
    const resource = resourceOfKind(owner.kind)?.resource ?? ''
    const shown = seen<KubernetesObject>(system, MANAGER, resource).find(({ value }) => value.metadata.name === owner.name)
    return standingOf(shown?.value, owner.uid)
  })
  const { printed } = exploreCluster({
    ...INSTANCES.rollback,
    objects: [node('node-0')],
    lagging: [`${MANAGER} replicasets`],
    before: [],
    users: [
      { kind: 'Create', value: { ...set, metadata: { ...set.metadata, uid: '' } } },
      {
        kind: 'Create',
        value: { ...pod('web-0'), metadata: { ...pod('web-0').metadata, labels: { app: 'web' }, ownerReferences: [ofSet] } },
      },
    ],
    components: { informers: COMPONENTS.informers, garbageCollector: credulous },
  })
  expect(printed).toMatchInlineSnapshot(`
    "CL-L1: it rests while ReplicaSet default/web waits for 1 pods: it has 0
      1  user                     Create ReplicaSet web
           replicasets/default/web new, replicas=1, has=0, ready=0
      2  kube-controller-manager  See replicasets"
  `)
})

test('without its endpoints a service rests before it has converged', () => {
  const { endpointSlices: _left, ...components } = COMPONENTS
  const { printed } = exploreCluster({ ...INSTANCES.service, components })
  expect(printed?.split('\n')[0]).toMatchInlineSnapshot(
    `"CL-L1: it rests while Service default/web waits for its endpoints to be ip-pods-web-v2-0.1: they are ip-pods-web-v1-0.1"`,
  )
})

test('endpoints of a service that selects its pods are mirrored by who does not look at it', () => {
  const careless = mirroringBy(() => true)
  const { mirroring } = INSTANCES
  const { printed } = exploreCluster({
    ...mirroring,
    users: [...mirroring.users.slice(0, 1), ...mirroring.users.slice(-1)],
    components: { ...mirroring.components, endpointSliceMirroring: careless },
  })
  expect(printed).toMatchInlineSnapshot(`
    "EPS-S2: kube-controller-manager wrote /registry/endpointslices/default/web-0, which mirrors web, which is not to be mirrored
      1  user                     Create Endpoints web
           endpoints/default/web new, addresses=10.0.0.1
      2  kube-controller-manager  See endpoints
      3  user                     Replace Service web
      4  kube-controller-manager  See services
      5  kube-controller-manager  MirrorEndpoints web
           endpointslices/default/web-0 new, ready=10.0.0.1"
  `)
})

test('what is written for ever never rests', () => {
  const restless = client('restless', (system) =>
    seen<Service>(system, MANAGER, 'services').map(({ value, version }) => {
      const turn = value.metadata.labels?.['turn'] === 'a' ? 'b' : 'a'
      return asks(MANAGER, null, { verb: 'update', value: { ...value, metadata: { ...value.metadata, labels: { turn } } }, version })
    }),
  )
  const { printed } = exploreCluster({ ...INSTANCES.service, lagging: [], users: [], components: { ...COMPONENTS, restless } })
  expect(printed).toMatchInlineSnapshot(`"CL-L2: from here it never comes to rest"`)
})
