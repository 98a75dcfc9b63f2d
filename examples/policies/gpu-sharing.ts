/**
 * Policies for clusters whose GPUs are shared: a pod asks for some thousandths of one GPU, or for several whole ones.
 *
 * A plugin of one's own needs no more than this: filter, score, reserve and unreserve of the scheduling framework. Which
 * GPUs a pod got is the plugin's own knowledge; a node's `generation` says when what was derived from it is out of date.
 * The six policies are those compared by Weng et al., Beware of Fragmentation, USENIX ATC 2023.
 *
 *   npm start -- compare --policies examples/policies/gpu-sharing.ts --nodes nodes.csv --workload pods.csv
 */
import type { Cycle, Plugin } from '../../impl/scheduler/framework.ts'
import { unschedulable } from '../../impl/scheduler/framework.ts'
import type { NodeInfo, PodInfo } from '../../impl/scheduler/node-info.ts'
import type { Pod } from '../../model/state/objects.ts'
import type { PolicySetting, UserPolicy } from '../../properties/compare/policy.ts'
import type { Published } from '../../properties/compare/published.ts'
import { GPU_COUNT, GPU_MILLI, GPU_MODEL } from '../../properties/compare/workload.ts'
import { requestsOf } from '../../impl/scheduler/request.ts'

const WHOLE = 1000
const MOST_CPU = 128_000
const MOST_GPU = 8 * WHOLE

/** What a pod asks for. */
interface Wish {
  readonly key: string
  readonly cpu: number
  readonly count: number
  /** Thousandths of each. */
  readonly milli: number
  /** Allowed GPU models; empty: any. */
  readonly models: readonly string[]
}

/** What a node has left. */
interface Room {
  readonly cpu: number
  readonly model: string
  /** Thousandths left of each GPU. */
  readonly gpus: readonly number[]
  /** Kinds of pods with GPUs that are here: 'share' or how many GPUs each has. */
  readonly tags: ReadonlySet<string>
}

const wishOf = (pod: Pod): Wish => {
  const requests = requestsOf(pod)
  const { [GPU_COUNT]: count = '0', [GPU_MODEL]: models = '' } = pod.metadata.annotations ?? {}
  const total = requests.get(GPU_MILLI) ?? 0
  const cpu = requests.get('cpu') ?? 0
  const milli = Number(count) === 0 ? 0 : total / Number(count)
  return { key: `${cpu}/${count}/${milli}/${models}`, cpu, count: Number(count), milli, models: models === '' ? [] : models.split('|') }
}

const tagOf = ({ count, milli }: Wish): string => (milli < WHOLE ? 'share' : String(count))
const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0)

/** Where each pod's GPUs are, and what that leaves of each node. */
class Ledger {
  private readonly taken = new Map<string, readonly number[]>()
  private readonly wishes = new WeakMap<Pod, Wish>()
  private readonly rooms = new Map<NodeInfo, { readonly generation: number; readonly room: Room }>()

  wish({ pod }: PodInfo): Wish {
    let wish = this.wishes.get(pod)
    if (wish === undefined) {
      wish = wishOf(pod)
      this.wishes.set(pod, wish)
    }
    return wish
  }

  room(node: NodeInfo): Room {
    const known = this.rooms.get(node)
    if (known?.generation === node.generation) return known.room
    const { [GPU_COUNT]: count = '0', [GPU_MODEL]: model = '' } = node.node.metadata.labels ?? {}
    const gpus = Array.from({ length: Number(count) }, () => WHOLE)
    const tags = new Set<string>()
    for (const info of node.pods.values()) {
      const wish = this.wish(info)
      if (wish.count > 0) tags.add(tagOf(wish))
      for (const index of this.taken.get(info.pod.metadata.uid) ?? []) gpus[index] = (gpus[index] ?? 0) - wish.milli
    }
    const cpu = (node.allocatable.get('cpu') ?? 0) - (node.requested.get('cpu') ?? 0)
    const room = { cpu, model, gpus, tags }
    this.rooms.set(node, { generation: node.generation, room })
    return room
  }

  take(uid: string, gpus: readonly number[]): void {
    this.taken.set(uid, gpus)
  }

  giveBack(uid: string): void {
    this.taken.delete(uid)
  }
}

const fits = ({ cpu, count, milli, models }: Wish, room: Room): boolean => {
  if (room.cpu < cpu) return false
  if (count === 0) return true
  if (models.length > 0 && !models.includes(room.model)) return false
  let fitting = 0
  for (const left of room.gpus) if (left >= milli) fitting++
  return fitting >= count
}

