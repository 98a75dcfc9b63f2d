/** The whole: it comes back level, and then it rests. SEMANTICS 2.14. */
import type { Invariant } from '../invariant.ts'
import { endingOf } from '../ending.ts'
import { isHeartbeat, writesMost } from '../quiet.ts'
import type { Seen } from '../state/history.ts'
import { watching } from './define.ts'

const CONTROLLERS = 'https://kubernetes.io/docs/concepts/architecture/controller/#desired-vs-current'
const LISTED = 3
const APISERVER = /^kube-apiserver-/

const noPanic: Invariant = watching(
  {
    id: 'CL-P1',
    sentence: 'no process panics: what it asserts about itself holds',
    source: 'etcd server/etcdserver/raft.go and raft/log.go (they panic when a committed entry would be replaced)',
    kind: 'history',
    strength: 'safety',
    sometimes: 'a process was killed and started again',
  },
  ['ProcessStarted', 'ProcessEnded'],
  () => ({
    observe(next) {
      if (next.kind === 'ProcessStarted') return next.reason === 'restart' ? 'notable' : 'holds'
      const { process, reason } = next as Seen<'ProcessEnded'>
      return reason.startsWith('panic') ? { why: `${process} ends by a ${reason}` } : 'vacuous'
    },
  }),
)

const converges: Invariant = watching(
  {
    id: 'CL-L1',
    sentence: 'once users and faults leave it alone the cluster reaches what was asked for, but for what is reported to be impossible',
    source: CONTROLLERS,
    kind: 'convergence',
    strength: 'liveness',
    sometimes: 'there had been faults',
  },
  ['PhaseBegan', 'FaultChanged', 'Commit'],
  () => {
    let asked = false
    let faults = 0
    return {
      observe(next, context) {
        if (next.kind === 'Commit') asked ||= next.key.startsWith('/registry/')
        if (next.kind === 'FaultChanged' && next.outcome === 'begun') faults++
        if (next.kind !== 'PhaseBegan' || next.phase !== 'end' || !asked) return 'vacuous'
        const rows = context.pending().filter((row) => !row.blocked)
        if (rows.length === 0) return faults > 0 ? 'notable' : 'holds'
        const shown = rows.slice(0, LISTED).map((row) => `${row.object} waits for ${row.waitsFor}`)
        return { why: `not converged: ${shown.join('; ')}${rows.length > LISTED ? `; and ${rows.length - LISTED} more` : ''}` }
      },
    }
  },
)

/** As long a calm as this is enough to have come to rest in, and as long a rest is to be seen at its end. */
const CALM_MS = 600_000
const REST_MS = 30_000

const rests: Invariant = watching(
  {
    id: 'CL-L2',
    sentence: 'a cluster that has converged writes nothing more but signs of life',
    source: CONTROLLERS,
    kind: 'convergence',
    strength: 'liveness',
    sometimes: 'it wrote something in the calm before it came to rest',
  },
  ['PhaseBegan', 'Commit'],
  () => {
    let calmMs: number | null = null
    let writes = 0
    let most = Infinity
    let last: { atMs: number; key: string; author: string } | null = null
    return {
      observe(next, context) {
        const { cluster } = context
        if (next.kind === 'Commit') {
          if (!next.key.startsWith('/registry/') || isHeartbeat(next, cluster)) return 'vacuous'
          last = { atMs: next.atMs, key: next.key, author: next.author }
          writes++
          return 'vacuous'
        }
        if (next.kind !== 'PhaseBegan') return 'vacuous'
        if (next.phase === 'calm') {
          writes = 0
          most = writesMost(cluster.store.size)
        }
        if (next.phase !== 'end') calmMs = next.phase === 'calm' ? next.atMs : null
        if (next.phase !== 'end' || last === null || calmMs === null) return 'vacuous'
        if (writes > most)
          return {
            why: `${writes} writes in ${Math.round((next.atMs - calmMs) / 1000)} s of calm, the last of ${last.key} by ${last.author}`,
          }
        const restless = next.atMs - calmMs >= CALM_MS && next.atMs - last.atMs < REST_MS
        if (restless && context.pending().some(({ endless }) => endless === true)) return 'vacuous'
        if (restless) return { why: `${last.author} still writes ${last.key} ${Math.round((last.atMs - calmMs) / 1000)} s into the calm` }
        return last.atMs > calmMs ? 'notable' : 'holds'
      },
    }
  },
)

const eachItsOwn: Invariant = watching(
  {
    id: 'CL-S3',
    sentence:
      'only API servers write to the store of a cluster, and only the kubelet of a node creates sandboxes and starts containers there',
    source: 'https://kubernetes.io/docs/concepts/architecture/',
    kind: 'history',
    strength: 'safety',
    sometimes: 'a container starts',
  },
  ['ProcessStarted', 'Commit', 'SandboxCreated', 'ContainerStarted'],
  () => {
    /** A store without a cluster above it has other clients. */
    let isCluster = false
    return {
      observe(next) {
        switch (next.kind) {
          case 'ProcessStarted':
            isCluster ||= APISERVER.test(next.process)
            return 'vacuous'
          case 'Commit':
            if (!isCluster || !next.key.startsWith('/registry/')) return 'vacuous'
            return APISERVER.test(next.via) ? 'holds' : { why: `${next.via} writes ${next.key} past the API servers` }
          case 'SandboxCreated':
            return next.by === `kubelet-${next.node}` ? 'holds' : { why: `${next.by} creates sandbox ${next.sandbox} on ${next.node}` }
          case 'ContainerStarted':
            return next.by === `kubelet-${next.node}` ? 'notable' : { why: `${next.by} starts container ${next.id} on ${next.node}` }
          default:
            return 'vacuous'
        }
      },
    }
  },
)

const endsAlike: Invariant = watching(
  {
    id: 'CL-L3',
    sentence:
      'where users wrote the same, one after another, a cluster ends the same with faults and without: but for names, uids, times, addresses and which node',
    source: CONTROLLERS,
    kind: 'convergence',
    strength: 'liveness',
    sometimes: 'there had been faults',
  },
  ['FaultChanged', 'Compared'],
  () => {
    let faults = 0
    return {
      observe(next, context) {
        if (next.kind === 'FaultChanged') faults += Number(next.outcome === 'begun')
        if (next.kind !== 'Compared') return 'vacuous'
        const { writes, state } = endingOf(context)
        if (!isEqual(writes, next.writes)) return 'vacuous'
        const only = state.find((line) => !next.state.includes(line))
        const missing = next.state.find((line) => !state.includes(line))
        if (only === undefined && missing === undefined) return faults > 0 ? 'notable' : 'holds'
        return { why: `it ends with ${only ?? 'nothing beside the rest'}; without faults with ${missing ?? 'nothing beside the rest'}` }
      },
    }
  },
)
const isEqual = (one: readonly string[], other: readonly string[]): boolean =>
  one.length === other.length && one.every((text, index) => text === other[index])

export const CLUSTER: readonly Invariant[] = [noPanic, eachItsOwn, converges, rests, endsAlike]
