/** The store: revisions, durability, reads and writes as their clients saw them, leases. SEMANTICS 2.1. */
import type { Invariant, Judgement } from '../invariant.ts'
import type { Compare, KeyRange, KvRequest, Stored } from '../state/keyspace.ts'
import type { Seen } from '../state/history.ts'
import type { StoreHistory } from '../state/cluster.ts'
import { each, jsonOf, sameValue, watching } from './define.ts'
import { entryTermAt } from './raft/elections.ts'

const GUARANTEES = 'https://etcd.io/docs/v3.6/learning/api_guarantees/'
const DATA_MODEL = 'https://etcd.io/docs/v3.6/learning/data_model/'

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

/** Requests of etcd clients that are still open, by call. */
interface Open {
  readonly seen: Seen<'Invoke'>
  /** The highest revision anybody had been told of when it was asked. */
  readonly floor: number
}

const writes = (request: KvRequest): boolean =>
  request.kind === 'Put' ||
  request.kind === 'DeleteRange' ||
  (request.kind === 'Txn' && [...request.success, ...request.failure].some(writes))
const isKv = (request: { readonly kind: string }): request is KvRequest => ['Range', 'Put', 'DeleteRange', 'Txn'].includes(request.kind)

/** Follows requests to their replies, with the revision that was known when they were asked. */
const following = (judge: (open: Open, reply: Seen<'Reply'> & { outcome: { kind: 'done' } }, history: StoreHistory) => Judgement) => () => {
  const open = new Map<string, Open>()
  let told = 0
  return {
    observe(next: Seen<'Invoke'> | Seen<'Reply'>, history: StoreHistory): Judgement {
      if (next.kind === 'Invoke') {
        if (isKv(next.request)) open.set(next.call, { seen: next, floor: told })
        return 'vacuous'
      }
      const asked = open.get(next.call)
      open.delete(next.call)
      if (asked === undefined || next.outcome.kind !== 'done') return 'vacuous'
      const verdict = judge(asked, next as Seen<'Reply'> & { outcome: { kind: 'done' } }, history)
      const request = asked.seen.request as KvRequest
      // A serializable read may be old; it binds nobody.
      if (!(request.kind === 'Range' && request.serializable === true)) told = Math.max(told, next.outcome.revision)
      return verdict
    },
  }
}

const follower = (fields: Parameters<typeof watching>[0], judge: Parameters<typeof following>[0]): Invariant =>
  watching(fields, ['Invoke', 'Reply'], () => {
    const notes = following(judge)()
    return { observe: (next, { history }) => notes.observe(next as Seen<'Invoke'> | Seen<'Reply'>, history) }
  })

const inRange = (key: string, { key: from, rangeEnd }: KeyRange): boolean =>
  rangeEnd === undefined ? key === from : key >= from && (rangeEnd === '\0' || key < rangeEnd)

/** What a range holds at a revision, by the committed history alone. */
const contents = (history: StoreHistory, range: KeyRange, revision: number): string => {
  const keys = history
    .keys('')
    .filter((key) => inRange(key, range))
    .toSorted()
  const found = keys.flatMap((key) => {
    const stored = history.at(key, revision)
    return stored === undefined ? [] : [[key, stored.value, stored.modRevision, stored.version]]
  })
  return JSON.stringify(found)
}
const answered = (response: unknown): string => {
  const { kvs } = response as { kvs: readonly ({ key: string } & Stored)[] }
  return JSON.stringify(kvs.map((kv) => [kv.key, kv.value, kv.modRevision, kv.version]))
}

const strictSerializability: Invariant = follower(
  {
    id: 'ETCD-S1',
    sentence: 'completed writes take effect one after another, each between its request and its reply, in the order of their revisions',
    source: GUARANTEES,
    kind: 'history',
    strength: 'safety',
    sometimes: 'a write is asked while another one is known to have been done',
    allows: ['ALLOW-1'],
  },
  ({ seen, floor }, reply, history) => {
    const request = seen.request as KvRequest
    const { revision } = reply.outcome
    if (!writes(request)) return 'vacuous'
    if (revision < floor)
      return { why: `call ${seen.call} was done at revision ${revision}, though revision ${floor} had been told of before it was asked` }
    if (request.kind !== 'Put') return floor > 1 ? 'notable' : 'holds'
    const stored = history.at(request.key, revision)
    if (revision <= floor)
      return { why: `the put of call ${seen.call} was done at revision ${revision}, which was told of before it was asked` }
    if (stored?.modRevision !== revision || !sameValue(stored.value, request.value)) {
      return {
        why: `call ${seen.call} put ${request.key}=${jsonOf(request.value)} and was told revision ${revision}, where the store holds ${stored === undefined ? 'nothing' : jsonOf(stored.value)}`,
      }
    }
    return floor > 1 ? 'notable' : 'holds'
  },
)

