/**
 * Cases of scheduler plugins with known answers, tried on the reference implementation's plugins one at a time and on
 * the specification.
 *
 * A case: nodes, the pods on them, other objects, a pod, and what one plugin says: per node feasible or not and why, a
 * score once normalized, or who would be preempted.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { SchedulerCache } from '../../impl/scheduler/cache.ts'
import { profilesOf, type Profile } from '../../impl/scheduler/config.ts'
import type { Cycle, Status } from '../../impl/scheduler/framework.ts'
import { listersOf } from '../../impl/scheduler/listers.ts'
import { podInfoOf, type PodInfo } from '../../impl/scheduler/node-info.ts'
import { candidates, cheapest, mayPreempt, type Candidate } from '../../impl/scheduler/plugins/preemption.ts'
import type { ApiObject, Node, Pod } from '../../model/state/objects.ts'
import { Streams } from '../../sim/random.ts'
import { InputError } from '../input.ts'
import type { Case } from '../cases.ts'
import { compared } from './compared.ts'
import { specified } from './specified.ts'

export interface Verdict {
  readonly feasible: boolean
  readonly reasons: readonly string[]
  readonly resolvable?: boolean
}
export interface PluginCase {
  readonly id: string
  readonly kind: 'filter' | 'score' | 'preempt'
  readonly pluginConfig: Readonly<Record<string, unknown>> & { readonly filterPlugins?: readonly string[] }
  readonly nodes: readonly Node[]
  readonly existingPods: readonly Pod[]
  readonly otherObjects?: readonly ApiObject[]
  readonly pod: Pod
  readonly expect: Readonly<Record<string, unknown>>
  readonly runsAs?: string
  readonly nodesFilteredOut?: readonly string[]
  readonly filterStatus?: Readonly<Record<string, Status['code']>>
}

const RESOURCES: Readonly<Record<string, string>> = {
  Namespace: 'namespaces',
  PersistentVolume: 'persistentvolumes',
  PersistentVolumeClaim: 'persistentvolumeclaims',
  StorageClass: 'storageclasses',
  CSINode: 'csinodes',
  PodDisruptionBudget: 'poddisruptionbudgets',
}

/** Every case of a folder: one JSON array per plugin, named after it. Throws InputError. */
export const schedulerCases = (folder: string): readonly Case[] => {
  let files: readonly string[]
  try {
    files = readdirSync(folder).filter((file) => file.endsWith('.json'))
  } catch {
    throw new InputError(folder, 'expected a folder of scheduler cases (one JSON array per plugin), found none')
  }
  return files.toSorted().flatMap((file) =>
    readCases(join(folder, file)).map((one): Case => ({
      id: one.id,
      run: () => onBothSides(one, one.runsAs ?? file.replace('.json', '')),
    })),
  )
}

const readCases = (path: string): readonly PluginCase[] => {
  let cases: unknown
  try {
    cases = JSON.parse(readFileSync(path, 'utf8'))
  } catch (error) {
    throw new InputError(path, `expected JSON: ${(error as Error).message}`)
  }
  if (!Array.isArray(cases)) throw new InputError(path, 'expected an array of cases')
  for (const [index, one] of (cases as Partial<PluginCase>[]).entries()) {
    for (const field of ['id', 'kind', 'nodes', 'existingPods', 'pod', 'expect'] as const)
      if (one[field] === undefined) throw new InputError(path, `case ${index}: ${field}: expected it, found nothing`)
  }
  return cases as readonly PluginCase[]
}

/** The implementation first; reasons are its own, so what the specification says is told apart by its name. */
const onBothSides = (one: PluginCase, plugin: string): string | null => {
  const wrong = tried(one, plugin)
  if (wrong !== null) return wrong
  const unspecified = specified(one, plugin)
  return unspecified === null ? null : `specification: ${unspecified}`
}

const tried = (one: PluginCase, plugin: string): string | null => {
  const cache = cacheOf(one)
  const profile = profileOf(one, plugin)
  const cycle = profile.framework.cycle(cache, new Streams(one.id).stream('cases'))
  const pod = podInfoOf(one.pod)
  switch (one.kind) {
    case 'filter':
      return filtered(one, profile, cycle, pod)
    case 'score':
      return scored(one, profile, cycle, pod, plugin)
    case 'preempt':
      return preempted(one, profile, cycle, pod)
  }
}