/** Whole GPUs: the first that are idle. A share: the fitting one with least left. */
const tightest = ({ count, milli }: Wish, { gpus }: Room): readonly number[] => {
  const fitting = [...gpus.keys()].filter((index) => (gpus[index] as number) >= milli)
  if (count !== 1 || milli === WHOLE) return fitting.slice(0, count)
  return fitting.toSorted((one, other) => (gpus[one] as number) - (gpus[other] as number) || one - other).slice(0, 1)
}

const after = (wish: Wish, room: Room, taken: readonly number[]): Room => ({
  ...room,
  cpu: room.cpu - wish.cpu,
  gpus: room.gpus.map((left, index) => (taken.includes(index) ? left - wish.milli : left)),
})

interface Scoring {
  /** 0 to 100, the same for equal wishes and rooms. */
  score(wish: Wish, room: Room): number
  /** Which GPUs it would take. */
  place(wish: Wish, room: Room, cycle: Cycle): readonly number[]
}

const policy = (
  name: string,
  scoring: (setting: PolicySetting) => Scoring,
  // The authors' simulator takes the first by name, after it has put a number drawn by the seed before every name.
  ties: UserPolicy['ties'] & string = 'first-drawn',
): UserPolicy => ({
  name,
  ties,
  defaults: { NodeResourcesFit: 0 },
  plugins: (setting) => [{ plugin: gpuSharing(scoring(setting)), weight: 1 }],
})

const gpuSharing = (scoring: Scoring): Plugin => {
  const ledger = new Ledger()
  /** Wish → node → what was found for its room of that generation. */
  const known = new Map<string, Map<NodeInfo, Found>>()
  const find = (pod: PodInfo, node: NodeInfo): Found => {
    const wish = ledger.wish(pod)
    let byNode = known.get(wish.key)
    if (byNode === undefined) {
      byNode = new Map()
      known.set(wish.key, byNode)
    }
    let found = byNode.get(node)
    if (found?.generation !== node.generation) {
      const room = ledger.room(node)
      found = { generation: node.generation, fits: fits(wish, room), score: null }
      byNode.set(node, found)
    }
    return found
  }
  return {
    name: 'GpuSharing',
    filter: (_cycle, pod, node) => (find(pod, node).fits ? null : NO_GPU),
    score: (_cycle, pod, node) => {
      const found = find(pod, node)
      found.score ??= scoring.score(ledger.wish(pod), ledger.room(node))
      return found.score
    },
    reserve: (cycle, pod, name) => {
      const node = cycle.snapshot.node(name)
      const wish = ledger.wish(pod)
      if (node !== undefined && wish.count > 0) ledger.take(pod.pod.metadata.uid, scoring.place(wish, ledger.room(node), cycle))
      return null
    },
    unreserve: (_cycle, pod) => ledger.giveBack(pod.pod.metadata.uid),
  }
}

interface Found {
  readonly generation: number
  readonly fits: boolean
  /** Null: not asked for yet. */
  score: number | null
}
const NO_GPU = unschedulable('node(s) had no GPU with enough left')

// The six

const random = policy(
  'Random',
  () => ({
    score: () => 0,
    place: (wish, room, cycle) => {
      const fitting = [...room.gpus.keys()].filter((index) => (room.gpus[index] as number) >= wish.milli)
      return wish.count === 1 ? [cycle.random.pick(fitting)] : fitting.slice(0, wish.count)
    },
  }),
  'random',
)

const dotProduct = policy('DotProd', () => ({
  score: (wish, room) => {
    const cpu = (room.cpu / MOST_CPU) * (wish.cpu / MOST_CPU)
    const gpu = (sum(room.gpus) / MOST_GPU) * ((wish.count * wish.milli) / MOST_GPU)
    return Math.floor(100 * (1 - 0.5 * (cpu + gpu)))
  },
  place: tightest,
}))

const clustering = policy('GpuClustering', () => ({
  score: (wish, room) => {
    if (wish.count === 0) return 0
    const base = Math.floor((25 * (MOST_GPU - sum(room.gpus))) / MOST_GPU)
    if (room.tags.size === 0) return 25 + base
    if (!room.tags.has(tagOf(wish))) return base
    return (room.tags.size === 1 ? 75 : 50) + base
  },
  place: tightest,
}))

