/**
 * Watches: what was delivered on a stream against what was committed, event by event.
 *
 * For streams of the API the committed history is first seen through the stream's selector. SEMANTICS 2.1 and 2.2.
 */
import type { Context, Invariant, Judgement } from '../invariant.ts'
import type { Delivered, Observation, Seen } from '../state/history.ts'
import type { KeyRange, Stored } from '../state/keyspace.ts'
import type { Pod } from '../state/objects.ts'
import { resourceOfKey } from '../state/resources.ts'
import { watching, type Fields } from './define.ts'

interface Change {
  readonly atMs: number
  readonly revision: number
  readonly key: string
  readonly before: Stored | null
  readonly after: Stored | null
}

interface Stream {
  readonly opened: Seen<'WatchOpened'>
  /** Nothing at or below it is due: what it starts after. */
  readonly after: number
  /** How far in the changes of its group it is. */
  place: number
  lastRevision: number
  /** Revision of the latest progress notice or bookmark. */
  promised: number
}

const groupOf = (key: string): string => resourceOfKey(key) ?? ''
const within = (key: string, { key: from, rangeEnd }: KeyRange): boolean =>
  rangeEnd === undefined ? key === from : key >= from && (rangeEnd === '\0' || key < rangeEnd)

const matches = (stored: Stored | null, selector: string | undefined): boolean => {
  if (stored === null) return false
  if (selector === undefined) return true
  const [field = '', value = ''] = selector.split('=')
  if (field !== 'spec.nodeName') throw new Error(`the specification knows no field selector ${field}`)
  return ((stored.value as Pod).spec.nodeName ?? '') === value
}

/** What a stream must be told of a change; null: nothing. */
const expected = (stream: Stream, change: Change): Delivered['type'] | null => {
  const { opened } = stream
  if (change.revision <= stream.after || !within(change.key, opened.range)) return null
  if (opened.layer === 'etcd') {
    const [type, filter] = change.after === null ? (['DELETE', 'NODELETE'] as const) : (['PUT', 'NOPUT'] as const)
    return opened.filters?.includes(filter) === true ? null : type
  }
  const was = matches(change.before, opened.fieldSelector)
  const is = matches(change.after, opened.fieldSelector)
  if (is) return was ? 'MODIFIED' : 'ADDED'
  return was ? 'DELETED' : null
}

/** The committed changes by group of keys, and the open streams. One for each invariant and run. */
class Streams {
  readonly changes = new Map<string, Change[]>()
  readonly open = new Map<string, Stream>()

  commit(seen: Seen<'Commit'>): void {
    const group = groupOf(seen.key)
    const list = this.changes.get(group)
    if (list === undefined) this.changes.set(group, [seen])
    else list.push(seen)
  }

  begin(opened: Seen<'WatchOpened'>): void {
    const after = opened.layer === 'etcd' ? opened.startRevision - 1 : opened.startRevision
    this.open.set(opened.stream, { opened, after, place: 0, lastRevision: after, promised: 0 })
  }

  changesFor(stream: Stream): readonly Change[] {
    return this.changes.get(groupOf(stream.opened.range.key)) ?? []
  }

  /** Takes the changes up to a revision off the stream's list: those it must have been told of. */
  take(stream: Stream, revision: number): readonly { readonly change: Change; readonly type: Delivered['type'] }[] {
    const changes = this.changesFor(stream)
    const due: { change: Change; type: Delivered['type'] }[] = []
    while (stream.place < changes.length && (changes[stream.place] as Change).revision <= revision) {
      const change = changes[stream.place] as Change
      stream.place++
      const type = expected(stream, change)
      if (type !== null) due.push({ change, type })
    }
    return due
  }
}

type Layer = 'etcd' | 'api'

/** Follows streams of one layer; `judge` sees each delivery with the stream as it was before it. */
const onDelivery = (
  fields: Fields,
  layer: Layer,
  judge: (seen: Seen<'WatchDelivered'>, stream: Stream, streams: Streams) => Judgement,
  end?: (streams: Streams, nowMs: number, context: Context) => Judgement,
): Invariant =>
  watching(fields, ['Commit', 'WatchOpened', 'WatchDelivered', 'WatchClosed', 'ProcessEnded', 'PhaseBegan'], () => {
    const streams = new Streams()
    return {
      observe(next: Observation, context: Context): Judgement {
        switch (next.kind) {
          case 'Commit':
            streams.commit(next)
            return 'vacuous'
          case 'WatchOpened':
            if (next.layer === layer) streams.begin(next)
            return 'vacuous'
          case 'WatchClosed':
            streams.open.delete(next.stream)
            return 'vacuous'
          case 'ProcessEnded':
            for (const [name, { opened }] of streams.open) if (opened.process === next.process) streams.open.delete(name)
            return 'vacuous'
          case 'WatchDelivered': {
            const stream = streams.open.get(next.stream)
            if (stream === undefined || next.layer !== layer) return 'vacuous'
            const verdict = judge(next, stream, streams)
            const last = next.events.at(-1)
            if (last !== undefined) stream.lastRevision = Math.max(stream.lastRevision, last.revision)
            if (next.progress) stream.promised = Math.max(stream.promised, next.revision)
            return verdict
          }
          case 'PhaseBegan':
            return next.phase === 'end' && end !== undefined ? end(streams, next.atMs, context) : 'vacuous'
          default:
            return 'vacuous'
        }
      },
    }
  })