const cacheOf = ({ nodes, existingPods, otherObjects = [] }: PluginCase): SchedulerCache => {
  const objects = new Map<string, Map<string, ApiObject>>()
  for (const object of otherObjects) {
    const resource = RESOURCES[object.kind]
    if (resource === undefined) continue
    const { namespace, name } = object.metadata
    const held = objects.get(resource) ?? new Map<string, ApiObject>()
    objects.set(resource, held.set(namespace === undefined ? name : `${namespace}/${name}`, object))
  }
  const cache = new SchedulerCache(
    listersOf(
      (resource, key) => objects.get(resource)?.get(key),
      (resource) => [...(objects.get(resource)?.values() ?? [])],
    ),
  )
  for (const node of nodes) cache.setNode(node)
  for (const [index, pod] of existingPods.entries()) {
    // Pods of the tables often have no uid: each is one of its own all the same.
    const uid = (pod.metadata as Partial<Pod['metadata']>).uid ?? `existing-${index}`
    cache.setPod({ ...pod, metadata: { ...pod.metadata, uid } })
  }
  return cache
}

/** Only the plugin in question takes part. */
const profileOf = ({ kind, pluginConfig }: PluginCase, plugin: string): Profile => {
  const { filterPlugins = [], ...args } = pluginConfig
  const names = kind === 'preempt' ? [...filterPlugins, 'DefaultPreemption'] : [plugin]
  const [profile] = profilesOf({
    profiles: [
      {
        plugins: { multiPoint: { disabled: [{ name: '*' }], enabled: names.map((name) => ({ name })) } },
        pluginConfig: kind === 'preempt' ? [] : [{ name: plugin, args }],
      },
    ],
  })
  return profile as Profile
}

const filtered = ({ expect }: PluginCase, { framework }: Profile, cycle: Cycle, pod: PodInfo): string | null => {
  const before = framework.preFilter(cycle, pod)
  const found: Record<string, Verdict> = {}
  const expected: Record<string, Verdict> = {}
  for (const [name, { feasible, reasons, resolvable }] of Object.entries(expect as Readonly<Record<string, Verdict>>)) {
    expected[name] = { feasible, reasons, ...(resolvable === undefined ? {} : { resolvable }) }
    const node = cycle.snapshot.node(name)
    if (node === undefined) continue
    const status = 'code' in before ? before : named(before.nodeNames, name) ? framework.filter(cycle, pod, node) : ELSEWHERE
    found[name] = {
      feasible: status === null,
      reasons: status?.reasons ?? [],
      ...(resolvable === undefined ? {} : { resolvable: status?.code !== 'UnschedulableAndUnresolvable' }),
    }
  }
  return compared(expected, found)
}

const named = (names: ReadonlySet<string> | null, name: string): boolean => names === null || names.has(name)
/** A node that PreFilter leaves out is said to fail the plugin's own Filter. */
const ELSEWHERE: Status = {
  code: 'UnschedulableAndUnresolvable',
  reasons: ["node(s) didn't match Pod's node affinity/selector"],
}

const scored = (
  { expect, nodesFilteredOut = [] }: PluginCase,
  { framework }: Profile,
  cycle: Cycle,
  pod: PodInfo,
  plugin: string,
): string | null => {
  framework.preFilter(cycle, pod)
  const nodes = cycle.snapshot.nodes.filter((node) => !nodesFilteredOut.includes(node.name))
  // A plugin that has nothing to say says the same of all: 0.
  const scores = framework.score(cycle, pod, nodes).byPlugin.get(plugin)
  return compared(expect, Object.fromEntries(nodes.map((node, index) => [node.name, scores?.[index] ?? 0])))
}

const preempted = ({ expect, pod: object, filterStatus }: PluginCase, profile: Profile, cycle: Cycle, pod: PodInfo): string | null => {
  const { framework } = profile
  framework.preFilter(cycle, pod)
  const statuses = new Map<string, Status>()
  for (const node of cycle.snapshot.nodes) {
    const code = filterStatus === undefined ? framework.filter(cycle, pod, node)?.code : (filterStatus[node.name] ?? 'Unschedulable')
    if (code !== undefined) statuses.set(node.name, { code, reasons: [] })
  }
  const all = mayPreempt(object, cycle.snapshot, statuses) ? candidates(framework, cycle, pod, statuses, {}) : []
  if ('candidates' in expect)
    return compared(expect, { candidates: all.map(dryRun).toSorted((one, other) => (one.node < other.node ? -1 : 1)) })
  const best = cheapest(all)
  const nominatedNode = best?.node ?? ''
  const anyOf = expect['nominatedNodeAnyOf'] as readonly string[] | undefined
  if (anyOf !== undefined) return compared(expect, anyOf.includes(nominatedNode) ? expect : { nominatedNode })
  if (expect['victims'] === undefined) return compared(expect, { nominatedNode })
  return compared(
    { ...expect, victims: (expect['victims'] as readonly string[]).toSorted() },
    { nominatedNode, victims: best === null ? [] : dryRun(best).victims },
  )
}

const dryRun = ({ node, victims, disruptionViolations }: Candidate) => ({
  node,
  victims: victims.map(({ metadata }) => metadata.name).toSorted(),
  numPDBViolations: disruptionViolations,
})
