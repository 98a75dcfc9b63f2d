/** What may go on being written when everything has converged: signs of life, and nothing else. */
import type { Seen } from './state/history.ts'
import type { Node } from './state/objects.ts'

const same = (one: unknown, other: unknown): boolean => one === other || JSON.stringify(one) === JSON.stringify(other)

/** Leases, node status that only repeats itself, and the API servers' own book-keeping. */
export const isHeartbeat = (commit: Seen<'Commit'>): boolean => {
  const { key, before, after } = commit
  if (!key.startsWith('/registry/') || key.startsWith('/registry/leases/')) return true
  if (!key.startsWith('/registry/nodes/') || before === null || after === null) return false
  const was = before.value as Node
  const is = after.value as Node
  return same(was.spec, is.spec) && same(was.metadata.labels, is.metadata.labels) && same(statusWithoutBeats(was), statusWithoutBeats(is))
}

const statusWithoutBeats = ({ status }: Node): unknown => ({
  ...status,
  conditions: status.conditions.map(({ lastHeartbeatTime: _beat, ...rest }) => rest),
})
