/**
 * Drawn workloads: pods of a few sizes that arrive evenly or in bursts, and leave after a while.
 *
 * Spans and lifetimes are exponential, drawn with a logarithm that is the same on every engine.
 */
import type { Node } from '../../model/state/objects.ts'
import type { Random } from '../../sim/random.ts'
import { amountOf } from '../../impl/scheduler/request.ts'
import { naturalLog } from '../../impl/logarithm.ts'
import { mainResource, podOf, type Arrival, type Workload } from './workload.ts'

interface Size {
  readonly cpu: string
  readonly memory: string
  /** How many of a hundred. */
  readonly share: number
  /** Mean lifetime in ms. */
  readonly lifetimeMs: number
}

const MINUTE_MS = 60_000
/** Small services, batch work that wants CPU, stores that want memory, and a few large ones. */
const MIX: readonly Size[] = [
  { cpu: '100m', memory: '128Mi', share: 35, lifetimeMs: 60 * MINUTE_MS },
  { cpu: '500m', memory: '512Mi', share: 30, lifetimeMs: 40 * MINUTE_MS },
  { cpu: '2', memory: '1Gi', share: 20, lifetimeMs: 15 * MINUTE_MS },
  { cpu: '500m', memory: '4Gi', share: 10, lifetimeMs: 60 * MINUTE_MS },
  { cpu: '4', memory: '8Gi', share: 5, lifetimeMs: 30 * MINUTE_MS },
]

interface Shape {
  readonly mix: readonly Size[]
  /** Pods that come at once. */
  readonly burst: readonly [number, number]
}

const SHAPES: Readonly<Record<string, Shape>> = {
  poisson: { mix: MIX, burst: [1, 1] },
  bursty: { mix: MIX, burst: [1, 40] },
  uniform: { mix: [{ cpu: '500m', memory: '1Gi', share: 100, lifetimeMs: 30 * MINUTE_MS }], burst: [1, 1] },
}
export const SYNTHETIC: readonly string[] = Object.keys(SHAPES)

/** Lifetimes that a run goes on for. */
const LIFETIMES = 4

/** Exponentially distributed with this mean: inverse transform of an even draw. */
const exponential = (random: Random, meanMs: number): number => Math.round(-naturalLog((random.below(1e6) + 1) / 1e6) * meanMs)

export const synthetic = (name: string): Workload => {
  const { mix, burst } = SHAPES[name] as Shape
  const typical = mix.map(({ cpu, memory }, index) => podOf(`size-${index}`, { cpu, memory }))
  return { name: `synthetic:${name}`, typical, arrivals: (random, nodes, until) => drawn(random, nodes, until, mix, burst) }
}

/** As many as keep the main resource asked for at `until` of what there is, once pods leave as fast as they come. */
const drawn = (
  random: Random,
  nodes: readonly Node[],
  until: number,
  mix: readonly Size[],
  burst: readonly [number, number],
): readonly Arrival[] => {
  const resource = mainResource(nodes)
  const capacity = nodes.reduce((sum, node) => sum + amountOf(resource, node.status.allocatable[resource] ?? '0'), 0)
  const meanLoadMs = mix.reduce((sum, { cpu, share, lifetimeMs }) => sum + (amountOf('cpu', cpu) * lifetimeMs * share) / 100, 0)
  const spanMs = (meanLoadMs * (burst[0] + burst[1])) / 2 / (capacity * until)
  const longest = Math.max(...mix.map(({ lifetimeMs }) => lifetimeMs)) * LIFETIMES
  const arrivals: Arrival[] = []
  for (let atMs = exponential(random, spanMs); atMs < longest; atMs += exponential(random, spanMs)) {
    for (let left = random.between(burst[0], burst[1]); left > 0; left--) arrivals.push(arrival(random, mix, atMs, arrivals.length))
  }
  return arrivals
}

const arrival = (random: Random, mix: readonly Size[], atMs: number, number: number): Arrival => {
  let draw = random.below(100)
  const index = mix.findIndex(({ share }) => (draw -= share) < 0)
  const { cpu, memory, lifetimeMs } = mix[index] as Size
  const labels = { app: `app-${index}-${random.below(5)}` }
  const pod = podOf(`pod-${String(number).padStart(6, '0')}`, { cpu, memory }, {}, labels)
  return { atMs, pod, lifetimeMs: Math.max(1000, exponential(random, lifetimeMs)) }
}