/** Ordered, unique, atomic. */
const inOrder = ({ stream: name, events }: Seen<'WatchDelivered'>, stream: Stream): Judgement => {
  const [first] = events
  if (first === undefined) return 'vacuous'
  if (first.revision <= stream.lastRevision && stream.lastRevision > stream.after) {
    return { why: `stream ${name} was told of revision ${first.revision} after it had been told of ${stream.lastRevision}` }
  }
  const keys = new Set<string>()
  let last = 0
  for (const event of events) {
    if (event.revision < last) return { why: `stream ${name} got revision ${event.revision} after ${last} in one response` }
    last = event.revision
    const id = `${event.revision}/${event.key}`
    if (keys.has(id)) return { why: `stream ${name} was told twice of ${event.key} at revision ${event.revision}` }
    keys.add(id)
  }
  return events.length > 1 ? 'notable' : 'holds'
}

/** Exactly the matching events, none left out. */
const complete = (seen: Seen<'WatchDelivered'>, stream: Stream, streams: Streams): Judgement => {
  const last = seen.events.at(-1)
  if (last === undefined) return 'vacuous'
  const due = streams.take(stream, last.revision)
  for (const [index, { change, type }] of due.entries()) {
    const event = seen.events[index]
    if (event === undefined || event.revision !== change.revision || event.key !== change.key) {
      const got = event === undefined ? 'nothing more' : `${event.type} ${event.key} at revision ${event.revision}`
      return { why: `stream ${seen.stream} was not told of ${type} ${change.key} at revision ${change.revision}: it got ${got}` }
    }
    if (event.type !== type)
      return { why: `stream ${seen.stream} was told ${event.type} ${event.key} at revision ${event.revision}, expected ${type}` }
  }
  const extra = seen.events[due.length]
  if (extra !== undefined)
    return {
      why: `stream ${seen.stream} was told of ${extra.type} ${extra.key} at revision ${extra.revision}, which was never committed or does not match`,
    }
  return stream.opened.startRevision > 1 ? 'notable' : 'holds'
}

/** A notice at r means that everything up to r was sent, and nothing up to r comes later. */
const bookmarks = (seen: Seen<'WatchDelivered'>, stream: Stream, streams: Streams): Judgement => {
  const early = seen.events.find((event) => event.revision <= stream.promised)
  if (early !== undefined)
    return { why: `stream ${seen.stream} was told of revision ${early.revision} after a notice at ${stream.promised}` }
  if (!seen.progress) return 'vacuous'
  if (seen.revision < stream.promised)
    return { why: `stream ${seen.stream} got a notice at ${seen.revision} after one at ${stream.promised}` }
  const missed = streams
    .changesFor(stream)
    .find(
      (change) =>
        change.revision > Math.max(stream.lastRevision, stream.promised) &&
        change.revision <= seen.revision &&
        expected(stream, change) !== null,
    )
  if (missed !== undefined)
    return {
      why: `stream ${seen.stream} got a notice at ${seen.revision} without having been told of ${missed.key} at revision ${missed.revision}`,
    }
  return stream.lastRevision > stream.after ? 'notable' : 'holds'
}

const notBefore = (seen: Seen<'WatchDelivered'>, stream: Stream): Judgement => {
  const early = seen.events.find((event) => event.revision < stream.opened.startRevision)
  if (early !== undefined)
    return { why: `stream ${seen.stream} starts at ${stream.opened.startRevision} and was told of revision ${early.revision}` }
  return seen.events.length === 0 ? 'vacuous' : 'notable'
}

