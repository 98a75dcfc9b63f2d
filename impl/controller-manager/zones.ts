/**
 * Who may be given up, and how fast: nodes queue zone by zone, and each zone lets them go at the rate its state allows.
 *
 * Source: kubernetes/kubernetes pkg/controller/nodelifecycle/node_lifecycle_controller.go (handleDisruption) and
 * scheduler/rate_limited_queue.go.
 */
export type ZoneState = 'normal' | 'partial' | 'full'

export interface ZoneCount {
  readonly ready: number
  readonly unready: number
}

/** --unhealthy-zone-threshold, --large-cluster-size-threshold, --node-eviction-rate, --secondary-node-eviction-rate. */
const PARTIAL_SHARE = 0.55
const PARTIAL_LEAST = 3
const LARGE_ZONE = 50
const EVERY_MS = 10_000
const EVERY_PARTIAL_MS = 100_000

export const stateOf = ({ ready, unready }: ZoneCount): ZoneState => {
  if (ready === 0) return 'full'
  return unready >= PARTIAL_LEAST && unready / (ready + unready) >= PARTIAL_SHARE ? 'partial' : 'normal'
}

/** Milliseconds between two nodes; a small zone that is lost for the most part gives nobody up. */
const everyMs = (state: ZoneState, { ready, unready }: ZoneCount): number => {
  if (state !== 'partial') return EVERY_MS
  return ready + unready > LARGE_ZONE ? EVERY_PARTIAL_MS : Infinity
}

interface Zone {
  /** Names that wait, in the order they came. */
  readonly waiting: Set<string>
  everyMs: number
  nextMs: number
}

export class Zones {
  private readonly zones = new Map<string, Zone>()
  private held: ReadonlyMap<string, ZoneCount> = new Map()
  /** No node anywhere is ready: that looks like the controller's own network, and nobody is given up. */
  private allLost = false

  /** As of the last round. */
  get counts(): ReadonlyMap<string, ZoneCount> {
    return this.held
  }

  private zone(name: string): Zone {
    let zone = this.zones.get(name)
    if (zone === undefined) {
      zone = { waiting: new Set(), everyMs: EVERY_MS, nextMs: 0 }
      this.zones.set(name, zone)
    }
    return zone
  }

  /** Says whether all has just been lost, or is lost no more. */
  counted(counts: ReadonlyMap<string, ZoneCount>, nowMs: number): 'lost' | 'back' | null {
    this.held = counts
    const was = this.allLost
    this.allLost = counts.size > 0 && [...counts.values()].every((count) => stateOf(count) === 'full')
    for (const [name, count] of counts) this.limit(this.zone(name), this.allLost ? Infinity : everyMs(stateOf(count), count), nowMs)
    return was === this.allLost ? null : this.allLost ? 'lost' : 'back'
  }

  /** Another rate begins with a full wait, unless the next node might have gone at once under the old one. */
  private limit(zone: Zone, ms: number, nowMs: number): void {
    if (zone.everyMs === ms) return
    const waits = zone.everyMs === Infinity || nowMs < zone.nextMs
    zone.everyMs = ms
    if (waits && ms !== Infinity) zone.nextMs = nowMs + ms
  }

  add(name: string, node: string): void {
    this.zone(name).waiting.add(node)
  }

  remove(name: string, node: string): void {
    this.zones.get(name)?.waiting.delete(node)
  }

  /** A node that may be given up now; null: none. */
  next(nowMs: number): string | null {
    for (const zone of this.zones.values()) {
      const [node] = zone.waiting
      if (node === undefined || zone.everyMs === Infinity || nowMs < zone.nextMs) continue
      zone.waiting.delete(node)
      zone.nextMs = nowMs + zone.everyMs
      return node
    }
    return null
  }

  /** When the next node of a zone may be given up; null: none waits that may. */
  nextInMs(nowMs: number): number | null {
    const times = [...this.zones.values()].filter((zone) => zone.waiting.size > 0 && zone.everyMs !== Infinity).map((zone) => zone.nextMs)
    return times.length === 0 ? null : Math.max(0, Math.min(...times) - nowMs)
  }
}
