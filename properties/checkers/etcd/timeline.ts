/** The part of a history a violation is seen in: the calls and deliveries it names, the faults and leaders around them. */
import type { Seen } from '../../../model/state/history.ts'
import type { Finding, TimelineEntry } from '../verdict.ts'
import type { Calls } from './calls.ts'
import type { Stream } from './watches.ts'

export interface FaultSpan {
  readonly seen: Seen<'FaultChanged'> | Seen<'Elected'> | Seen<'SteppedDown'>
}

/** How many calls around each one that is blamed are shown too. */
const NEIGHBOURS = 10

export const timelineOf = (
  findings: readonly Finding[],
  calls: Calls,
  streams: ReadonlyMap<string, Stream>,
  faults: readonly FaultSpan[],
): readonly TimelineEntry[] => {
  const reasons = findings.filter(({ verdict }) => verdict === 'violated').flatMap(({ why }) => why)
  if (reasons.length === 0) return []
  const blamed = new Set(reasons.flatMap((reason) => reason.calls))
  const around = new Set<number>()
  for (const [index, name] of calls.names.entries()) {
    if (!blamed.has(name)) continue
    for (let other = Math.max(0, index - NEIGHBOURS); other <= Math.min(calls.length - 1, index + NEIGHBOURS); other++) around.add(other)
  }
  const bars = [...around].map((index): TimelineEntry => {
    const repliedMs = calls.repliedMs.at(index)
    return {
      lane: calls.processes.text(calls.process.at(index)),
      kind: 'call',
      fromMs: calls.invokedMs.at(index),
      toMs: Number.isFinite(repliedMs) ? repliedMs : null,
      text: calls.text(index),
      blamed: blamed.has(calls.names[index] as string),
    }
  })
  const deliveries = reasons.flatMap(({ text, atMs, calls: names }) =>
    names.flatMap((name): readonly TimelineEntry[] => {
      const stream = streams.get(name)
      if (stream === undefined || atMs === null) return []
      return [{ lane: stream.process, kind: 'delivery', fromMs: atMs, toMs: atMs, text, blamed: true }]
    }),
  )
  return [...bars, ...deliveries, ...spansOf(faults)].toSorted((one, other) => one.fromMs - other.fromMs)
}

/** A fault lasts from where it began to where the same one ended. */
const spansOf = (faults: readonly FaultSpan[]): readonly TimelineEntry[] => {
  const entries: TimelineEntry[] = []
  const begun = new Map<string, number>()
  for (const { seen } of faults) {
    if (seen.kind === 'Elected' || seen.kind === 'SteppedDown') {
      const text = `${seen.member} ${seen.kind === 'Elected' ? 'leads' : 'steps down in'} term ${seen.term}`
      entries.push({ lane: seen.member, kind: 'leader', fromMs: seen.atMs, toMs: seen.atMs, text, blamed: false })
      continue
    }
    const name = JSON.stringify(seen.fault)
    if (seen.outcome === 'ended') {
      const index = begun.get(name)
      const entry = index === undefined ? undefined : entries[index]
      if (index !== undefined && entry !== undefined) entries[index] = { ...entry, toMs: seen.atMs }
      begun.delete(name)
    } else if (seen.outcome === 'begun') {
      begun.set(name, entries.length)
      const text = `${seen.fault.kind}${seen.detail === '' ? '' : ` ${seen.detail}`}`
      entries.push({ lane: 'faults', kind: 'fault', fromMs: seen.atMs, toMs: null, text, blamed: false })
    }
  }
  return entries
}

/** As text: one line an entry, those to blame marked. */
export const printTimeline = (timeline: readonly TimelineEntry[]): readonly string[] => {
  const lanes = timeline.reduce((width, { lane }) => Math.max(width, lane.length), 0)
  return timeline.map(({ lane, fromMs, toMs, text, blamed }) => {
    const to = toMs === null ? 'open' : toMs === fromMs ? '' : (toMs / 1000).toFixed(3)
    return `${blamed ? '✗' : ' '} ${(fromMs / 1000).toFixed(3).padStart(10)} ${to.padStart(10)}  ${lane.padEnd(lanes)}  ${text}`
  })
}
