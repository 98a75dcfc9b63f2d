/** A comparison of policies: the table printed, a page with curves and bands, and the same as data. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Comparison, Measure } from '../properties/compare/compare.ts'
import { isReal, type PairedDifference, type Spread } from '../properties/compare/statistics.ts'
import { allocationChart, type CurveRow } from './charts.ts'
import { makeFolder } from './folder.ts'
import { escape } from './space-time.ts'
import { PAGE_STYLE } from './style.ts'
import { columns } from './table.ts'

const number = (value: number): string =>
  Math.abs(value) >= 1000 ? Math.round(value).toLocaleString('en') : value.toFixed(Math.abs(value) >= 10 ? 1 : 2)
const spreadText = ({ mean, deviation }: Spread): string => `${number(mean)} ± ${number(deviation)}`

/** Measures that say the same of everybody are left out. */
const telling = ({ measures, spreads }: Comparison): readonly Measure[] =>
  measures.filter(({ name }) => [...(spreads.get(name)?.values() ?? [])].some(({ mean, deviation }) => mean !== 0 || deviation !== 0))

export const violationsOf = ({ results }: Comparison): readonly string[] =>
  results.flatMap(({ policy, runs }) => runs.flatMap(({ violations }) => violations.map((why) => `${policy}: ${why}`)))

/** One sentence a pair, on the measure that matters most. */
export const verdicts = (comparison: Comparison): readonly string[] => {
  const [main] = comparison.measures
  if (main === undefined) return []
  return pairs(comparison).map(({ one, other, difference }) => sentence(main, one, other, difference, comparison))
}

interface Pair {
  readonly one: string
  readonly other: string
  readonly difference: PairedDifference
}

const pairs = ({ results, measures, differences }: Comparison): readonly Pair[] =>
  results.flatMap(({ policy: one }, place) =>
    results.slice(place + 1).flatMap(({ policy: other }) => {
      const difference = differences.get(`${measures[0]?.name}\n${one}\n${other}`)
      return difference === undefined ? [] : [{ one, other, difference }]
    }),
  )

const sentence = (measure: Measure, one: string, other: string, difference: PairedDifference, { results }: Comparison): string => {
  const { mean, low, high, effect } = difference
  const runs = results[0]?.runs.length ?? 0
  if (!isReal(difference))
    return `${one} and ${other}: no difference in ${measure.name} can be told (${number(mean)}, 95 % interval ${number(low)} to ${number(high)}, ${runs} paired runs)`
  const [winner, loser] = mean > 0 === (measure.better === 'more') ? [one, other] : [other, one]
  const size = Number.isFinite(effect) ? `, effect size ${number(Math.abs(effect))}` : ''
  const bounds = [Math.abs(low), Math.abs(high)].toSorted((a, b) => a - b).map(number)
  return `${winner} is better than ${loser}: ${measure.name} by ${number(Math.abs(mean))} points (95 % interval ${bounds.join(' to ')}${size}, ${runs} paired runs)`
}

/** A line for each published figure, and one for their order. */
export const reproductionLines = ({ reproductions }: Comparison): readonly string[] =>
  reproductions.flatMap(({ source, measure, tolerance, rows, sameOrder }) => [
    `Published: ${source}; ${measure}, the same within ${tolerance}:`,
    ...rows.map(
      ({ policy, published, found, met }) =>
        `  ${met ? '✓' : '✗'} ${policy}: published ${published.toFixed(2)}, here ${found.mean.toFixed(2)} (95 % interval ${found.low.toFixed(2)} to ${found.high.toFixed(2)})`,
    ),
    `  ${sameOrder ? '✓ in the published order' : '✗ not in the published order'}`,
  ])

export const comparisonLines = (comparison: Comparison): readonly string[] => {
  const { results, spreads } = comparison
  const head = ['policy', ...telling(comparison).map(({ name, unit }) => `${name} (${unit})`)]
  const rows = results.map(({ policy }) => [
    policy,
    ...telling(comparison).map(({ name }) => spreadText(spreads.get(name)?.get(policy) ?? { mean: 0, deviation: 0 })),
  ])
  // Many measures: one a line, so that no terminal has to be wide.
  const [first = [], ...others] = head.map((_, column) => [head, ...rows].map((row) => row[column] as string))
  const wrong = violationsOf(comparison)
  return [
    ...columns([first, ...others]),
    '',
    ...verdicts(comparison),
    ...(comparison.reproductions.length === 0 ? [] : ['', ...reproductionLines(comparison)]),
    ...(wrong.length === 0 ? [] : ['', 'Placed where the specification forbids it:', ...wrong.map((line) => `  ✗ ${line}`)]),
  ]
}

export const writeComparison = (comparison: Comparison, folder: string, command: string): string => {
  makeFolder(folder)
  const page = join(folder, 'comparison.html')
  writeFileSync(page, comparisonPage(comparison, command))
  writeFileSync(join(folder, 'comparison.json'), `${JSON.stringify(comparisonData(comparison, command), null, 2)}\n`)
  return page
}

