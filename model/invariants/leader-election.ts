/** Who leads among controllers and schedulers. SEMANTICS 2.4. */
import type { Invariant } from '../invariant.ts'
import type { Seen } from '../state/history.ts'
import type { Lease } from '../state/objects.ts'
import { eachCommit, objectOf, watching } from './define.ts'

const SOURCE = 'client-go/tools/leaderelection/leaderelection.go'
const DRIFT = 0.002
/** A slow answer to a renewal, and the time between two of them (ALLOW-11). */
const OVERLAP_MS = 2_000
const isElection = (key: string): boolean => key.startsWith('/registry/leases/kube-system/')

const handOver = eachCommit(
  {
    id: 'LE-S1',
    sentence: 'a lease is taken over only when it is free or has not been renewed for its whole duration',
    source: SOURCE,
    kind: 'step',
    strength: 'safety',
    sometimes: 'the holder changes',
  },
  'leases',
  ({ key, before, after, atMs, revision }, { history }) => {
    const was = objectOf<Lease>(before)?.spec
    const is = objectOf<Lease>(after)?.spec
    if (!isElection(key) || was === undefined || is === undefined) return 'vacuous'
    const transitions = (is.leaseTransitions ?? 0) - (was.leaseTransitions ?? 0)
    if (was.holderIdentity === is.holderIdentity)
      return transitions === 0 ? 'holds' : { why: `${key} counts a hand-over at revision ${revision} without one` }
    if (transitions !== 1)
      return { why: `${key} passed from ${was.holderIdentity} to ${is.holderIdentity} and counts ${transitions} hand-overs` }
    const since = history.versions(key).at(-2)?.atMs ?? 0
    const least = (was.leaseDurationSeconds ?? 0) * 1000 * (1 - DRIFT)
    if ((was.holderIdentity ?? '') !== '' && atMs - since < least) {
      return { why: `${is.holderIdentity} took ${key} from ${was.holderIdentity} ${atMs - since} ms after its last renewal` }
    }
    return 'notable'
  },
)

/** Processes that believe they lead, by lease, and who was held up. */
class Beliefs {
  readonly leading = new Map<string, Map<string, number>>()
  /** Processes that were paused since they began to lead: nothing is promised of them. */
  readonly paused = new Set<string>()

  observe(next: Seen<'Leading' | 'StoppedLeading' | 'ProcessEnded' | 'FaultChanged'>): void {
    switch (next.kind) {
      case 'Leading': {
        const held = this.leading.get(next.lease) ?? new Map<string, number>()
        this.leading.set(next.lease, held.set(next.process, next.atMs))
        return
      }
      case 'StoppedLeading':
        this.leading.get(next.lease)?.delete(next.process)
        this.paused.delete(next.process)
        return
      case 'ProcessEnded':
        for (const held of this.leading.values()) held.delete(next.process)
        this.paused.delete(next.process)
        return
      case 'FaultChanged':
        if (next.fault.kind === 'PauseProcess' && next.outcome === 'begun') this.paused.add(next.detail)
    }
  }
}
const BELIEFS = ['Leading', 'StoppedLeading', 'ProcessEnded', 'FaultChanged'] as const

