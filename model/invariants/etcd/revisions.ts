/** Revisions count what changed, nothing acknowledged is lost, nothing is done twice. SEMANTICS 2.1. */
import type { Invariant } from '../../invariant.ts'
import type { Seen } from '../../state/history.ts'
import type { KvRequest } from '../../state/keyspace.ts'
import { each, watching } from '../define.ts'
import { entryTermAt } from '../raft/elections.ts'
import { DATA_MODEL, GUARANTEES, isKv } from './calls.ts'

const revisions: Invariant = watching(
  {
    id: 'ETCD-S2',
    sentence: 'each transaction that changes something adds exactly one to the revision; none is ever used twice or taken back',
    source: DATA_MODEL,
    kind: 'step',
    strength: 'safety',
    sometimes: 'one revision changes several keys',
  },
  ['Commit'],
  () => {
    let last: Seen<'Commit'> | null = null
    return {
      observe(next) {
        const seen = next as Seen<'Commit'>
        const before = last
        last = seen
        if (before === null) return 'holds'
        if (seen.revision === before.revision) {
          if (seen.index === before.index && seen.term === before.term) return 'notable'
          return { why: `revision ${seen.revision} was given to entry ${before.index} and again to entry ${seen.index}` }
        }
        return seen.revision === before.revision + 1 ? 'holds' : { why: `revision ${seen.revision} follows ${before.revision}` }
      },
    }
  },
)

const metadata: Invariant = each(
  {
    id: 'ETCD-S8',
    sentence: 'a key counts its puts since it was created, and starts anew after a deletion',
    source: DATA_MODEL,
    kind: 'step',
    strength: 'safety',
    sometimes: 'a deleted key is written again',
  },
  'Commit',
  ({ key, revision, before, after }, { history }) => {
    if (after === null) return before === null ? { why: `${key} was deleted at revision ${revision} without having been there` } : 'holds'
    const create = before?.createRevision ?? revision
    const version = (before?.version ?? 0) + 1
    if (after.modRevision !== revision || after.createRevision !== create || after.version !== version) {
      return {
        why: `${key} at revision ${revision} says created ${after.createRevision}, modified ${after.modRevision}, version ${after.version}; expected ${create}, ${revision}, ${version}`,
      }
    }
    return before === null && history.versions(key).length > 1 ? 'notable' : 'holds'
  },
)

const durability: Invariant = watching(
  {
    id: 'ETCD-S3',
    sentence: 'what was acknowledged is never lost, whatever crashes as long as disks keep what was synced',
    source: `${GUARANTEES}; etcd-io/etcd#14370`,
    kind: 'history',
    strength: 'safety',
    sometimes: 'a member has crashed since the acknowledgement',
    allows: ['ALLOW-1'],
  },
  ['Reply', 'Commit', 'ProcessEnded', 'Applied', 'Installed', 'Elected', 'PhaseBegan'],
  () => {
    let acknowledged = 0
    /** The entry that made the highest acknowledged revision. */
    let entry: { readonly index: number; readonly term: number } | null = null
    const entries = new Map<number, { readonly index: number; readonly term: number }>()
    let by = ''
    /** The highest term led so far, and when the highest revision was acknowledged. */
    let ledTerm = 0
    let acknowledgedTerm = 0
    let crashed = false
    const applied = new Map<string, number>()
    return {
      observe(next) {
        switch (next.kind) {
          case 'Reply':
            if (next.outcome.kind === 'done' && next.outcome.revision > acknowledged) {
              acknowledged = next.outcome.revision
              acknowledgedTerm = ledTerm
              entry = entries.get(acknowledged) ?? null
              by = next.call
            }
            return 'vacuous'
          case 'Elected':
            ledTerm = Math.max(ledTerm, next.term)
            // Who was paused may count votes of an old term late: of what was committed in later ones it knows nothing.
            if (next.term <= acknowledgedTerm) return 'vacuous'
            if (entry === null || [null, entry.term].includes(entryTermAt(next, entry.index))) return 'vacuous'
            return {
              why: `revision ${acknowledged} was acknowledged to call ${by}; ${next.member}, which leads term ${next.term}, does not have it`,
            }
          case 'ProcessEnded':
            if (next.process.startsWith('etcd-') && !next.process.startsWith('etcd-client')) {
              crashed ||= acknowledged > 0
              applied.delete(next.process)
            }
            return 'vacuous'
          case 'Applied':
          case 'Installed':
            applied.set(next.member, next.revision)
            return 'vacuous'
          case 'Commit':
            if (next.index !== undefined && next.term !== undefined) entries.set(next.revision, { index: next.index, term: next.term })
            // Repeats of what is known are not in the history: this is another write under an acknowledged revision.
            if (next.revision <= acknowledged && crashed) {
              return {
                why: `revision ${next.revision} was written anew (${next.key}), though revision ${acknowledged} had been acknowledged to call ${by}`,
              }
            }
            return crashed ? 'notable' : 'holds'
          default: {
            if (next.kind !== 'PhaseBegan' || next.phase !== 'end' || acknowledged === 0 || applied.size === 0) return 'vacuous'
            const highest = Math.max(...applied.values())
            return highest >= acknowledged
              ? 'holds'
              : { why: `revision ${acknowledged} was acknowledged to call ${by}; after the crashes the store is at ${highest}` }
          }
        }
      },
    }
  },
)

const onlyOnce: Invariant = watching(
  {
    id: 'ETCD-S22',
    sentence: 'a request takes effect at most once, and not before it was made',
    source: GUARANTEES,
    kind: 'history',
    strength: 'safety',
    sometimes: 'its outcome had been left open',
    allows: ['ALLOW-1'],
  },
  ['Invoke', 'Reply', 'Commit'],
  () => {
    const asked = new Map<string, string>()
    const unknown = new Set<string>()
    const done = new Map<string, number>()
    const valuesOf = (request: KvRequest): readonly string[] => {
      if (request.kind === 'Put') return typeof request.value === 'string' ? [`${request.key}=${request.value}`] : []
      return request.kind === 'Txn' ? [...request.success, ...request.failure].flatMap(valuesOf) : []
    }
    return {
      observe(next) {
        if (next.kind === 'Invoke') {
          if (isKv(next.request)) for (const value of valuesOf(next.request)) asked.set(value, next.call)
          return 'vacuous'
        }
        if (next.kind === 'Reply') {
          if (next.outcome.kind === 'unknown') unknown.add(next.call)
          return 'vacuous'
        }
        if (next.kind !== 'Commit' || next.after === null || typeof next.after.value !== 'string') return 'vacuous'
        const value = `${next.key}=${next.after.value}`
        const call = asked.get(value)
        if (call === undefined) return { why: `${value} was written at revision ${next.revision}, and nobody had asked for it` }
        const before = done.get(value)
        if (before !== undefined) return { why: `call ${call} took effect at revision ${before} and again at ${next.revision}` }
        done.set(value, next.revision)
        return unknown.has(call) ? 'notable' : 'holds'
      },
    }
  },
)

export const REVISIONS: readonly Invariant[] = [revisions, durability, metadata, onlyOnce]
