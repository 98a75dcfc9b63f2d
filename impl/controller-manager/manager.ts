/** kube-controller-manager: all controllers in one process, elected among its peers. */
import type { Timings } from '../../model/state/plan.ts'
import { runControllers, type ControllersProcess } from '../client/controller.ts'
import type { ClusterHost } from '../wire.ts'
import type { StorageBackEnd } from '../storage-back-end.ts'
import { attachDetachController } from './attach-detach.ts'
import { cronJobController } from './cronjob.ts'
import { csiAttacher } from './csi-attacher.ts'
import { daemonSetController } from './daemonset.ts'
import { deploymentController } from './deployment.ts'
import { disruptionController } from './disruption.ts'
import { endpointSliceController } from './endpointslice.ts'
import { endpointSliceMirroring } from './endpointslice-mirroring.ts'
import { garbageCollector } from './garbage-collector.ts'
import { horizontalPodAutoscaler, type PodUsage } from './hpa.ts'
import { jobController } from './job.ts'
import { namespaceDefaults } from './namespace-defaults.ts'
import { namespaceController } from './namespace.ts'
import { nodeLifecycleController } from './node-lifecycle.ts'
import { podGarbageCollector } from './pod-gc.ts'
import { replicaSetController, replicationController } from './replicaset.ts'
import { resourceQuotaController } from './resourcequota.ts'
import { serviceAccountTokens } from './service-account-tokens.ts'
import { statefulSetController } from './statefulset.ts'
import { taintEvictionController } from './taint-eviction.ts'
import { ttlAfterFinishedController } from './ttl-after-finished.ts'
import { volumeBinder } from './volume-binder.ts'
import { volumeProtection } from './volume-protection.ts'
import { volumeResizer } from './volume-resizer.ts'

export interface ManagerOptions {
  readonly endpoints: readonly string[]
  readonly timings: Timings
  /** What pods use, as the metrics API would tell. */
  readonly usage: PodUsage
  /** What volumes are attached by. */
  readonly storage: StorageBackEnd
}

export const controllerManager =
  ({ endpoints, timings, usage, storage }: ManagerOptions) =>
  (host: ClusterHost): ControllersProcess =>
    runControllers(host, {
      endpoints,
      timings,
      lease: 'kube-controller-manager',
      controllers: [
        replicaSetController,
        replicationController,
        deploymentController,
        jobController,
        ttlAfterFinishedController,
        statefulSetController,
        daemonSetController,
        cronJobController,
        horizontalPodAutoscaler(usage),
        volumeBinder,
        volumeProtection,
        attachDetachController,
        csiAttacher(host.name, storage),
        volumeResizer(host.name, storage),
        endpointSliceController(timings),
        endpointSliceMirroring,
        garbageCollector,
        namespaceController,
        namespaceDefaults,
        serviceAccountTokens,
        nodeLifecycleController(timings),
        taintEvictionController,
        podGarbageCollector(timings),
        disruptionController,
        resourceQuotaController,
      ],
    })