/** The fullest that fit. */
const fullest = (wish: Wish, { gpus }: Room): readonly number[] =>
  [...gpus.keys()]
    .filter((index) => (gpus[index] as number) >= wish.milli)
    .toSorted((one, other) => (gpus[one] as number) - (gpus[other] as number) || one - other)
    .slice(0, wish.count)

const packing = policy('GpuPacking', () => ({
  score: (wish, room) => {
    if (wish.count === 0) return 0
    const { gpus } = room
    if (gpus.every((left) => left === WHOLE)) return Math.max(33 - gpus.length, gpus.length)
    const chosen = fullest(wish, room).map((index) => gpus[index] as number)
    const idle = chosen.filter((left) => left === WHOLE).length
    if (idle > 0) return Math.max(50 - idle, 33)
    return Math.max(100 - Math.floor(sum(chosen.map((left) => Math.floor(left / 10))) / 10), 50)
  },
  place: tightest,
}))

const bestFit = policy('BestFit', () => ({
  score: (wish, room) => {
    const cpu = (room.cpu - wish.cpu) / MOST_CPU
    const gpu = (sum(room.gpus) - wish.count * wish.milli) / MOST_GPU
    return Math.floor(100 * (1 - (0.5 * cpu + 0.5 * gpu)))
  },
  place: tightest,
}))

/** The most frequent wishes of a workload, until they cover 95 % of its pods, with their shares. */
const typicalWishes = (pods: readonly Pod[]): readonly { readonly wish: Wish; readonly share: number }[] => {
  const counts = new Map<string, { readonly wish: Wish; count: number }>()
  for (const wish of pods.map(wishOf)) {
    const held = counts.get(wish.key) ?? { wish, count: 0 }
    held.count++
    counts.set(wish.key, held)
  }
  const kept: { readonly wish: Wish; count: number }[] = []
  let covered = 0
  for (const one of [...counts.values()].toSorted((a, b) => b.count - a.count)) {
    if (covered >= pods.length * 0.95) break
    kept.push(one)
    covered += one.count
  }
  return kept.map(({ wish, count }) => ({ wish, share: count / covered }))
}

const fragmentGradient = policy('FGD', ({ typical }) => {
  const wishes = typicalWishes(typical)
  /** How much of the GPUs left a typical pod could not use: thousandths. Equal rooms are many. */
  const known = new Map<string, number>()
  const fragmented = (room: Room): number => {
    const key = `${room.cpu}/${room.model}/${room.gpus.toSorted((one, other) => one - other).join(',')}`
    let total = known.get(key)
    if (total === undefined) {
      total = sum(wishes.map(({ wish, share }) => share * useless(wish, room)))
      known.set(key, total)
    }
    return total
  }
  const gradient = (wish: Wish, room: Room, gpus: readonly number[]): number =>
    Math.floor(100 * sigmoid((fragmented(room) - fragmented(after(wish, room, gpus))) / 1000))
  const options = (wish: Wish, room: Room): readonly (readonly number[])[] => {
    if (wish.count !== 1 || wish.milli === WHOLE) return [tightest(wish, room)]
    return [...room.gpus.keys()].filter((index) => (room.gpus[index] as number) >= wish.milli).map((index) => [index])
  }
  const best = (wish: Wish, room: Room): { readonly gpus: readonly number[]; readonly score: number } => {
    const all = options(wish, room).map((gpus) => ({ gpus, score: gradient(wish, room, gpus) }))
    return all.reduce((first, other) => (other.score > first.score ? other : first))
  }
  return { score: (wish, room) => best(wish, room).score, place: (wish, room) => best(wish, room).gpus }
})

const useless = (wish: Wish, room: Room): number => {
  if (wish.count === 0 || !fits(wish, room)) return sum(room.gpus)
  return sum(room.gpus.filter((left) => left < wish.milli))
}

const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x))

export const policies: readonly UserPolicy[] = [random, dotProduct, clustering, packing, bestFit, fragmentGradient]

/** Means of ten seeds: what the authors' simulator arrives at, and what `compare` says beside its own figures. */
export const published: readonly Published[] = [
  {
    source: 'Weng et al., Beware of Fragmentation, USENIX ATC 2023 (expected results of hkust-adsl/kubernetes-scheduler-simulator)',
    nodes: 'openb_node_list_gpu_node.csv',
    workload: 'openb_pod_list_default.csv',
    until: 1.3,
    measure: 'GPU allocated',
    tolerance: 0.6,
    means: { Random: 87.47, DotProd: 90.85, GpuClustering: 91.88, GpuPacking: 92, BestFit: 93.08, FGD: 95.39 },
  },
]
