/** All invariants, in the order they are reported. */
import type { Invariant } from './invariant.ts'
import { ADMISSION } from './invariants/admission.ts'
import { ADMISSION_BY_NODE } from './invariants/admission-by-node.ts'
import { ATTACHMENTS } from './invariants/attachments.ts'
import { API } from './invariants/api.ts'
import { AT_REST } from './invariants/at-rest.ts'
import { CLUSTER } from './invariants/cluster.ts'
import { CRONJOBS } from './invariants/cronjobs.ts'
import { DAEMONSETS } from './invariants/daemonsets.ts'
import { DEPLOYMENTS } from './invariants/deployments.ts'
import { DISRUPTION } from './invariants/disruption.ts'
import { ENDINGS } from './invariants/endings.ts'
import { ETCD } from './invariants/etcd/register.ts'
import { GANGS } from './invariants/gangs.ts'
import { GARBAGE } from './invariants/garbage.ts'
import { AUTOSCALERS } from './invariants/hpa.ts'
import { JOB_INDEXES } from './invariants/job-indexes.ts'
import { JOB_SUCCESS } from './invariants/job-success.ts'
import { JOBS } from './invariants/jobs.ts'
import { KUBELET } from './invariants/kubelet.ts'
import { LEADER_ELECTION } from './invariants/leader-election.ts'
import { LEAKS } from './invariants/leaks.ts'
import { LEASE } from './invariants/lease.ts'
import { LIMIT_RANGES } from './invariants/limit-ranges.ts'
import { NODE_HEALTH } from './invariants/node-health.ts'
import { NAMESPACES } from './invariants/namespaces.ts'
import { NODES } from './invariants/nodes.ts'
import { PROBING } from './invariants/probes.ts'
import { QUOTAS } from './invariants/quotas.ts'
import { RAFT } from './invariants/raft/register.ts'
import { REPLICA_COUNTS } from './invariants/replica-counts.ts'
import { REPLICASETS } from './invariants/replicasets.ts'
import { SCHEDULING } from './invariants/scheduling/register.ts'
import { SERVICE_ACCOUNTS } from './invariants/service-accounts.ts'
import { SERVICES } from './invariants/services.ts'
import { SINGLE_POD_CLAIMS } from './invariants/single-pod-claims.ts'
import { STATEFULSETS } from './invariants/statefulsets.ts'
import { VOLUME_SIZES } from './invariants/volume-sizes.ts'
import { VOLUMES } from './invariants/volumes.ts'
import { WATCH } from './invariants/watch.ts'

/** Of those violated by the same step the first here is named: nodes come before what runs on them, groups of pods before pods. */
export const INVARIANTS: readonly Invariant[] = [
  ...ETCD,
  ...RAFT,
  ...LEASE,
  ...WATCH,
  ...API,
  ...ADMISSION,
  ...LEADER_ELECTION,
  ...NODE_HEALTH,
  ...NODES,
  ...REPLICASETS,
  ...REPLICA_COUNTS,
  ...DEPLOYMENTS,
  ...JOBS,
  ...JOB_SUCCESS,
  ...JOB_INDEXES,
  ...STATEFULSETS,
  ...DAEMONSETS,
  ...CRONJOBS,
  ...AUTOSCALERS,
  ...GARBAGE,
  ...NAMESPACES,
  ...SERVICE_ACCOUNTS,
  ...QUOTAS,
  ...LIMIT_RANGES,
  ...DISRUPTION,
  ...GANGS,
  ...SCHEDULING,
  ...KUBELET,
  ...PROBING,
  ...ENDINGS,
  ...VOLUMES,
  ...ATTACHMENTS,
  ...SINGLE_POD_CLAIMS,
  ...VOLUME_SIZES,
  ...ADMISSION_BY_NODE,
  ...SERVICES,
  ...AT_REST,
  ...LEAKS,
  ...CLUSTER,
]
