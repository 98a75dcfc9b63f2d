/**
 * Workloads to compare policies on: nodes, and pods that come one after another and may leave again.
 *
 * Read from manifests or from CSV in the form of the openb trace (Weng et al., Beware of Fragmentation, USENIX ATC 2023:
 * cpu_milli, memory_mib, num_gpu, gpu_milli, gpu_spec), or drawn.
 */
import { readFileSync } from 'node:fs'
import { CsvError, parse } from 'csv-parse/sync'
import type { Node, Pod } from '../../model/state/objects.ts'
import type { Random } from '../../sim/random.ts'
import { InputError } from '../input.ts'
import { amountOf, requestsOf } from '../../impl/scheduler/request.ts'
import { nodeOf as checkedNode, podOf as checkedPod } from '../schedule/read.ts'
import { readOfKind } from './objects.ts'

export interface Arrival {
  readonly atMs: number
  readonly pod: Pod
  /** Null: it stays. */
  readonly lifetimeMs: number | null
}

export interface Workload {
  readonly name: string
  /** The pods it is made of, before they are multiplied or drawn: what a policy may learn from. */
  readonly typical: readonly Pod[]
  /** until: arrived load at the end, as a share of the nodes' capacity. */
  arrivals(random: Random, nodes: readonly Node[], until: number): readonly Arrival[]
}

/** What a GPU offers in thousandths of it, and how a pod says how many it wants and of which models. */
export const GPU_MILLI = 'evenkeel.io/gpu-milli'
export const GPU_COUNT = 'evenkeel.io/gpu-count'
export const GPU_MODEL = 'evenkeel.io/gpu-model'

const CREATED = '2026-01-01T00:00:00Z'
const PODS_A_NODE = '110'
const GPU_WHOLE = 1000
const GPUS_MOST = 16

export const nodeOf = (
  name: string,
  allocatable: Readonly<Record<string, string>>,
  labels: Readonly<Record<string, string>> = {},
): Node => ({
  apiVersion: 'v1',
  kind: 'Node',
  metadata: { name, uid: name, creationTimestamp: CREATED, labels: { 'kubernetes.io/hostname': name, ...labels } },
  spec: {},
  status: { capacity: allocatable, allocatable: { pods: PODS_A_NODE, ...allocatable }, conditions: [] },
})

export const podOf = (
  name: string,
  requests: Readonly<Record<string, string>>,
  annotations: Readonly<Record<string, string>> = {},
  labels: Readonly<Record<string, string>> = {},
): Pod => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name, namespace: 'default', uid: name, creationTimestamp: CREATED, annotations, labels },
  spec: {
    containers: [{ name: 'main', resources: { requests } }],
    restartPolicy: 'Always',
    terminationGracePeriodSeconds: 30,
    schedulerName: 'default-scheduler',
  },
  status: { phase: 'Pending' },
})

// CSV

type Row = Readonly<Record<string, string>>

const rowsOf = (path: string): readonly { readonly row: Row; readonly line: number }[] => {
  try {
    const parsed = parse(readFileSync(path, 'utf8'), { columns: true, info: true, skip_empty_lines: true, trim: true }) as unknown as {
      record: Row
      info: { lines: number }
    }[]
    return parsed.map(({ record, info }) => ({ row: record, line: info.lines }))
  } catch (error) {
    if (error instanceof CsvError) throw new InputError(path, `expected CSV: ${error.message}`)
    throw new InputError(path, `expected a readable file (${(error as NodeJS.ErrnoException).code ?? 'error'})`)
  }
}

const columnOf = (path: string, line: number, row: Row, column: string, most = Number.MAX_SAFE_INTEGER): number => {
  const text = row[column]
  if (text === undefined) throw new InputError(`${path}:1`, `expected a column '${column}', found ${Object.keys(row).join(', ')}`)
  if (!/^\d+$/.test(text) || Number(text) > most)
    throw new InputError(`${path}:${line}`, `${column}: expected a whole number${most < 1e9 ? ` up to ${most}` : ''}, found '${text}'`)
  return Number(text)
}