const linearizableReads: Invariant = follower(
  {
    id: 'ETCD-S13',
    sentence: 'a linearizable read shows at least everything that was acknowledged before it was asked, and exactly one state',
    source: GUARANTEES,
    kind: 'history',
    strength: 'safety',
    sometimes: 'the read sees a key',
  },
  ({ seen, floor }, reply, history) => {
    const request = seen.request as KvRequest
    if (request.kind !== 'Range' || request.serializable === true) return 'vacuous'
    const { revision, response } = reply.outcome
    if (revision < floor)
      return { why: `call ${seen.call} read revision ${revision}, though revision ${floor} had been acknowledged before it was asked` }
    const truth = contents(history, request, revision)
    const told = answered(response)
    if (truth !== told) return { why: `call ${seen.call} was answered ${told} at revision ${revision}, where the store held ${truth}` }
    return told === '[]' ? 'holds' : 'notable'
  },
)

const serializableReads: Invariant = follower(
  {
    id: 'ETCD-S14',
    sentence: 'a serializable read shows exactly the state of some committed revision',
    source: GUARANTEES,
    kind: 'history',
    strength: 'safety',
    sometimes: 'it is older than what was known',
    allows: ['ALLOW-2'],
  },
  ({ seen, floor }, reply, history) => {
    const request = seen.request as KvRequest
    if (request.kind !== 'Range' || request.serializable !== true) return 'vacuous'
    const { revision, response } = reply.outcome
    const truth = contents(history, request, revision)
    const told = answered(response)
    if (truth !== told) return { why: `call ${seen.call} was answered ${told} at revision ${revision}, where the store held ${truth}` }
    return revision < floor ? 'notable' : 'holds'
  },
)

const compareHolds = (history: StoreHistory, compare: Compare, revision: number): boolean => {
  const stored = history.at(compare.key, revision)
  const values = {
    version: stored?.version ?? 0,
    create: stored?.createRevision ?? 0,
    mod: stored?.modRevision ?? 0,
    lease: stored?.lease ?? 0,
  }
  const held = compare.target === 'value' ? String(stored?.value) : values[compare.target]
  switch (compare.result) {
    case '=':
      return held === compare.operand
    case '!=':
      return held !== compare.operand
    case '<':
      return held < compare.operand
    case '>':
      return held > compare.operand
  }
}

const transactions: Invariant = follower(
  {
    id: 'ETCD-S9',
    sentence: 'a transaction takes the branch its comparisons choose in the state right before it, and all of it',
    source: GUARANTEES,
    kind: 'history',
    strength: 'safety',
    sometimes: 'the comparisons fail',
  },
  ({ seen }, reply, history) => {
    const request = seen.request as KvRequest
    const { response, revision } = reply.outcome
    if (request.kind !== 'Txn' || response?.kind !== 'Txn') return 'vacuous'
    const branch = response.succeeded ? request.success : request.failure
    const wrote = branch.some(
      (one) =>
        one.kind === 'Put' || (one.kind === 'DeleteRange' && history.versions(one.key).some((version) => version.revision === revision)),
    )
    const right = request.compare.every((compare) => compareHolds(history, compare, wrote ? revision - 1 : revision))
    if (right !== response.succeeded)
      return {
        why: `call ${seen.call} took the ${response.succeeded ? 'success' : 'failure'} branch at revision ${revision}, where its comparisons ${right ? 'hold' : 'do not hold'}`,
      }
    for (const one of branch) {
      if (one.kind === 'Put' && history.at(one.key, revision)?.modRevision !== revision)
        return { why: `call ${seen.call} did not put ${one.key} at its revision ${revision}` }
    }
    return response.succeeded ? 'holds' : 'notable'
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
  ['Reply', 'Commit', 'ProcessEnded', 'Applied', 'Elected', 'PhaseBegan'],
  () => {
    let acknowledged = 0
    /** The entry that made the highest acknowledged revision. */
    let entry: { readonly index: number; readonly term: number } | null = null
    const entries = new Map<number, { readonly index: number; readonly term: number }>()
    let by = ''
    let crashed = false
    const applied = new Map<string, number>()
    return {
      observe(next) {
        switch (next.kind) {
          case 'Reply':
            if (next.outcome.kind === 'done' && next.outcome.revision > acknowledged) {
              acknowledged = next.outcome.revision
              entry = entries.get(acknowledged) ?? null
              by = next.call
            }
            return 'vacuous'
          case 'Elected':
            if (entry === null || entryTermAt(next, entry.index) === entry.term) return 'vacuous'
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

export const ETCD: readonly Invariant[] = [
  strictSerializability,
  revisions,
  durability,
  metadata,
  transactions,
  linearizableReads,
  serializableReads,
  onlyOnce,
]
