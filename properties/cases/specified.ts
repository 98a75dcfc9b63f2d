/** A scheduler case tried on the specification: feasible or not, for good or not, scores, who would be preempted. */
import { allOf, CONSTRAINTS, SCORES, type Args } from '../../model/components/scheduling/plugins.ts'
import { cheapest, victimsOn, waitsForVictims, type Candidate } from '../../model/components/scheduling/preemption.ts'
import type { Constraint, Scene } from '../../model/components/scheduling/scene.ts'
import { InputError } from '../input.ts'
import { compared } from './compared.ts'
import type { PluginCase, Verdict } from './scheduler.ts'

/** Null: as expected. */
export const specified = (one: PluginCase, plugin: string): string | null => {
  const pods = one.existingPods.filter(({ spec }) => (spec.nodeName ?? '') !== '')
  const scene: Scene = { nodes: one.nodes, pods, others: one.otherObjects ?? [] }
  switch (one.kind) {
    case 'filter':
      return filtered(one, scene, named(CONSTRAINTS, plugin)(one.pluginConfig as Args))
    case 'score':
      return scored(one, scene, plugin)
    case 'preempt':
      return preempted(one, scene, allOf((one.pluginConfig.filterPlugins ?? []).map((name) => named(CONSTRAINTS, name)({}))))
  }
}

const named = <T>(all: Readonly<Record<string, T>>, plugin: string): T => {
  const found = all[plugin]
  if (found === undefined) throw new InputError(plugin, `expected a plugin that is specified: ${Object.keys(all).join(', ')}`)
  return found
}

const filtered = ({ expect, nodes, pod }: PluginCase, scene: Scene, constraint: Constraint): string | null => {
  const found: Record<string, unknown> = {}
  const expected: Record<string, unknown> = {}
  for (const [name, { feasible, resolvable }] of Object.entries(expect as Readonly<Record<string, Verdict>>)) {
    expected[name] = { feasible, ...(resolvable === undefined ? {} : { resolvable }) }
    const node = nodes.find(({ metadata }) => metadata.name === name)
    if (node === undefined) continue
    const verdict = constraint(scene, pod, node)
    found[name] = { feasible: verdict === 'fits', ...(resolvable === undefined ? {} : { resolvable: verdict !== 'never' }) }
  }
  return compared(expected, found)
}

const scored = ({ expect, pod, pluginConfig, nodesFilteredOut = [] }: PluginCase, scene: Scene, plugin: string): string | null => {
  const nodes = scene.nodes.filter(({ metadata }) => !nodesFilteredOut.includes(metadata.name))
  const scores = named(SCORES, plugin)(pluginConfig as Args)(scene, pod, nodes)
  return compared(expect, Object.fromEntries(nodes.map(({ metadata }, index) => [metadata.name, scores[index]])))
}

const preempted = ({ expect, pod, filterStatus }: PluginCase, scene: Scene, constraint: Constraint): string | null => {
  const hopeless = (name: string): boolean => filterStatus?.[name] === 'UnschedulableAndUnresolvable'
  const hopeful = scene.nodes.filter((node) =>
    filterStatus === undefined ? constraint(scene, pod, node) !== 'never' : !hopeless(node.metadata.name),
  )
  const nominated = pod.status?.nominatedNodeName ?? ''
  const waits = pod.spec.preemptionPolicy === 'Never' || (nominated !== '' && !hopeless(nominated) && waitsForVictims(scene, pod))
  const all = waits ? [] : hopeful.map((node) => victimsOn(scene, pod, node, constraint)).filter((one) => one !== null)
  if ('candidates' in expect)
    return compared(expect, { candidates: all.map(shown).toSorted((one, other) => (one.node < other.node ? -1 : 1)) })
  const best = cheapest(all)
  const anyOf = expect['nominatedNodeAnyOf'] as readonly string[] | undefined
  if (anyOf !== undefined) return compared(anyOf.toSorted(), best.map(({ node }) => node).toSorted())
  const [first] = best
  const nominatedNode = first?.node ?? ''
  if (expect['victims'] === undefined) return compared(expect, { nominatedNode })
  const victims = first === undefined ? [] : shown(first).victims
  return compared({ ...expect, victims: (expect['victims'] as readonly string[]).toSorted() }, { nominatedNode, victims })
}

const shown = ({ node, victims, violations }: Candidate) => ({
  node,
  victims: victims.map(({ metadata }) => metadata.name).toSorted(),
  numPDBViolations: violations,
})