export const comparisonData = (comparison: Comparison, command: string): unknown => ({
  format: 1,
  command,
  setting: comparison.setting,
  policies: comparison.results,
  measures: comparison.measures.map(({ name, unit, better }) => ({
    name,
    unit,
    better,
    policies: Object.fromEntries(comparison.spreads.get(name) ?? []),
  })),
  differences: [...comparison.differences].map(([key, difference]) => {
    const [measure, one, other] = key.split('\n')
    return { measure, one, other, ...difference }
  }),
  verdicts: verdicts(comparison),
  reproductions: comparison.reproductions,
})

const comparisonPage = (comparison: Comparison, command: string): string => {
  const { setting, results, measures } = comparison
  const wrong = violationsOf(comparison)
  const ties = setting.ties ?? "each policy's own rule"
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>evenkeel: policies compared</title><style>${PAGE_STYLE}</style></head><body>
<header class="${wrong.length > 0 ? 'violated' : 'held'}"><p class="brand">evenkeel</p><h1>Policies compared</h1>
<p>${results.length} policies on ${escape(setting.workload)}, ${results[0]?.runs.length ?? 0} paired runs, up to ${setting.until * 100} % of the capacity arrived. Ties: ${escape(ties)}.</p></header>
<main>
<section><h2>Which is better</h2><ul>${verdicts(comparison)
    .map((line) => `<li>${escape(line)}</li>`)
    .join('')}</ul></section>
${comparison.reproductions.length === 0 ? '' : `<section><h2>Beside what was published</h2><pre>${escape(reproductionLines(comparison).join('\n'))}</pre></section>`}
${wrong.length === 0 ? '' : `<section class="failure"><h2>✗ Placed where the specification forbids it</h2><ul>${wrong.map((line) => `<li>${escape(line)}</li>`).join('')}</ul></section>`}
<section><h2>${escape(measures[0]?.name ?? '')} as load arrives</h2><p class="quiet">Lines are means over the runs, bands are one standard deviation. The dotted line is what would be allocated if everything fitted.</p><figure>${allocationChart(curveRows(comparison))}</figure></section>
<section><h2>All measures</h2>${measureTable(comparison)}</section>
<section><h2>Why pods found no node</h2>${reasonsTable(comparison)}</section>
<footer><p>Command: <code>${escape(command)}</code>, seed <code>${escape(setting.seed)}</code></p></footer>
</main></body></html>
`
}

const measureTable = (comparison: Comparison): string => {
  const head = comparison.results.map(({ policy }) => `<th class="n">${escape(policy)}</th>`).join('')
  const body = telling(comparison)
    .map(({ name, unit }) => {
      const cells = comparison.results.map(
        ({ policy }) => `<td class="n">${spreadText(comparison.spreads.get(name)?.get(policy) ?? { mean: 0, deviation: 0 })}</td>`,
      )
      return `<tr><td>${escape(name)} <span class="quiet">${escape(unit)}</span></td>${cells.join('')}</tr>`
    })
    .join('')
  return `<table><thead><tr><th>measure</th>${head}</tr></thead><tbody>${body}</tbody></table>`
}

const reasonsTable = ({ results }: Comparison): string => {
  const reasons = [...new Set(results.flatMap(({ runs }) => runs.flatMap((metrics) => Object.keys(metrics.reasons))))].toSorted()
  if (reasons.length === 0) return '<p class="quiet">None did in the end.</p>'
  const head = results.map(({ policy }) => `<th class="n">${escape(policy)}</th>`).join('')
  const body = reasons
    .map((reason) => {
      const cells = results.map(({ runs }) => {
        const mean = runs.reduce((sum, metrics) => sum + (metrics.reasons[reason] ?? 0), 0) / runs.length
        return `<td class="n">${number(mean)}</td>`
      })
      return `<tr><td>${escape(reason)}</td>${cells.join('')}</tr>`
    })
    .join('')
  return `<table><thead><tr><th>reason (pods a run)</th>${head}</tr></thead><tbody>${body}</tbody></table>`
}

const curveRows = ({ results, measures }: Comparison): readonly CurveRow[] => {
  const [main] = measures
  return results.flatMap(({ policy, runs }) => {
    const length = Math.min(...runs.map(({ curve }) => curve.length))
    return Array.from({ length }, (_, index): CurveRow => {
      const points = runs.map(({ curve }) => curve[index] as (typeof curve)[number])
      const values = points.map(({ allocated }) => (Object.values(allocated)[resourceIndex(main, runs[0]?.allocated ?? {})] ?? 0) * 100)
      const mean = values.reduce((sum, value) => sum + value, 0) / values.length
      const deviation = Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length)
      const load = (points.reduce((sum, point) => sum + point.load, 0) / points.length) * 100
      return { policy, load, mean, low: mean - deviation, high: mean + deviation }
    })
  })
}

/** Place of the main measure's resource among those of a run. */
const resourceIndex = (main: Measure | undefined, allocated: Readonly<Record<string, number>>): number =>
  Math.max(
    0,
    Object.keys(allocated).findIndex(
      (resource) => main?.name.startsWith(resource === 'evenkeel.io/gpu-milli' ? 'GPU' : resource === 'cpu' ? 'CPU' : resource) === true,
    ),
  )
