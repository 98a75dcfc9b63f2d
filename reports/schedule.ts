/** Where pods were placed and why, as lines for a terminal. */
import type { Pod } from '../model/state/objects.ts'
import type { Attempt, Placement } from '../properties/schedule/place.ts'
import type { GivenCluster } from '../properties/schedule/read.ts'
import { columns } from './table.ts'

const nameOf = ({ metadata }: Pod): string => `${metadata.namespace}/${metadata.name}`
const some = (count: number, what: string): string => `${count} ${what}${count === 1 ? '' : 's'}`

export const openingLine = ({ nodes, running, pending }: GivenCluster): string =>
  `${some(nodes.length, 'node')}, ${some(running.length, 'running pod')}, ${pending.length} to be placed.`

/** A line a pod: where it goes, or why it goes nowhere. */
export const placementLines = (placements: readonly Placement[]): readonly string[] =>
  columns([['pod', 'node', ''], ...placements.map((placement) => [nameOf(placement.pod), placement.node ?? '–', remarkOf(placement)])])

const remarkOf = ({ pod, node, profile, attempts, waiting }: Placement): string => {
  if (profile === null) return `left to the scheduler '${pod.spec.schedulerName}', for which no profile is configured`
  if (waiting !== null) return waiting
  const preemption = attempts.findLast((attempt) => attempt.preemption !== null)?.preemption
  const victims = preemption === null || preemption === undefined ? '' : `after preempting ${preemption.victims.map(nameOf).join(', ')}`
  if (node !== null) return victims
  return attempts.at(-1)?.message ?? ''
}

export const closingLine = (placements: readonly Placement[]): string => {
  const placed = placements.filter(({ node }) => node !== null).length
  return `${placed} of ${some(placements.length, 'pod')} placed.`
}

// Explained

export const explanationLines = (placement: Placement): readonly string[] => [
  '',
  `${nameOf(placement.pod)} → ${placement.node ?? 'no node'}`,
  ...(placement.attempts.length === 0 ? [`  ${remarkOf(placement)}`] : []),
  ...placement.attempts.flatMap((attempt, index) => [
    ...(placement.attempts.length > 1 ? [`  attempt ${index + 1}`] : []),
    ...attemptLines(placement, attempt).map((line) => `  ${line}`),
  ]),
]

const attemptLines = (placement: Placement, attempt: Attempt): readonly string[] => [
  ...(attempt.message === null ? [] : [attempt.message]),
  ...preFilterLines(attempt),
  ...filterLines(attempt),
  ...scoreLines(placement, attempt),
  ...(attempt.preemption === null
    ? []
    : [`preemption: nominated to ${attempt.preemption.node}; has to go: ${attempt.preemption.victims.map(nameOf).join(', ')}`]),
]

const NOT_WRONG = ['', 'success', 'passed']

const preFilterLines = ({ record }: Attempt): readonly string[] => [
  ...[...record.preFilter].flatMap(([plugin, said]) => (NOT_WRONG.includes(said) ? [] : [`all nodes: ${plugin}: ${said}`])),
  ...[...record.preFilterNodes].map(([plugin, nodes]) => `${plugin} allows only: ${nodes.join(', ')}`),
]

/** Nodes that heard the same are one line. */
const filterLines = ({ record }: Attempt): readonly string[] => {
  const nodesBySaying = new Map<string, string[]>()
  let passed = 0
  for (const [node, own] of record.filter) {
    const [wrong] = [...own].filter(([, said]) => !NOT_WRONG.includes(said))
    if (wrong === undefined) passed++
    else {
      const saying = `${wrong[0]}\n${wrong[1]}`
      nodesBySaying.set(saying, [...(nodesBySaying.get(saying) ?? []), node])
    }
  }
  if (record.filter.size === 0) return []
  const rows = [...nodesBySaying].map(([saying, nodes]) => {
    const [plugin = '', said = ''] = saying.split('\n')
    return ['  ', listed(nodes), plugin, said]
  })
  return [`filtered: ${passed} of ${some(record.filter.size, 'node')} examined would do`, ...columns(rows)]
}

const LISTED_MOST = 8
const listed = (nodes: readonly string[]): string =>
  nodes.length <= LISTED_MOST ? nodes.join(', ') : `${nodes.slice(0, LISTED_MOST).join(', ')} and ${nodes.length - LISTED_MOST} more`

const SCORED_MOST = 20

/** The best nodes, best first; of each plugin: raw → from 0 to 100 → times its weight. */
const scoreLines = ({ profile, node: chosen }: Placement, { record, node }: Attempt): readonly string[] => {
  if (record.raw.size === 0) return node === null ? [] : ['scored: nothing, it is the only node that will do']
  const plugins = (profile?.framework.plugins ?? []).filter(({ plugin }) => [...record.raw.values()][0]?.has(plugin.name) === true)
  const rows = [...record.raw].map(([name, raw]) => {
    const cells = plugins.map(({ plugin, weight }) => {
      const normalized = record.normalized.get(name)?.get(plugin.name) ?? 0
      return { text: `${raw.get(plugin.name)} → ${normalized} → ${normalized * weight}`, points: normalized * weight }
    })
    return { name, total: cells.reduce((sum, { points }) => sum + points, 0), texts: cells.map(({ text }) => text) }
  })
  const best = rows.toSorted((one, other) => other.total - one.total || (one.name < other.name ? -1 : 1))
  const equals = best.filter(({ total }) => total === best[0]?.total).length
  const head = ['  ', 'node', 'total', ...plugins.map(({ plugin, weight }) => `${plugin.name} ×${weight}`)]
  return [
    'scored: raw → normalized → weighted',
    ...columns([head, ...best.slice(0, SCORED_MOST).map(({ name, total, texts }) => ['  ', name, String(total), ...texts])]),
    ...(best.length > SCORED_MOST ? [`   and ${best.length - SCORED_MOST} more nodes with less`] : []),
    ...(equals > 1 && chosen !== null ? [`${equals} nodes are equally good: the first by name is taken here, Kubernetes draws`] : []),
  ]
}
