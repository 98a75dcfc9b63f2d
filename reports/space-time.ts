/**
 * A counterexample as a space-time diagram: a lane for each process, time to the right, what it did as marks, requests
 * and answers between clients and members as arrows (Lamport 1978).
 *
 * Equal steps of width stand for events, not for time: long silences take no room. The time stands below each.
 */
import type { History, Observation } from '../model/state/history.ts'
import type { Trace } from '../traces/trace.ts'
import { describe } from '../traces/print.ts'

export interface DiagramStep {
  readonly atMs: number
  readonly lane: string
  readonly kind: 'user' | 'fault' | 'life' | 'lead' | 'commit' | 'call' | 'broken'
  /** Its lines in the printed trace. */
  readonly lines: readonly string[]
  /** Lane an arrow goes to, for calls and answers. */
  readonly to: string | null
}

export interface Diagram {
  /** The names of the lanes, which stay in sight while the rest is scrolled. */
  readonly names: string
  readonly svg: string
  readonly steps: readonly DiagramStep[]
  /** Steps left out at the beginning. */
  readonly skipped: number
}

const STEPS_MOST = 160
const STEP = 22
const LANE = 26
const NAMES = 190
const LEFT = 12
const TOP = 16

export const diagramOf = (trace: Trace, history: History): Diagram => {
  const all = stepsOf(trace, history)
  const last = all.findLastIndex((step) => step.kind === 'broken')
  const shown = all.slice(0, last < 0 ? all.length : last + 1)
  const steps = shown.slice(-STEPS_MOST)
  return { steps, skipped: shown.length - steps.length, ...draw(steps) }
}

const stepsOf = (trace: Trace, history: History): readonly DiagramStep[] => {
  const broken = new Map(trace.violations.map((violation) => [violation.step, violation]))
  const servers = new Map<string, string>()
  const steps: DiagramStep[] = []
  for (const [index, seen] of history.entries()) {
    if (seen.kind === 'Invoke') servers.set(seen.call, seen.to)
    const lines = describe(seen)
    const violation = broken.get(index)
    if (lines.length > 0) steps.push({ atMs: seen.atMs, lines: trimmed(lines), ...placeOf(seen, servers) })
    if (violation !== undefined) {
      const { lane } = placeOf(seen, servers)
      steps.push({
        atMs: seen.atMs,
        lane,
        kind: 'broken',
        to: null,
        lines: [`✗ ${violation.invariant}: ${violation.sentence}`, violation.why],
      })
    }
  }
  return steps
}

const trimmed = (lines: readonly string[]): readonly string[] => lines.map((line) => line.trim().replaceAll(/ {2,}/g, '  '))

const placeOf = (seen: Observation, servers: ReadonlyMap<string, string>): Pick<DiagramStep, 'lane' | 'kind' | 'to'> => {
  const at = (lane: string, kind: DiagramStep['kind'], to: string | null = null): Pick<DiagramStep, 'lane' | 'kind' | 'to'> => ({
    lane,
    kind,
    to,
  })
  switch (seen.kind) {
    case 'UserActed':
    case 'DrainChanged':
      return at('user', 'user')
    case 'FaultChanged':
      return at('faults', 'fault')
    case 'ProcessStarted':
    case 'ProcessEnded':
      return at(seen.process, 'life')
    case 'Elected':
    case 'SteppedDown':
    case 'Applied':
    case 'Committed':
    case 'Voted':
      return at(seen.member, 'lead')
    case 'Leading':
    case 'StoppedLeading':
      return at(seen.process, 'lead')
    case 'Commit':
      return at(seen.author, 'commit', seen.via === seen.author ? null : seen.via)
    case 'Invoke':
      return at(seen.process, 'call', seen.to)
    case 'Reply':
      return at(seen.process, 'call', servers.get(seen.call) ?? null)
    case 'ContainerExited':
    case 'ContainerStarted':
    case 'StopSignal':
    case 'Probed':
    case 'HookChanged':
      return at(`kubelet-${seen.node}`, 'life')
    case 'Routed':
    case 'RulesSwapped':
      return at(`kube-proxy-${seen.node}`, 'call')
    case 'Decision':
      return at(seen.process, 'commit')
    default:
      return at('cluster', 'life')
  }
}