const oneAtATime: Invariant = watching(
  {
    id: 'LE-S2',
    sentence: 'at most one process leads at a time, but for a moment when an answer was slow; pauses aside',
    source: SOURCE,
    kind: 'history',
    strength: 'safety',
    sometimes: 'another process leads next',
    allows: ['ALLOW-11'],
  },
  BELIEFS,
  () => {
    const beliefs = new Beliefs()
    /** Overlaps that have begun: the older leader and when the younger began. */
    const overlaps = new Map<string, { process: string; sinceMs: number; lease: string }>()
    const leaders = new Map<string, string>()
    return {
      observe(next) {
        const seen = next as Seen<'Leading' | 'StoppedLeading' | 'ProcessEnded' | 'FaultChanged'>
        const others =
          seen.kind === 'Leading' ? [...(beliefs.leading.get(seen.lease)?.keys() ?? [])].filter((process) => process !== seen.process) : []
        if (seen.kind === 'StoppedLeading' || seen.kind === 'ProcessEnded') {
          const overlap = overlaps.get(seen.process)
          overlaps.delete(seen.process)
          const excused = beliefs.paused.has(seen.process)
          beliefs.observe(seen)
          if (overlap === undefined || excused) return 'vacuous'
          const lasted = seen.atMs - overlap.sinceMs
          return lasted <= OVERLAP_MS
            ? 'holds'
            : { why: `${seen.process} believed for ${lasted} ms that it leads ${overlap.lease} after another had begun to` }
        }
        beliefs.observe(seen)
        if (seen.kind !== 'Leading') return 'vacuous'
        for (const process of others) overlaps.set(process, { process, sinceMs: seen.atMs, lease: seen.lease })
        const changed = leaders.has(seen.lease) && leaders.get(seen.lease) !== seen.process
        leaders.set(seen.lease, seen.process)
        return changed ? 'notable' : 'holds'
      },
    }
  },
)

const stopsActing: Invariant = watching(
  {
    id: 'LE-S3',
    sentence: 'who could not renew its lease stops deciding; pauses aside',
    source: SOURCE,
    kind: 'history',
    strength: 'safety',
    sometimes: 'a process decides that has led before another',
    allows: ['ALLOW-11'],
  },
  [...BELIEFS, 'Commit', 'Decision'],
  () => {
    const beliefs = new Beliefs()
    const renewed = new Map<string, { atMs: number; durationMs: number }>()
    return {
      observe(next) {
        if (next.kind === 'Commit') {
          const lease = objectOf<Lease>(next.after)
          if (isElection(next.key) && lease !== undefined) {
            renewed.set(lease.spec.holderIdentity ?? '', { atMs: next.atMs, durationMs: (lease.spec.leaseDurationSeconds ?? 0) * 1000 })
          }
          return 'vacuous'
        }
        if (next.kind !== 'Decision') {
          beliefs.observe(next as Seen<'Leading' | 'StoppedLeading' | 'ProcessEnded' | 'FaultChanged'>)
          return 'vacuous'
        }
        const { process, atMs } = next
        if (beliefs.paused.has(process)) return 'vacuous'
        const leads = [...beliefs.leading.values()].some((held) => held.has(process))
        if (!leads) return { why: `${process} decided ${next.choice.kind} without leading` }
        const held = renewed.get(process)
        if (held === undefined) return { why: `${process} decided ${next.choice.kind} without ever having held a lease` }
        const since = atMs - held.atMs
        if (since > held.durationMs * (1 + DRIFT) + OVERLAP_MS)
          return { why: `${process} decided ${next.choice.kind} ${since} ms after its last renewal` }
        return since > held.durationMs / 2 ? 'notable' : 'holds'
      },
    }
  },
)

const somebodyLeads: Invariant = watching(
  {
    id: 'LE-L1',
    sentence: 'after the last leader has died another one leads',
    source: SOURCE,
    kind: 'convergence',
    strength: 'liveness',
    sometimes: 'the leader had changed',
  },
  [...BELIEFS, 'PhaseBegan'],
  () => {
    const beliefs = new Beliefs()
    let times = 0
    return {
      observe(next) {
        if (next.kind !== 'PhaseBegan') {
          if (next.kind === 'Leading') times++
          beliefs.observe(next as Seen<'Leading' | 'StoppedLeading' | 'ProcessEnded' | 'FaultChanged'>)
          return 'vacuous'
        }
        if (next.phase !== 'end' || beliefs.leading.size === 0) return 'vacuous'
        const vacant = [...beliefs.leading].find(([, held]) => held.size === 0)
        if (vacant !== undefined) return { why: `nobody leads ${vacant[0]} at the end of the calm` }
        return times > beliefs.leading.size ? 'notable' : 'holds'
      },
    }
  },
)

export const LEADER_ELECTION: readonly Invariant[] = [handOver, oneAtATime, stopsActing, somebodyLeads]
