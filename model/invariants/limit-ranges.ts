/** Limit ranges: no pod is let in that breaks one its server has seen. SEMANTICS 2.3. */
import { broken } from '../components/limit-range.ts'
import type { Invariant } from '../invariant.ts'
import type { Seen } from '../state/history.ts'
import type { Key, Revision } from '../state/keyspace.ts'
import type { Pod } from '../state/objects.ts'
import type { LimitRange } from '../state/policy.ts'
import { prefixOf, resourceOfKey } from '../state/resources.ts'
import { objectOf, safety, watching } from './define.ts'

const RANGES = 'limitranges'
/** What a server was asked to make it makes within its deadline, or not at all. */
const DEADLINE_MS = 60_000

/** Since when each server has known each version of a range: it was told of it, or began after it was there. */
class Sight {
  private readonly startedMs = new Map<string, number>()
  private readonly known = new Map<string, Map<Key, { readonly revision: Revision; readonly atMs: number }>>()
  /** Streams from etcd, by who reads them. */
  private readonly readers = new Map<string, string>()
  /** Faults that keep the caches of some server as they are. */
  private frozen = 0
  private thawedMs = -Infinity

  began(process: string, atMs: number): void {
    this.startedMs.set(process, atMs)
    this.known.delete(process)
  }

  opened({ layer, stream, process }: Seen<'WatchOpened'>): void {
    if (layer === 'etcd') this.readers.set(stream, process)
  }

  delivered({ stream, events, atMs }: Seen<'WatchDelivered'>): void {
    const reader = this.readers.get(stream)
    if (reader === undefined) return
    for (const { key, revision } of events) {
      if (resourceOfKey(key) !== RANGES) continue
      const own = this.known.get(reader) ?? new Map()
      this.known.set(reader, own.set(key, { revision, atMs }))
    }
  }

  /** What a server is told while its caches stand still it takes in when they go on. */
  froze({ fault, outcome, atMs }: Seen<'FaultChanged'>): void {
    if (fault.kind !== 'FreezeCache' && fault.kind !== 'TimeTravel') return
    if (outcome === 'begun') this.frozen++
    if (outcome !== 'ended') return
    this.frozen--
    this.thawedMs = atMs
  }

  /** Infinity: it may not know it yet. writtenMs: when this version was. */
  since(server: string, key: Key, revision: Revision, writtenMs: number): number {
    if (this.frozen > 0) return Infinity
    const startedMs = this.startedMs.get(server) ?? Infinity
    if (writtenMs < startedMs) return Math.max(startedMs, this.thawedMs)
    const seen = this.known.get(server)?.get(key)
    return seen === undefined || seen.revision < revision ? Infinity : Math.max(seen.atMs, this.thawedMs)
  }
}

const withinRange: Invariant = watching(
  {
    id: 'LR-S1',
    sentence: 'no pod is let in that breaks a limit range which its server had seen when it was asked',
    source: 'https://kubernetes.io/docs/concepts/policy/limit-range/',
    sometimes: 'a container asks for what the range gives it by default',
    ...safety,
  },
  ['ProcessStarted', 'FaultChanged', 'WatchOpened', 'WatchDelivered', 'Invoke', 'Reply', 'Commit'],
  () => {
    const sight = new Sight()
    const open = new Map<string, Seen<'Invoke'>>()
    /** When the server may have been asked for what it makes now. */
    const askedMs = ({ author, via, key, atMs }: Seen<'Commit'>, pod: Pod): number => {
      let firstMs = atMs
      for (const [call, { process, to, request, atMs: calledMs }] of open) {
        if (atMs - calledMs > DEADLINE_MS) open.delete(call)
        else if (process === author && to === via && request.kind === 'Api' && (request.namespace ?? 'default') === pod.metadata.namespace)
          if (request.name === undefined || key.endsWith(`/${request.name}`)) firstMs = Math.min(firstMs, calledMs)
      }
      return firstMs
    }
    return {
      observe(next, { cluster, history }) {
        switch (next.kind) {
          case 'ProcessStarted':
            sight.began(next.process, next.atMs)
            return 'vacuous'
          case 'FaultChanged':
            sight.froze(next)
            return 'vacuous'
          case 'WatchOpened':
            sight.opened(next)
            return 'vacuous'
          case 'WatchDelivered':
            sight.delivered(next)
            return 'vacuous'
          case 'Invoke':
            if (next.request.kind === 'Api' && next.request.verb === 'create' && next.request.resource === 'pods') open.set(next.call, next)
            return 'vacuous'
          case 'Reply':
            if (next.outcome.kind !== 'unknown') open.delete(next.call)
            return 'vacuous'
          default:
        }
        if (next.kind !== 'Commit' || next.before !== null || resourceOfKey(next.key) !== 'pods') return 'vacuous'
        const pod = objectOf<Pod>(next.after)
        if (pod === undefined) return 'vacuous'
        const prefix = prefixOf(RANGES, pod.metadata.namespace)
        const firstMs = askedMs(next, pod)
        const items = [...cluster.store].flatMap(([key, { value, modRevision }]) => {
          if (!key.startsWith(prefix)) return []
          const writtenMs = history.versions(key).findLast(({ revision }) => revision === modRevision)?.atMs ?? Infinity
          return sight.since(next.via, key, modRevision, writtenMs) < firstMs ? (value as LimitRange).spec.limits : []
        })
        if (items.length === 0) return 'vacuous'
        const why = broken(items, pod)
        if (why !== null) return { why: `${next.key} was let in at revision ${next.revision}: it asks for ${why}` }
        const given = items.some(({ defaultRequest = {} }) =>
          pod.spec.containers.some(({ resources }) =>
            Object.entries(defaultRequest).some(([name, quantity]) => resources?.requests?.[name] === quantity),
          ),
        )
        return given ? 'notable' : 'holds'
      },
    }
  },
)

export const LIMIT_RANGES: readonly Invariant[] = [withinRange]
