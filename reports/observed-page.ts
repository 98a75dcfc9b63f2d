/** The report of a run against real software as a page, Markdown and JUnit XML. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { getJunitXml } from 'junit-xml'
import type { Finding, TimelineEntry } from '../properties/checkers/verdict.ts'
import { outcomeChart } from './charts.ts'
import { makeFolder } from './folder.ts'
import { pageOf } from './html.ts'
import { observedLines, wordOf, type ObservedReport } from './observed.ts'
import { escape } from './space-time.ts'
import { duration } from './table.ts'

/** Returns the path of the page. Throws InputError when the folder cannot be written. */
export const writeObserved = (report: ObservedReport, folder: string): string => {
  makeFolder(folder)
  const files: readonly (readonly [string, string])[] = [
    ['report.html', observedPage(report)],
    ['report.md', observedMarkdown(report)],
    ['report.junit.xml', observedJunit(report)],
    ['report.json', `${JSON.stringify(report)}\n`],
  ]
  for (const [name, text] of files) writeFileSync(join(folder, name), text)
  return join(folder, 'report.html')
}

const HEADLINES = { held: 'It holds', violated: 'It does not hold', inconclusive: 'Inconclusive' } as const

const observedPage = (report: ObservedReport): string => {
  const { counts, verdict } = report
  const figures = Object.entries(counts).map(([what, number]) => `${number.toLocaleString('en')} ${what}`)
  const violated = report.findings.filter((finding) => finding.verdict === 'violated')
  return pageOf({
    style: verdict,
    brand: `evenkeel ${report.evenkeel}`,
    title: HEADLINES[verdict],
    lead: `${report.subject}: ${figures.join(', ')}.`,
    sections: [
      ...violated.map((finding) => violation(finding, report.timeline)),
      list('What was asked for and did not happen', report.missed),
      `<section><h2>The run</h2><p class="quiet">Bars: faults, and who led. Below: what became of requests, second by second.</p><figure>${spans(report)}${outcomeChart(report.seconds)}</figure></section>`,
      findings(report),
      list('Notes', report.notes),
    ],
    footer: `<p>Command: <code>${escape(report.command)}</code></p><p>Seed <code>${escape(report.seed)}</code>, ${duration(report.wallMs)}. The history is in <code>history.jsonl</code>: <code>evenkeel history --model etcd history.jsonl</code> judges it again.</p>`,
  })
}

const violation = ({ id, sentence, why }: Finding, timeline: readonly TimelineEntry[]): string => {
  const named = new Set(why.flatMap(({ calls }) => calls))
  const rows = timeline.filter(
    ({ blamed, kind, text }) => kind === 'fault' || kind === 'leader' || (blamed && [...named].some((name) => text.includes(name))),
  )
  const table = rows
    .slice(0, ROWS_MOST)
    .map(
      ({ fromMs, toMs, lane, text, blamed }) =>
        `<tr class="${blamed ? 'violated' : ''}"><td class="n">${(fromMs / 1000).toFixed(3)}</td><td class="n">${toMs === null ? 'open' : (toMs / 1000).toFixed(3)}</td><td>${escape(lane)}</td><td>${escape(text)}</td></tr>`,
    )
    .join('')
  return `<section class="failure"><h2>✗ ${escape(id)} <small>${escape(sentence)}</small></h2>
${why.map(({ text, atMs }) => `<p class="why">${atMs === null ? '' : `${(atMs / 1000).toFixed(3)} s: `}${escape(text)}</p>`).join('\n')}
${table === '' ? '' : `<table><thead><tr><th class="n">from, s</th><th class="n">to, s</th><th>who</th><th>what</th></tr></thead><tbody>${table}</tbody></table>`}</section>`
}
const ROWS_MOST = 60

const list = (title: string, lines: readonly string[]): string =>
  lines.length === 0 ? '' : `<section><h2>${title}</h2><ul>${lines.map((line) => `<li>${escape(line)}</li>`).join('')}</ul></section>`

