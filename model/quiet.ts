/** What may go on being written when everything has converged: signs of life, and nothing else. */
import { recurs } from './components/cronjob.ts'
import { sameValue } from './components/objects.ts'
import type { CronJob } from './state/batch.ts'
import type { Cluster } from './state/cluster.ts'
import type { Seen } from './state/history.ts'
import type { ApiObject, Node, Pod } from './state/objects.ts'
import { POD_GROUP_LABEL } from './state/pod-group.ts'

/** Writes in a calm, but for signs of life, that are no way to come to rest any more: a hundred for each object there was when it began. */
export const writesMost = (objects: number): number => 5_000 + 100 * objects

/**
 * Leases, node status that only repeats itself, the API servers' own book-keeping, why a group finds no room, and what comes
 * and goes by the clock.
 */
export const isHeartbeat = (commit: Seen<'Commit'>, cluster: Cluster): boolean => {
  const { key, before, after } = commit
  if (comesAndGoes(commit, cluster)) return true
  if (!key.startsWith('/registry/') || key.startsWith('/registry/leases/')) return true
  if (key.startsWith('/registry/pods/')) return isWordOnGroup(commit)
  if (!key.startsWith('/registry/nodes/') || before === null || after === null) return false
  const was = before.value as Node
  const is = after.value as Node
  return (
    sameValue(was.spec, is.spec) &&
    sameValue(was.metadata.labels, is.metadata.labels) &&
    sameValue(statusWithoutBeats(was), statusWithoutBeats(is))
  )
}

/** Pods of a group that does not fit are tried in turn, and each try makes another's reason out of date. */
const isWordOnGroup = ({ before, after }: Seen<'Commit'>): boolean => {
  if (before === null || after === null) return false
  const was = before.value as Pod
  const is = after.value as Pod
  if (is.metadata.labels?.[POD_GROUP_LABEL] === undefined || (is.spec.nodeName ?? '') !== '' || !sameValue(was.spec, is.spec)) return false
  return sameValue(unsaid(was), unsaid(is))
}
const unsaid = ({ metadata, status }: Pod): unknown => [
  { ...metadata, resourceVersion: '' },
  { ...status, conditions: (status.conditions ?? []).filter(({ type }) => type !== 'PodScheduled') },
]

const statusWithoutBeats = ({ status }: Node): unknown => ({
  ...status,
  conditions: status.conditions.map(({ lastHeartbeatTime: _beat, ...rest }) => rest),
})

/** A CronJob's word of its Jobs, its Jobs, and their pods. */
const comesAndGoes = ({ key, before, after }: Seen<'Commit'>, cluster: Cluster): boolean => {
  if (key.startsWith('/registry/cronjobs/')) {
    const was = before?.value as CronJob | undefined
    const is = after?.value as CronJob | undefined
    return was !== undefined && is !== undefined && !is.spec.suspend && sameValue(was.spec, is.spec)
  }
  if (!key.startsWith('/registry/jobs/') && !key.startsWith('/registry/pods/')) return false
  return recurs(cluster, (after ?? before)?.value as ApiObject)
}
