/** What clients were answered: one order of all that was done, and reads that show exactly one state of it. SEMANTICS 2.1. */
import type { Invariant } from '../../invariant.ts'
import type { KvRequest } from '../../state/keyspace.ts'
import { watching } from '../define.ts'
import { answering, doing, explain, GUARANTEES, writes } from './calls.ts'

const safety = { kind: 'history', strength: 'safety' } as const

const strictSerializability: Invariant = doing(
  {
    id: 'ETCD-S1',
    sentence: 'completed requests take effect one after another, each between its call and its reply, in the order of their revisions',
    source: `${GUARANTEES}; etcd tests/robustness/validate/operations.go`,
    sometimes: 'a write is asked while another one is known to have been done',
    allows: ['ALLOW-1', 'ALLOW-2'],
    ...safety,
  },
  ({ seen, floor }, reply, history) => {
    const request = seen.request as KvRequest
    const { revision } = reply.outcome
    const { wrote, difference } = explain(request, reply, history)
    const bound = !(request.kind === 'Range' && request.serializable === true)
    if (bound && revision < floor)
      return { why: `call ${seen.call} was done at revision ${revision}, though revision ${floor} had been told of before it was asked` }
    if (wrote && revision <= floor)
      return { why: `call ${seen.call} changed something at revision ${revision}, which was told of before it was asked` }
    if (difference !== null) return { why: `call ${seen.call} at revision ${revision} ${difference}` }
    return writes(request) && floor > 1 ? 'notable' : 'holds'
  },
)

const linearizableReads: Invariant = doing(
  {
    id: 'ETCD-S13',
    sentence: 'a linearizable read shows at least everything that was acknowledged before it was asked, and exactly one state',
    source: `${GUARANTEES}; etcd-io/etcd#20418`,
    sometimes: 'the read sees a key',
    ...safety,
  },
  ({ seen, floor }, reply, history) => {
    const request = seen.request as KvRequest
    if (writes(request) || (request.kind === 'Range' && request.serializable === true)) return 'vacuous'
    const { revision, response } = reply.outcome
    if (revision < floor)
      return { why: `call ${seen.call} read revision ${revision}, though revision ${floor} had been acknowledged before it was asked` }
    const { difference } = explain(request, reply, history)
    if (difference !== null) return { why: `call ${seen.call} at revision ${revision} ${difference}` }
    return response?.kind === 'Range' && response.count > 0 ? 'notable' : 'holds'
  },
)

const serializableReads: Invariant = doing(
  {
    id: 'ETCD-S14',
    sentence:
      'a serializable read shows exactly the state of some committed revision, and while a member runs never an older one than before',
    source: GUARANTEES,
    sometimes: 'it is older than what was known',
    allows: ['ALLOW-2'],
    ...safety,
  },
  ({ seen, floor, floors }, reply, history) => {
    const request = seen.request as KvRequest
    if (request.kind !== 'Range' || request.serializable !== true) return 'vacuous'
    const { revision, response } = reply.outcome
    const member = response?.header.member ?? ''
    const before = floors.get(member) ?? 0
    if (revision < before)
      return { why: `call ${seen.call} read revision ${revision} of ${member}, which had answered at ${before} before it was asked` }
    const { difference } = explain(request, reply, history)
    if (difference !== null) return { why: `call ${seen.call} at revision ${revision} ${difference}` }
    return revision < floor ? 'notable' : 'holds'
  },
)

const COMPACTED = 'required revision has been compacted'
const FUTURE = 'required revision is a future revision'

/** The compactions that took effect, and the revision a read asks for; the answer only where it was asked at a revision. */
const readsInThePast = (
  fields: Parameters<typeof answering>[0],
  judge: (read: PastRead) => ReturnType<Parameters<typeof answering>[1]>,
): Invariant =>
  watching({ ...fields }, ['Invoke', 'Reply', 'ProcessStarted', 'Compacted'], () => {
    let compactedNow = 0
    const inner = answering(fields, (open, reply, history) => {
      const request = open.seen.request
      if (request.kind !== 'Range' || (request.revision ?? 0) === 0) return 'vacuous'
      const difference = reply.outcome.kind === 'done' ? explain(request, reply as Parameters<typeof explain>[1], history).difference : null
      const refused = reply.outcome.kind === 'refused' ? reply.outcome.reason : null
      const { floor, compacted } = open
      return judge({
        call: open.seen.call,
        asked: request.revision as number,
        serializable: request.serializable === true,
        floor,
        compacted,
        compactedNow,
        refused,
        revision: reply.outcome.kind === 'done' ? reply.outcome.revision : 0,
        difference,
      })
    }).start()
    return {
      observe(next, context) {
        if (next.kind !== 'Compacted') return inner.observe(next, context)
        compactedNow = Math.max(compactedNow, next.revision)
        return 'vacuous'
      },
    }
  })

interface PastRead {
  readonly call: string
  readonly asked: number
  readonly serializable: boolean
  /** Told of before it was asked: a revision, and a compaction. */
  readonly floor: number
  readonly compacted: number
  /** The highest compaction that any member has done. */
  readonly compactedNow: number
  /** Null: it was answered. */
  readonly refused: string | null
  readonly revision: number
  readonly difference: string | null
}

const pastReads = readsInThePast(
  {
    id: 'ETCD-S15',
    sentence: 'a read at a revision shows the state at it, or says that it is compacted, or that it is yet to come, and rightly so',
    source: `${GUARANTEES}; etcd-io/etcd#18667`,
    sometimes: 'the revision was compacted',
    ...safety,
  },
  ({ call, asked, serializable, floor, compacted, compactedNow, refused, revision, difference }) => {
    if (refused?.includes(COMPACTED) === true) {
      if (asked >= compactedNow)
        return { why: `call ${call} was refused revision ${asked} as compacted, where the store was only compacted at ${compactedNow}` }
      return 'notable'
    }
    if (refused?.includes(FUTURE) === true) {
      if (!serializable && asked <= floor)
        return { why: `call ${call} was refused revision ${asked} as yet to come, though revision ${floor} had been told of before` }
      return 'holds'
    }
    if (refused !== null) return 'vacuous'
    if (asked > revision) return { why: `call ${call} was answered about revision ${asked} by a member at revision ${revision}` }
    if (!serializable && asked < compacted)
      return { why: `call ${call} was answered about revision ${asked}, though a compaction at ${compacted} had been acknowledged before` }
    return difference === null ? 'holds' : { why: `call ${call} about revision ${asked} ${difference}` }
  },
)

const compactionKeepsAnswers = readsInThePast(
  {
    id: 'ETCD-S16',
    sentence: 'a compaction changes no answer about its own revision or a later one',
    source: `${GUARANTEES}; https://etcd.io/docs/v3.6/op-guide/maintenance/`,
    sometimes: 'the read asks for the very revision',
    ...safety,
  },
  ({ call, asked, compacted, compactedNow, refused, difference }) => {
    if (compacted === 0 || asked < compactedNow) return 'vacuous'
    if (refused !== null) return 'vacuous'
    if (difference !== null) return { why: `after the compaction at ${compactedNow} call ${call} about revision ${asked} ${difference}` }
    return asked === compactedNow ? 'notable' : 'holds'
  },
)

/** Of those that one answer violates the first is named: what says more comes first. */
export const READS: readonly Invariant[] = [compactionKeepsAnswers, pastReads, linearizableReads, serializableReads, strictSerializability]
