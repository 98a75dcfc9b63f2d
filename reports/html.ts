/** The report as one page that needs nothing else: no network, no other file. */
import { convergenceChart, faultChart } from './charts.ts'
import type { FailureRow, InvariantRow, Report } from './report.ts'
import { diagramOf, escape } from './space-time.ts'
import { missedCoverage, verdictOf, type Verdict } from './summary.ts'
import { PAGE_STYLE } from './style.ts'
import { duration, quantile } from './table.ts'

const HEADLINES: Readonly<Record<Verdict, string>> = {
  held: 'It comes back level',
  violated: 'It does not hold',
  'cannot converge': 'It cannot converge',
  inconclusive: 'Inconclusive',
}

export interface Page {
  /** A verdict, which colours the head. */
  readonly style: string
  readonly brand: string
  readonly title: string
  readonly lead: string
  readonly sections: readonly string[]
  readonly footer: string
}

/** One page, the same frame for every kind of report. Texts are escaped, sections and footer are HTML. */
export const pageOf = ({ style, brand, title, lead, sections, footer }: Page): string => `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>evenkeel: ${escape(title)}</title>
<style>${PAGE_STYLE}</style>
</head>
<body>
<header class="${style.replace(' ', '-')}">
<p class="brand">${escape(brand)}</p>
<h1>${escape(title)}</h1>
<p>${escape(lead)}</p>
</header>
<main>
${sections.filter((section) => section !== '').join('\n')}
<footer>${footer}</footer>
</main>
<script>${SCRIPT}</script>
</body>
</html>
`

export const htmlReport = (report: Report): string => {
  const verdict = verdictOf(report)
  const { determinism, workers } = report
  const twice = determinism.differed === 0 ? 'all were equal to the byte' : `${determinism.differed} differed`
  return pageOf({
    style: verdict,
    brand: `evenkeel ${report.evenkeel}`,
    title: HEADLINES[verdict],
    lead: leadOf(report, verdict),
    sections: [failures(report), pendingSection(report), suites(report), charts(report), matrix(report), notes(report)],
    footer: `<p>Command: <code>${escape(report.command)}</code></p><p>Seed <code>${escape(report.seed)}</code>, ${workers} worker${workers === 1 ? '' : 's'}, ${duration(report.wallMs)}. ${determinism.twice} runs were made twice; ${twice}.</p>`,
  })
}

const count = (number: number): string => number.toLocaleString('en')

const leadOf = (report: Report, verdict: Verdict): string => {
  const simulated = duration(report.suites.reduce((sum, suite) => sum + suite.simulatedMs, 0))
  const base = `${count(report.runs)} runs, ${simulated} of simulated time, ${count(Object.values(report.faults).reduce((sum, times) => sum + times, 0))} faults.`
  switch (verdict) {
    case 'held':
      return `${base} No invariant was violated.`
    case 'violated':
      return `${base} Violated: ${[...new Set(report.failures.map((failure) => failure.invariant))].join(', ')}.`
    case 'cannot converge':
      return `${base} Something waits for what will not come; see below.`
    case 'inconclusive':
      return report.runs === 0 ? 'No run was finished.' : `${base} Never judged: ${missedCoverage(report).join(', ') || 'nothing'}.`
  }
}

// Sections

const failures = (report: Report): string => report.failures.map((failure, index) => failureSection(failure, index)).join('\n')

const failureSection = (failure: FailureRow, index: number): string => {
  const { trace } = failure
  const [first] = trace.violations
  const { names, svg, steps, skipped } = diagramOf(trace, failure.history)
  const size = `${trace.plan.actions.length} action${trace.plan.actions.length === 1 ? '' : 's'}`
  const minimal =
    trace.shrinking === null
      ? ''
      : `, shrunk from ${trace.shrinking.actionsBefore} in ${trace.shrinking.tries} runs${trace.shrinking.minimal ? '; none can be left out' : ''}`
  return `<section class="failure" data-failure="${index}">
<h2>✗ ${escape(failure.invariant)} <small>${escape(first?.sentence ?? '')}</small></h2>
<p class="why">${escape(first?.why ?? '')}</p>
<p>Suite ${escape(failure.suite)}, run ${failure.index}: ${size}${minimal}. Source of the rule: ${escape(first?.source ?? '')}</p>
<pre>${escape(failure.digest.join('\n'))}</pre>
<p>See it again: <code>${escape(failure.replay)}</code></p>
<div class="scroll">${names}${svg}</div>
<p class="controls"><input type="range" min="0" max="${Math.max(0, steps.length - 1)}" value="${Math.max(0, steps.length - 1)}" aria-label="step"> <output></output>${skipped > 0 ? ` <span class="quiet">(${skipped} steps before these are in the trace)</span>` : ''}</p>
<pre class="detail"></pre>
<script type="application/json">${JSON.stringify(steps.map((step) => ({ atMs: step.atMs, lane: step.lane, lines: step.lines }))).replaceAll('<', '\\u003c')}</script>
</section>`
}

