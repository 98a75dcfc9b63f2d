/**
 * Why the cluster has not converged: for each object what it waits for, in words, root causes first.
 *
 * `blocked` is what the specification itself sees no way out of; everything else must end by itself.
 */
import type { Pending } from './invariant.ts'
import { attachmentsPending } from './pending/attachments.ts'
import { definitionsPending } from './pending/custom.ts'
import { claimsPending, volumesPending } from './pending/claims.ts'
import { daemonSetsPending } from './pending/daemonsets.ts'
import { deploymentsPending } from './pending/deployments.ts'
import { budgetsPending, drainsPending } from './pending/disruption.ts'
import { autoscalersPending } from './pending/hpa.ts'
import { cronJobsPending, jobsPending } from './pending/jobs.ts'
import { circular, containersPending, deletionsPending, leftoversPending } from './pending/leftovers.ts'
import { homeless, namespacesPending } from './pending/namespaces.ts'
import { nodesPending } from './pending/nodes.ts'
import { all, type Waiting } from './pending/picture.ts'
import { podsPending } from './pending/pods.ts'
import { orphansPending, setsPending } from './pending/replicasets.ts'
import { lettingIn } from './pending/refused.ts'
import { quotasPending } from './pending/quotas.ts'
import { rulesPending, slicesPending } from './pending/services.ts'
import { statefulSetsPending } from './pending/statefulsets.ts'
import type { Cluster } from './state/cluster.ts'
import type { ReplicationController } from './state/replication.ts'
import type { Node, Pod, ReplicaSet } from './state/objects.ts'

const ALL: readonly Waiting[] = [
  definitionsPending,
  namespacesPending,
  nodesPending,
  claimsPending,
  volumesPending,
  attachmentsPending,
  podsPending,
  setsPending,
  deploymentsPending,
  jobsPending,
  statefulSetsPending,
  daemonSetsPending,
  quotasPending,
  budgetsPending,
  drainsPending,
  cronJobsPending,
  autoscalersPending,
  leftoversPending,
  deletionsPending,
  orphansPending,
  containersPending,
  slicesPending,
  rulesPending,
]

export const pending = (cluster: Cluster): readonly Pending[] => {
  const picture = {
    cluster,
    pods: all<Pod>(cluster, 'pods'),
    nodes: new Map(all<Node>(cluster, 'nodes').map((node) => [node.metadata.name, node])),
    sets: [...all<ReplicaSet>(cluster, 'replicasets'), ...all<ReplicationController>(cluster, 'replicationcontrollers')],
    blocked: new Map<string, boolean>(),
  }
  return ALL.flatMap((waiting) => waiting(picture))
    .map(lettingIn(picture))
    .map(circular(cluster))
    .map(homeless(cluster))
}
