/**
 * Two rules that hold a compacted store together.
 *
 * Source: server/storage/mvcc/key_index.go, server/storage/mvcc/kvstore.go; etcd-io/etcd#18089, #17780.
 */
import type { Revision } from '../../model/state/keyspace.ts'
import type { Change } from './mvcc.ts'

/** Of the versions of a key up to a compaction the newest stays. So does a deletion by the compaction's own revision: a watch may start there. */
export const keepsNewest = (newest: Change, compacted: Revision): boolean => newest.after !== null || newest.revision === compacted

/** What a store that starts again goes on from. The records up to the compaction may all be gone. */
export const revisionAfter = (records: readonly Change[], compacted: Revision): Revision =>
  Math.max(records.at(-1)?.revision ?? 1, compacted)
