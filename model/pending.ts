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
import { pictureOf, type Waiting } from './pending/picture.ts'
import { podsPending } from './pending/pods.ts'
import { orphansPending, setsPending } from './pending/replicasets.ts'
import { lettingIn } from './pending/refused.ts'
import { quotasPending } from './pending/quotas.ts'
import { rulesPending, slicesPending } from './pending/services.ts'
import { tokensPending } from './pending/tokens.ts'
import { statefulSetsPending } from './pending/statefulsets.ts'
import type { Cluster } from './state/cluster.ts'

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
  tokensPending,
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

function* rows(cluster: Cluster): Generator<Pending> {
  const picture = pictureOf(cluster)
  const letIn = lettingIn(picture)
  const ended = circular(cluster)
  const housed = homeless(cluster)
  for (const waiting of ALL) for (const row of waiting(picture)) yield housed(ended(letIn(row)))
}

export const pending = (cluster: Cluster): readonly Pending[] => [...rows(cluster)]

/** Whether anything still waits for what is to come by itself: no further reasons are looked for once there is one. */
export const isOpen = (cluster: Cluster): boolean => {
  for (const { blocked } of rows(cluster)) if (!blocked) return true
  return false
}
