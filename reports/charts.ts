/** The charts of a report, drawn without a browser. */
import * as Plot from '@observablehq/plot'
import { parseHTML } from 'linkedom'
import type { Report } from './report.ts'

const { document } = parseHTML('<!doctype html><html><body></body></html>')
const WIDTH = 880
const COLOURS = ['#2563eb', '#059669', '#d97706', '#9333ea', '#dc2626']

/** SVG text of a plot. */
const drawn = (options: Plot.PlotOptions): string => {
  const plot = Plot.plot({ document: document as never, width: WIDTH, style: { fontSize: '12px', background: 'transparent' }, ...options })
  return plot.outerHTML.replaceAll(/<style>[\s\S]*?<\/style>/g, '')
}

/** How long each run took to come back level, a dot a run, a bar at the median. Null: no run was asked. */
export const convergenceChart = (report: Report): string | null => {
  const points = report.suites.flatMap((suite) => suite.convergedAfterMs.map((ms) => ({ suite: suite.name, seconds: ms / 1000 })))
  if (points.length === 0) return null
  const suites = report.suites.filter((suite) => suite.convergedAfterMs.length > 0).map((suite) => suite.name)
  return drawn({
    height: 80 + suites.length * 60,
    marginBottom: 44,
    marginLeft: 110,
    x: { label: 'seconds of calm until everything was as asked for →', type: 'sqrt', nice: true, grid: true },
    y: { axis: null },
    color: { domain: suites, range: COLOURS },
    marks: [
      Plot.dot(points, Plot.dodgeY({ x: 'seconds', fy: 'suite', fill: 'suite', r: 2.2, anchor: 'middle', fillOpacity: 0.65 })),
      Plot.tickX(points, Plot.groupZ({ x: 'median' }, { x: 'seconds', z: 'suite', fy: 'suite', stroke: '#111', strokeWidth: 2 })),
    ],
    fy: { domain: suites, label: null, padding: 0.15 },
  })
}

/** How often each kind of fault struck. Null: none did. */
export const faultChart = (report: Report): string | null => {
  const rows = Object.entries(report.faults).map(([kind, times]) => ({ kind, times }))
  if (rows.length === 0) return null
  return drawn({
    height: 64 + rows.length * 22,
    marginBottom: 44,
    marginLeft: 150,
    marginRight: 50,
    x: { label: 'times a fault struck →', grid: true },
    y: { label: null },
    marks: [
      Plot.barX(rows, { x: 'times', y: 'kind', fill: COLOURS[0] as string, fillOpacity: 0.75, sort: { y: '-x' } }),
      Plot.text(rows, {
        x: 'times',
        y: 'kind',
        text: (row: { times: number }) => row.times.toLocaleString('en'),
        dx: 6,
        textAnchor: 'start',
      }),
      Plot.ruleX([0]),
    ],
  })
}

export interface CurveRow {
  readonly policy: string
  /** Percent of the capacity that was asked for so far, and allocated. */
  readonly load: number
  readonly mean: number
  readonly low: number
  readonly high: number
}

/** Allocation over arrived load, a line and a band a policy. */
export const allocationChart = (rows: readonly CurveRow[]): string =>
  drawn({
    height: 380,
    marginBottom: 44,
    marginRight: 130,
    x: { label: 'arrived load, % of capacity →', grid: true },
    y: { label: '↑ allocated, % of capacity', grid: true },
    color: { legend: false, range: [...COLOURS, '#0891b2', '#4d7c0f'] },
    marks: [
      Plot.line([{ at: 0 }, { at: 100 }], { x: 'at', y: 'at', stroke: '#9ca3af', strokeDasharray: '2,4' }),
      Plot.areaY(rows, { x: 'load', y1: 'low', y2: 'high', fill: 'policy', fillOpacity: 0.18 }),
      Plot.lineY(rows, { x: 'load', y: 'mean', stroke: 'policy', strokeWidth: 1.6 }),
      Plot.text(rows, Plot.selectLast({ x: 'load', y: 'mean', text: 'policy', z: 'policy', fill: 'policy', textAnchor: 'start', dx: 6 })),
    ],
  })

/** What became of requests, second by second. */
export const outcomeChart = (
  seconds: readonly { readonly second: number; readonly done: number; readonly refused: number; readonly unknown: number }[],
): string => {
  const kinds = ['done', 'refused', 'left open'] as const
  const rows = seconds.flatMap(({ second, done, refused, unknown }) => [
    { second, kind: 'done', requests: done },
    { second, kind: 'refused', requests: refused },
    { second, kind: 'left open', requests: unknown },
  ])
  return drawn({
    height: 190,
    marginLeft: 110,
    x: { label: 'seconds →' },
    y: { label: 'requests a second', grid: true },
    color: { domain: [...kinds], range: [COLOURS[1] as string, COLOURS[2] as string, COLOURS[4] as string] },
    marks: [
      Plot.rectY(rows, {
        x1: (row: { second: number }) => row.second,
        x2: (row: { second: number }) => row.second + 1,
        y: 'requests',
        fill: 'kind',
      }),
      Plot.ruleY([0]),
    ],
  })
}