const pendingSection = (report: Report): string => {
  const rows = report.manifests ? report.pending.filter((row) => row.blocked) : []
  if (rows.length === 0) return ''
  const body = rows
    .map((row) => `<tr><td>${escape(row.object)}</td><td>${escape(row.waitsFor)}</td><td class="n">${row.runs} of ${report.runs}</td></tr>`)
    .join('')
  return `<section><h2>What waits, and for what</h2><table><thead><tr><th>object</th><th>waits for</th><th class="n">runs</th></tr></thead><tbody>${body}</tbody></table></section>`
}

const suites = (report: Report): string => {
  const body = report.suites
    .map((suite) => {
      const median = quantile(suite.convergedAfterMs, 0.5)
      const longest = quantile(suite.convergedAfterMs, 1)
      const level = median === null || longest === null ? '–' : `${duration(median)}, ${duration(longest)}`
      return `<tr><td><b>${escape(suite.name)}</b><br><span class="quiet">${escape(suite.sentence)}</span></td><td class="n">${count(suite.runs)}</td><td class="n ${suite.failed > 0 ? 'bad' : ''}">${count(suite.failed)}</td><td class="n">${duration(suite.simulatedMs)}</td><td class="n">${level}</td><td><code>${suite.hash}</code></td></tr>`
    })
    .join('')
  return `<section><h2>Suites</h2><table><thead><tr><th>suite</th><th class="n">runs</th><th class="n">failed</th><th class="n">simulated</th><th class="n">back level after<br>(median, longest)</th><th>history hash</th></tr></thead><tbody>${body}</tbody></table></section>`
}

const charts = (report: Report): string => {
  const convergence = convergenceChart(report)
  const faults = faultChart(report)
  const part = (title: string, text: string, svg: string | null): string =>
    svg === null ? '' : `<section><h2>${title}</h2><p class="quiet">${text}</p><figure>${svg}</figure></section>`
  return `${part('How long it took to come back level', 'A dot is a run; the bar is the median. Time is counted from the end of the storm, when users and faults leave the cluster alone.', convergence)}
${part('Faults', 'What the storms were made of: every run draws which kinds may strike in it, and how often.', faults)}`
}

const matrix = (report: Report): string => {
  const missed = new Set(missedCoverage(report))
  const judged = report.invariants.filter((row) => row.nonVacuous > 0).length
  const body = report.invariants.map((row) => matrixRow(row, missed)).join('')
  return `<section><h2>Invariants</h2><p class="quiet">${judged} of ${report.invariants.length} were judged. “Judged” counts the times the rule had something to say; “notable” the times the interesting case was reached.</p>
<table class="matrix"><thead><tr><th>id</th><th>sentence</th><th class="n">looked</th><th class="n">judged</th><th class="n">notable</th><th class="n">runs violated</th></tr></thead><tbody>${body}</tbody></table></section>`
}

const matrixRow = (row: InvariantRow, missed: ReadonlySet<string>): string => {
  const state = row.runsViolated > 0 ? 'violated' : row.nonVacuous > 0 ? 'held' : missed.has(row.id) ? 'missed' : 'idle'
  const allows = row.allows.length === 0 ? '' : ` · grants ${row.allows.join(', ')}`
  return `<tr class="${state}"><td><b>${row.id}</b></td><td>${escape(row.sentence)}<br><span class="quiet">${escape(row.source)} · notable: ${escape(row.sometimes)}${allows}</span></td><td class="n">${count(row.evaluated)}</td><td class="n">${count(row.nonVacuous)}</td><td class="n">${count(row.notable)}</td><td class="n">${row.runsViolated === 0 ? '0' : count(row.runsViolated)}</td></tr>`
}

const notes = (report: Report): string =>
  report.notes.length === 0
    ? ''
    : `<section><h2>Notes</h2><ul>${report.notes.map((note) => `<li>${escape(note)}</li>`).join('')}</ul></section>`

const SCRIPT = `
for (const section of document.querySelectorAll('.failure')) {
  const steps = JSON.parse(section.querySelector('script').textContent)
  const slider = section.querySelector('input'), output = section.querySelector('output'), detail = section.querySelector('.detail')
  const cursor = section.querySelector('.cursor'), scroll = section.querySelector('.scroll'), marks = section.querySelectorAll('.step')
  const show = (index, follow) => {
    const step = steps[index]
    if (!step) return
    const x = Number(cursor.dataset.left) + index * Number(cursor.dataset.step)
    cursor.setAttribute('x1', x); cursor.setAttribute('x2', x)
    output.textContent = 'step ' + (index + 1) + ' of ' + steps.length
    detail.textContent = step.lines.join('\\n')
    marks.forEach((mark, at) => mark.classList.toggle('on', at === index))
    if (follow) scroll.scrollLeft = x - scroll.clientWidth / 2
  }
  slider.addEventListener('input', () => show(Number(slider.value), true))
  marks.forEach((mark, at) => mark.addEventListener('click', () => { slider.value = at; show(at, false) }))
  show(Number(slider.value), true)
}
`