const details = (seen: Seen<'WatchDelivered'>, stream: Stream, streams: Streams): Judgement => {
  if (seen.events.length === 0) return 'vacuous'
  const changes = streams.changesFor(stream)
  let previous = false
  for (const event of seen.events) {
    const change = changes.findLast((one) => one.revision === event.revision && one.key === event.key)
    if (change === undefined) continue
    const { after, before } = change
    if (after !== null && (event.createRevision !== after.createRevision || event.version !== after.version)) {
      return {
        why: `stream ${seen.stream}: ${event.key} at revision ${event.revision} is said to be created at ${event.createRevision}, version ${event.version}`,
      }
    }
    if (event.prevRevision === undefined) continue
    previous = true
    if (event.prevRevision !== before?.modRevision) {
      return {
        why: `stream ${seen.stream}: the previous value of ${event.key} at revision ${event.revision} is said to be of revision ${event.prevRevision}, it was of ${before?.modRevision ?? 'none'}`,
      }
    }
  }
  return previous ? 'notable' : 'holds'
}

/** Delivered in the end: what was committed some while ago has reached every open stream. */
const delivered =
  (layer: Layer, slackMs: number) =>
  (streams: Streams, nowMs: number): Judgement => {
    let judged = false
    for (const stream of streams.open.values()) {
      if (stream.opened.layer !== layer) continue
      judged = true
      const missed = streams
        .changesFor(stream)
        .find(
          (change) =>
            change.revision > Math.max(stream.lastRevision, stream.promised) &&
            nowMs - Math.max(change.atMs, stream.opened.atMs) > slackMs &&
            expected(stream, change) !== null,
        )
      if (missed !== undefined)
        return {
          why: `stream ${stream.opened.stream} was not told of ${missed.key} at revision ${missed.revision}, committed ${nowMs - missed.atMs} ms before`,
        }
    }
    return judged ? 'notable' : 'vacuous'
  }

const API = 'https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes'
const ETCD = 'https://etcd.io/docs/v3.6/learning/api_guarantees/#watch-apis'
const safety = { kind: 'history', strength: 'safety' } as const
const liveness = { kind: 'convergence', strength: 'liveness' } as const

export const WATCH: readonly Invariant[] = [
  onDelivery(
    {
      id: 'ETCD-S17',
      sentence: 'events of one watch never repeat, never go back, and one revision is never split',
      source: ETCD,
      sometimes: 'one response holds several events',
      ...safety,
    },
    'etcd',
    inOrder,
  ),
  onDelivery(
    {
      id: 'ETCD-S18',
      sentence: 'a watch is told of every matching event from its start on, and of nothing else',
      source: `${ETCD}; etcd-io/etcd#17529`,
      sometimes: 'it started at a revision in the past',
      allows: ['ALLOW-3'],
      ...safety,
    },
    'etcd',
    complete,
  ),
  onDelivery(
    {
      id: 'ETCD-S19',
      sentence: 'a progress notice at a revision means that everything up to it was sent',
      source: `${ETCD}; etcd-io/etcd#15220`,
      sometimes: 'the stream had been told of something',
      ...safety,
    },
    'etcd',
    bookmarks,
  ),
  onDelivery(
    {
      id: 'ETCD-S20',
      sentence: 'a watch is told of nothing before its start revision',
      source: 'etcd-io/etcd#20221',
      sometimes: 'an event was delivered',
      ...safety,
    },
    'etcd',
    notBefore,
  ),
  onDelivery(
    {
      id: 'ETCD-S21',
      sentence: 'an event says truly when its key was created, how often it was put, and what it was before',
      source: 'etcd tests/robustness/validate/watch.go',
      sometimes: 'the previous value was asked for',
      ...safety,
    },
    'etcd',
    details,
  ),
  onDelivery(
    {
      id: 'ETCD-L5',
      sentence: 'an open watch on a connected member is told of each committed event',
      source: ETCD,
      sometimes: 'a stream was open at the end',
      ...liveness,
    },
    'etcd',
    () => 'vacuous',
    delivered('etcd', 5_000),
  ),
  onDelivery(
    {
      id: 'API-S14',
      sentence: 'a watch of the API is told of every change after its start as its selector sees it, in order, once',
      source: `${API}; KEP-1904`,
      sometimes: 'it resumes where an earlier one broke off',
      allows: ['ALLOW-3'],
      ...safety,
    },
    'api',
    (seen, stream, streams) => {
      const order = inOrder(seen, stream)
      return typeof order === 'object' ? order : complete(seen, stream, streams)
    },
  ),
  onDelivery(
    {
      id: 'API-S16',
      sentence: 'a bookmark means that everything up to it was sent, and nothing up to it comes later',
      source: 'KEP-956',
      sometimes: 'the stream had been told of something',
      ...safety,
    },
    'api',
    bookmarks,
  ),
  onDelivery(
    {
      id: 'API-L1',
      sentence: 'an open watch of the API is told of each matching change',
      source: API,
      sometimes: 'a stream was open at the end',
      ...liveness,
    },
    'api',
    () => 'vacuous',
    delivered('api', 5_000),
  ),
]