const COLOURS: Readonly<Record<DiagramStep['kind'], string>> = {
  user: '#2563eb',
  fault: '#d97706',
  life: '#6b7280',
  lead: '#9333ea',
  commit: '#059669',
  call: '#0891b2',
  broken: '#dc2626',
}

const LANE_ORDER = [
  'user',
  'faults',
  'etcd-client',
  'etcd',
  'kube-apiserver',
  'kube-controller-manager',
  'kube-scheduler',
  'kubelet',
  'kube-proxy',
  'cluster',
]
const rankOf = (lane: string): number => {
  const rank = LANE_ORDER.findIndex((prefix) => lane.startsWith(prefix))
  return rank < 0 ? LANE_ORDER.length : rank
}

const draw = (steps: readonly DiagramStep[]): Pick<Diagram, 'names' | 'svg'> => {
  const named = [...new Set(steps.flatMap((step) => [step.lane, ...(step.to === null ? [] : [step.to])]))]
  const lanes = named.toSorted((one, other) => rankOf(one) - rankOf(other) || (one < other ? -1 : 1))
  const y = (lane: string): number => TOP + lanes.indexOf(lane) * LANE + LANE / 2
  const x = (index: number): number => LEFT + index * STEP + STEP / 2
  const width = LEFT + steps.length * STEP + 20
  const bottom = TOP + lanes.length * LANE
  const names = lanes.map((lane) => `<text x="${NAMES - 10}" y="${y(lane) + 4}" class="name">${escape(lane)}</text>`)
  const parts = lanes.map((lane) => `<line x1="0" x2="${width}" y1="${y(lane)}" y2="${y(lane)}" class="lane"/>`)
  let label = -1
  for (const [index, step] of steps.entries()) {
    const colour = COLOURS[step.kind]
    if (step.to !== null && step.to !== step.lane) {
      parts.push(`<line x1="${x(index)}" y1="${y(step.lane)}" x2="${x(index)}" y2="${y(step.to)}" stroke="${colour}" class="arrow"/>`)
    }
    const title = `<title>${escape(step.lines.join('\n'))}</title>`
    const mark =
      step.kind === 'broken'
        ? `<path d="M${x(index) - 7} ${y(step.lane) - 7}l14 14m0 -14l-14 14" stroke="${colour}" stroke-width="3.5">${title}</path>`
        : step.kind === 'fault'
          ? `<rect x="${x(index) - 6}" y="${y(step.lane) - 6}" width="12" height="12" fill="${colour}">${title}</rect>`
          : `<circle cx="${x(index)}" cy="${y(step.lane)}" r="5.5" fill="${colour}">${title}</circle>`
    parts.push(`<g class="step" data-step="${index}">${mark}</g>`)
    if (label < 0 || index - label >= 3) {
      parts.push(`<text x="${x(index)}" y="${bottom + 16}" class="time">${(step.atMs / 1000).toFixed(1)} s</text>`)
      label = index
    }
  }
  const cursor = `<line class="cursor" x1="${x(0)}" x2="${x(0)}" y1="${TOP - 6}" y2="${bottom}" data-left="${LEFT + STEP / 2}" data-step="${STEP}"/>`
  const svg = (kind: string, wide: number, title: string, body: string): string =>
    `<svg class="space-time ${kind}" width="${wide}" height="${bottom + 26}" viewBox="0 0 ${wide} ${bottom + 26}" role="img" aria-label="${title}">${body}</svg>`
  return {
    names: svg('names', NAMES, 'processes', names.join('')),
    svg: svg('steps', width, 'space-time diagram', cursor + parts.join('')),
  }
}

export const escape = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;')
