/** Which nodes are called unknown, and which are given up: never for want of patience, never faster than their zone allows. */
import { conditionOf } from '../components/objects.ts'
import type { Context, Invariant, Judgement } from '../invariant.ts'
import type { Seen } from '../state/history.ts'
import type { Node } from '../state/objects.ts'
import { DRIFT, listed, watching, type Deciding } from './define.ts'

const LIFECYCLE = 'kubernetes pkg/controller/nodelifecycle/node_lifecycle_controller.go'
/** For so long all has been well: time enough to find another API server, and to renew a lease twice. */
const WELL_MS = 90_000

const neverWhileHeard: Invariant = watching(
  {
    id: 'NODE-S2',
    sentence: 'a node that has been up and connected for long enough is not called unknown, however wrong the clocks are',
    source: LIFECYCLE,
    kind: 'history',
    strength: 'safety',
    sometimes: 'clocks had jumped',
  },
  ['Decision', 'Commit', 'FaultChanged', 'ProcessStarted', 'ProcessEnded', 'PhaseBegan'],
  () => {
    let troubleMs = 0
    let jumped = false
    const open = new Set<object>()
    /** Machines whose kubelet or runtime does not run, or has not for long. */
    const startedMs = new Map<string, number>()
    return {
      observe(next, { cluster }) {
        switch (next.kind) {
          case 'FaultChanged':
            if (next.fault.kind === 'JumpClock') {
              jumped ||= next.outcome === 'begun'
              return 'vacuous'
            }
            if (next.outcome === 'begun') open.add(next.fault)
            else open.delete(next.fault)
            troubleMs = next.atMs
            return 'vacuous'
          case 'PhaseBegan':
            open.clear()
            troubleMs = next.atMs
            return 'vacuous'
          case 'ProcessStarted':
          case 'ProcessEnded':
            startedMs.set(next.machine, next.atMs)
            return 'vacuous'
          default:
        }
        const node = nodeOf(next as Seen<'Decision' | 'Commit'>)
        if (node === null || open.size > 0 || cluster.processesDown.has(`kubelet-${node}`)) return 'vacuous'
        if (next.atMs - Math.max(troubleMs, startedMs.get(node) ?? 0) < WELL_MS) return 'vacuous'
        if (next.kind === 'Decision') return { why: `${next.process} calls ${node} unknown, which has been well for ${WELL_MS / 1000} s` }
        return jumped ? 'notable' : 'holds'
      },
    }
  },
)

/** Whose lease is renewed, or who is called unknown. */
const nodeOf = (seen: Seen<'Decision' | 'Commit'>): string | null => {
  if (seen.kind === 'Decision') return seen.choice.kind === 'MarkUnknown' ? seen.choice.node : null
  const [, node] = /^\/registry\/leases\/kube-node-lease\/(.+)$/.exec(seen.key) ?? []
  return seen.after === null ? null : (node ?? null)
}

// Zones

interface Count {
  readonly ready: number
  readonly unready: number
}

const LARGE_ZONE = 50
/** --node-eviction-rate: 0.1 a second. */
const EVERY_MS = 10_000

const zoneOf = ({ metadata }: Node): string => metadata.labels?.['topology.kubernetes.io/zone'] ?? ''

/** Of a zone that is still reached: so many nodes are lost that it looks like its network. */
const isLostForTheMostPart = ({ ready, unready }: Count): boolean => ready > 0 && unready > 2 && unready / (ready + unready) >= 0.55

/** Why nobody in this zone may be given up; null: somebody may, one in a while. */
const noneMayGo = (zones: Readonly<Record<string, Count>>, zone: string): string | null => {
  const own = zones[zone]
  if (own === undefined) return `in zone ${zone}, which was not counted`
  if (Object.values(zones).every(({ ready }) => ready === 0)) return 'where no node of any zone is ready'
  return isLostForTheMostPart(own) && own.ready + own.unready <= LARGE_ZONE
    ? `in zone ${zone}, of which ${own.unready} of ${own.ready + own.unready} are lost`
    : null
}

const atTheZonesRate: Invariant = watching(
  {
    id: 'NODE-S4',
    sentence:
      'nodes are given up one in ten seconds in a zone, none where a small zone is lost for the most part, and none where all zones are lost',
    source: LIFECYCLE,
    kind: 'history',
    strength: 'safety',
    sometimes: 'another of the zone had been given up before',
  },
  ['Decision', 'ProcessEnded'],
  () => {
    /** process/zone → when it last gave one up there. */
    const last = new Map<string, number>()
    /** Process → nodes it has called unknown: its next count knows, its view does not yet. */
    const marked = new Map<string, Set<string>>()
    return {
      observe(next, context) {
        if (next.kind === 'ProcessEnded') {
          for (const key of last.keys()) if (key.startsWith(`${next.process}/`)) last.delete(key)
          marked.delete(next.process)
          return 'vacuous'
        }
        if (next.kind !== 'Decision') return 'vacuous'
        const { choice, process } = next
        if (choice.kind === 'MarkUnknown') {
          const nodes = marked.get(process) ?? new Set()
          marked.set(process, nodes.add(choice.node))
        }
        return choice.kind === 'GiveUpNode'
          ? judgeGivingUp(next as Deciding<'GiveUpNode'>, context, last, marked.get(process) ?? new Set())
          : 'vacuous'
      },
    }
  },
)

const judgeGivingUp = (
  { choice, view, process, atMs }: Deciding<'GiveUpNode'>,
  { history }: Context,
  last: Map<string, number>,
  marked: ReadonlySet<string>,
): Judgement => {
  const nodes = listed<Node>(history, view, 'nodes')
  const node = nodes.find(({ metadata }) => metadata.name === choice.node)
  if (node === undefined) return { why: `${process} gives up ${choice.node}, which was not in its view` }
  const miscounted = miscount(choice.zones, nodes, marked)
  if (miscounted !== null) return { why: `${process} gives up ${choice.node} by a wrong count: ${miscounted}` }
  const zone = zoneOf(node)
  const wrong = noneMayGo(choice.zones, zone)
  if (wrong !== null) return { why: `${process} gives up ${choice.node} ${wrong}` }
  const key = `${process}/${zone}`
  const before = last.get(key)
  last.set(key, atMs)
  if (before === undefined) return 'holds'
  return atMs - before >= EVERY_MS * (1 - DRIFT)
    ? 'notable'
    : { why: `${process} gives up ${choice.node} ${atMs - before} ms after another one of zone ${zone}` }
}

/** What was counted is what was seen, but for those that it had called unknown itself. */
const miscount = (zones: Readonly<Record<string, Count>>, nodes: readonly Node[], marked: ReadonlySet<string>): string | null => {
  for (const [zone, { ready, unready }] of Object.entries(zones)) {
    const own = nodes.filter((node) => zoneOf(node) === zone)
    const seen = own.filter(({ status }) => conditionOf(status.conditions, 'Ready') === 'True')
    const sure = seen.filter(({ metadata }) => !marked.has(metadata.name))
    if (ready + unready !== own.length || ready > seen.length || ready < sure.length)
      return `${ready} of ${ready + unready} nodes of zone ${zone} ready, where ${sure.length} to ${seen.length} of ${own.length} were`
  }
  return null
}

export const NODE_HEALTH: readonly Invariant[] = [neverWhileHeard, atTheZonesRate]
