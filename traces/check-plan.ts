/** Checks that a plan read from a file is one, and speaks only of nodes and processes that its cluster has. */
import type { ClusterShape, Plan } from '../model/state/plan.ts'
import { InputError } from '../properties/input.ts'

type Record_ = Readonly<Record<string, unknown>>

const SHAPE_COUNTS = ['members', 'apiservers', 'controllerManagers', 'schedulers', 'etcdClients'] as const
const WEATHER_NUMBERS = ['lossPerMille', 'duplicatePerMille', 'reorderPerMille', 'clockOffsetMs', 'clockDriftPpm'] as const
const WEATHER_RANGES = ['latencyMs', 'diskSyncMs'] as const
const SPANS = ['stormMs', 'calmMs', 'quietMs'] as const
const ROLES: ReadonlySet<string> = new Set(['etcd:leader', 'etcd:follower', 'kube-controller-manager:leader', 'kube-scheduler:leader'])
const NODE_FIELDS = { name: 'string', cpu: 'string', memory: 'string', pods: 'number' } as const

/** Throws InputError naming the field. */
export function checkPlan(value: unknown, path: string): asserts value is Plan {
  const fail = (field: string, expected: string): never => {
    throw new InputError(path, `plan${field}: expected ${expected}`)
  }
  const record = (entry: unknown, field: string): Record_ =>
    typeof entry === 'object' && entry !== null && !Array.isArray(entry) ? (entry as Record_) : fail(field, 'an object')
  const list = (entry: unknown, field: string): readonly unknown[] => (Array.isArray(entry) ? entry : fail(field, 'a list'))
  const whole = (entry: unknown, field: string): number =>
    typeof entry === 'number' && Number.isInteger(entry) && entry >= 0 ? entry : fail(field, 'a whole number, 0 or more')

  const plan = record(value, '')
  if (plan['format'] !== 1) fail('.format', '1')
  if (typeof plan['seed'] !== 'string') fail('.seed', 'a text')
  if (typeof plan['suite'] !== 'string') fail('.suite', 'a text')
  for (const span of SPANS) whole(plan[span], `.${span}`)
  const cluster = record(plan['cluster'], '.cluster')
  for (const count of SHAPE_COUNTS) whole(cluster[count], `.cluster.${count}`)
  record(cluster['timings'], '.cluster.timings')
  for (const [index, entry] of list(cluster['nodes'], '.cluster.nodes').entries()) {
    const node = record(entry, `.cluster.nodes[${index}]`)
    for (const [field, type] of Object.entries(NODE_FIELDS)) {
      if (typeof node[field] !== type) fail(`.cluster.nodes[${index}].${field}`, type === 'number' ? 'a number' : 'a text')
    }
  }
  const weather = record(plan['weather'], '.weather')
  for (const field of WEATHER_NUMBERS) whole(weather[field], `.weather.${field}`)
  for (const field of WEATHER_RANGES) {
    const range = list(weather[field], `.weather.${field}`)
    if (range.length !== 2) fail(`.weather.${field}`, 'two numbers, low and high')
    for (const end of range) whole(end, `.weather.${field}`)
  }
  if (weather['membersOut'] !== 'minority' && weather['membersOut'] !== 'any') fail('.weather.membersOut', "'minority' or 'any'")
  const controller = plan['controller'] === undefined ? null : record(plan['controller'], '.controller')
  for (const field of ['name', 'module', 'hash']) {
    if (controller !== null && typeof controller[field] !== 'string') fail(`.controller.${field}`, 'a text')
  }
  const own = controller === null ? null : (controller['name'] as string)
  const names = namesIn(cluster as unknown as ClusterShape, own)
  let before = 0
  let resting = false
  for (const [index, entry] of list(plan['actions'], '.actions').entries()) {
    const field = `.actions[${index}]`
    const timed = record(entry, field)
    const atMs = whole(timed['atMs'], `${field}.atMs`)
    if (timed['atRest'] !== undefined && timed['atRest'] !== true) fail(`${field}.atRest`, 'true, or nothing')
    if (timed['atRest'] === true && !resting) before = 0
    if (timed['atRest'] !== true && resting) fail(`${field}.atRest`, 'true: actions at rest come last')
    resting = timed['atRest'] === true
    if (atMs < before) fail(`${field}.atMs`, `${before} or later: actions are in order of time`)
    before = atMs
    const action = record(timed['do'], `${field}.do`)
    if (typeof action['kind'] !== 'string') fail(`${field}.do.kind`, 'a text')
    checkNames(action, names, `${field}.do`, fail)
  }
}

interface Names {
  readonly nodes: ReadonlySet<string>
  readonly all: ReadonlySet<string>
}

const namesIn = (cluster: ClusterShape, controller: string | null): Names => {
  const each = (count: number, name: (index: number) => string): string[] => Array.from({ length: count }, (_, index) => name(index))
  const nodes = cluster.nodes.map((node) => node.name)
  const planes = Math.max(cluster.members, cluster.apiservers, cluster.controllerManagers, cluster.schedulers)
  const all = [
    ...nodes,
    ...nodes.flatMap((node) => [`kubelet-${node}`, `kube-proxy-${node}`, `container-runtime-${node}`]),
    ...each(planes, (index) => `control-plane-${index}`),
    ...each(cluster.members, (index) => `etcd-${index}`),
    ...each(cluster.apiservers, (index) => `kube-apiserver-${index}`),
    ...each(cluster.controllerManagers, (index) => `kube-controller-manager-${index}`),
    ...each(cluster.schedulers, (index) => `kube-scheduler-${index}`),
    ...each(cluster.etcdClients, (index) => `client-${index}`),
    ...each(cluster.etcdClients, (index) => `etcd-client-${index}`),
    // Also where a plan that was shrunk has fewer of them.
    ...(controller === null ? [] : [`${controller}:leader`, `${controller}-0`, `${controller}-1`]),
    'workstation',
    'user-0',
  ]
  return { nodes: new Set(nodes), all: new Set(all) }
}

/** Names of generated plans may point past a shape that was shrunk: zones, control planes and members beyond it are no error. */
const SHRINKABLE = /^zone:.|^(etcd|control-plane|kube-apiserver|client|etcd-client|kube-controller-manager|kube-scheduler)-\d+$/

const checkNames = (action: Record_, names: Names, field: string, fail: (field: string, expected: string) => never): void => {
  const node = action['node']
  if (typeof node === 'string' && !names.nodes.has(node)) {
    fail(`${field}.node`, `a node of the cluster (${[...names.nodes].join(', ')}), found '${node}'`)
  }
  const side = action['side']
  const targets = [action['target'], ...(Array.isArray(side) ? side : [])].filter((target) => typeof target === 'string')
  for (const target of targets) {
    if (names.all.has(target) || ROLES.has(target) || SHRINKABLE.test(target)) continue
    fail(`${field}.${Array.isArray(side) ? 'side' : 'target'}`, `a process, machine or role of the cluster, found '${target}'`)
  }
}
