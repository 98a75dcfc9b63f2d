/** The history of a state of the model, as invariants ask for it: the store keeps its own. */
import { storeAt } from '../../model/components/view.ts'
import type { StoreHistory } from '../../model/state/cluster.ts'
import { prefixOf } from '../../model/state/resources.ts'
import type { Keyspace } from '../../model/state/system.ts'

/** It keeps no times: whatever anybody may wait for since then is over. */
const LONG_AGO_MS = -86_400_000

export const pastOf = (keyspace: Keyspace): StoreHistory => {
  const { changes, revision } = keyspace
  const first = revision - changes.length + 1
  return {
    at: (key, asked) => storeAt(keyspace, Math.min(asked, revision)).get(key),
    versions: (key) =>
      changes.flatMap((events, index) =>
        events
          .filter(({ kv }) => kv.key === key)
          .map(({ type, kv: { key: _key, ...stored } }) => ({
            revision: first + index,
            atMs: LONG_AGO_MS,
            author: '',
            after: type === 'DELETE' ? null : stored,
          })),
      ),
    listAt: (resource, asked) =>
      [...storeAt(keyspace, Math.min(asked, revision))]
        .filter(([key]) => key.startsWith(prefixOf(resource)))
        .map(([key, stored]) => ({ key, stored }))
        .toSorted((one, other) => (one.key < other.key ? -1 : 1)),
    keys: (prefix) => [...new Set(changes.flatMap((events) => events.map(({ kv }) => kv.key)))].filter((key) => key.startsWith(prefix)),
  }
}