export const readNodes = (path: string): readonly Node[] => {
  if (!path.endsWith('.csv')) return readOfKind(path, 'Node').map(checkedNode)
  return rowsOf(path).map(({ row, line }) => {
    const gpus = columnOf(path, line, row, 'gpu', GPUS_MOST)
    const name = row['sn'] ?? ''
    if (name === '') throw new InputError(`${path}:${line}`, 'sn: expected a name, found nothing')
    const resources = {
      cpu: `${columnOf(path, line, row, 'cpu_milli')}m`,
      memory: `${columnOf(path, line, row, 'memory_mib')}Mi`,
      ...(gpus === 0 ? {} : { [GPU_MILLI]: String(gpus * GPU_WHOLE) }),
    }
    return nodeOf(name, resources, gpus === 0 ? {} : { [GPU_MODEL]: row['model'] ?? '', [GPU_COUNT]: String(gpus) })
  })
}

const podsOfCsv = (path: string): readonly Pod[] =>
  rowsOf(path).map(({ row, line }, index) => {
    const count = columnOf(path, line, row, 'num_gpu', GPUS_MOST)
    const milli = columnOf(path, line, row, 'gpu_milli', GPU_WHOLE)
    if (count !== 1 && count > 0 && milli !== GPU_WHOLE)
      throw new InputError(`${path}:${line}`, `gpu_milli: expected ${GPU_WHOLE} for ${count} GPUs, found ${milli}`)
    const requests = {
      cpu: `${columnOf(path, line, row, 'cpu_milli')}m`,
      memory: `${columnOf(path, line, row, 'memory_mib')}Mi`,
      ...(count === 0 ? {} : { [GPU_MILLI]: String(count * milli) }),
    }
    const annotations = count === 0 ? {} : { [GPU_COUNT]: String(count), [GPU_MODEL]: row['gpu_spec'] ?? '' }
    return podOf(row['name'] ?? `pod-${String(index).padStart(5, '0')}`, requests, annotations)
  })

/** Manifests or CSV: as many copies, drawn one by one, as make up the load; shuffled, a second apart. They stay. */
export const readWorkload = (path: string): Workload => {
  const typical = path.endsWith('.csv') ? podsOfCsv(path) : readOfKind(path, 'Pod').map((one) => checkedPod(one, []))
  if (typical.length === 0) throw new InputError(path, 'expected at least one pod, found none')
  return {
    name: path,
    typical,
    arrivals: (random, nodes, until) =>
      random
        .shuffle(inflated(typical, random, nodes, until).toSorted((one, other) => (one.metadata.name < other.metadata.name ? -1 : 1)))
        .map((pod, index) => ({ atMs: index * 1000, pod, lifetimeMs: null })),
  }
}

/** Clones of pods drawn evenly, or without some so drawn, until what is asked for reaches the target. */
const inflated = (pods: readonly Pod[], random: Random, nodes: readonly Node[], until: number): readonly Pod[] => {
  const resource = mainResource(nodes)
  const target = until * nodes.reduce((sum, node) => sum + amountOf(resource, node.status.allocatable[resource] ?? '0'), 0)
  const all = [...pods]
  let load = all.reduce((sum, pod) => sum + loadOf(pod, resource), 0)
  for (let clone = 0; load < target; clone++) {
    const pod = random.pick(pods)
    const name = `${pod.metadata.name}-clone-${clone}`
    all.push({ ...pod, metadata: { ...pod.metadata, name, uid: name } })
    load += loadOf(pod, resource)
    if (clone > pods.length * CLONES_MOST) throw new InputError('workload', `expected pods that ask for ${resource}, found none`)
  }
  while (load > target) {
    const [gone] = all.splice(random.below(all.length), 1)
    load -= loadOf(gone as Pod, resource)
  }
  return all
}
const CLONES_MOST = 1_000

/** What is scarce: GPUs where there are some, otherwise CPU. */
export const mainResource = (nodes: readonly Node[]): string =>
  nodes.some((node) => node.status.allocatable[GPU_MILLI] !== undefined) ? GPU_MILLI : 'cpu'

export const loadOf = (pod: Pod, resource: string): number => requestsOf(pod).get(resource) ?? 0