const findings = (report: ObservedReport): string => {
  const state = (finding: Finding): string =>
    ({ holds: finding.evaluated > 0 ? 'held' : 'idle', violated: 'violated', unknown: 'missed' })[finding.verdict]
  const body = report.findings
    .map(
      (finding) =>
        `<tr class="${state(finding)}"><td><b>${escape(finding.id)}</b></td><td>${escape(finding.sentence)}</td><td class="n">${finding.evaluated.toLocaleString('en')}</td><td class="n">${finding.notable.toLocaleString('en')}</td><td>${escape(wordOf(finding))}</td></tr>`,
    )
    .join('')
  return `<section><h2>Guarantees</h2><p class="quiet">“Judged” counts the times a guarantee had something to say; “notable” the times its interesting case was reached.</p><table class="matrix"><thead><tr><th>id</th><th>sentence</th><th class="n">judged</th><th class="n">notable</th><th></th></tr></thead><tbody>${body}</tbody></table></section>`
}

// The run as bars: a lane for each member, with its reigns, and one for the faults

const WIDTH = 880
const LEFT = 110
const LANE = 24

const spans = (report: ObservedReport): string => {
  const lanes = [...report.members, 'faults']
  const endMs = Math.max(report.stormMs[1], ...report.reigns.map(({ toMs }) => toMs), 1)
  const x = (ms: number): number => LEFT + (ms / endMs) * (WIDTH - LEFT - 10)
  const bar = (lane: string, fromMs: number, toMs: number, colour: string, text: string): string => {
    const y = lanes.indexOf(lane) * LANE + 4
    return `<rect x="${x(fromMs).toFixed(1)}" y="${y}" width="${Math.max(2, x(toMs) - x(fromMs)).toFixed(1)}" height="${LANE - 8}" rx="3" fill="${colour}" fill-opacity=".75"><title>${escape(text)}</title></rect>`
  }
  const names = lanes.map(
    (lane, index) => `<text x="${LEFT - 8}" y="${index * LANE + 16}" text-anchor="end" font-size="12">${escape(lane)}</text>`,
  )
  const reigns = report.reigns.map(({ member, term, fromMs, toMs }) =>
    bar(member, fromMs, toMs, '#059669', `${member} leads in term ${term}`),
  )
  const faults = report.faults.map(({ kind, fromMs, toMs, text }) => bar('faults', fromMs, toMs, COLOURS[kind], text))
  return `<svg viewBox="0 0 ${WIDTH} ${lanes.length * LANE + 4}" width="${WIDTH}" role="img" aria-label="faults and leaders over time">${names.join('')}${reigns.join('')}${faults.join('')}</svg>`
}
const COLOURS = { kill: '#dc2626', pause: '#d97706', partition: '#9333ea', slow: '#2563eb', disk: '#111827' } as const

// Plain forms

const observedMarkdown = (report: ObservedReport): string => {
  const rows = report.findings.map(
    (finding) =>
      `| ${finding.id} | ${finding.sentence.replaceAll('|', '\\|')} | ${finding.evaluated} | ${finding.notable} | ${wordOf(finding)} |`,
  )
  return `${['# evenkeel: ' + report.verdict, '', `\`${report.command}\``, '', '```text', ...observedLines(report).filter((line) => line !== ''), '```', '', '| guarantee | sentence | judged | notable | |', '|---|---|---:|---:|---|', ...rows].join('\n')}\n`
}

const observedJunit = (report: ObservedReport): string =>
  getJunitXml({
    name: `evenkeel ${report.subject}`,
    time: report.wallMs / 1000,
    suites: [
      {
        name: 'guarantees',
        testCases: report.findings.map((finding) => ({
          name: `${finding.id}: ${finding.sentence}`,
          classname: 'evenkeel.etcd',
          assertions: finding.evaluated,
          failures: finding.verdict === 'violated' ? [{ message: finding.why[0]?.text ?? finding.sentence, type: finding.id }] : [],
          skipped: finding.verdict === 'unknown' || finding.evaluated === 0,
        })),
      },
    ],
  })
