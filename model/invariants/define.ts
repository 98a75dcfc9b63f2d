/** How invariants are written down: fields first, then what keeps watch. */
import type { Context, Invariant, Judgement, Watcher } from '../invariant.ts'
import type { StoreHistory } from '../state/cluster.ts'
import type { Choice, ObservationKind, Seen, View } from '../state/history.ts'
import type { ApiObject } from '../state/objects.ts'
import { keyOf, prefixOf, resourceOfKey } from '../state/resources.ts'

export type Fields = Omit<Invariant, 'start' | 'allows' | 'hears' | 'resource'> & { readonly allows?: readonly string[] }

/** Judged on each step. */
export const safety = { kind: 'step', strength: 'safety' } as const
/** Clocks drift by less than this share. */
export const DRIFT = 0.002

/** Listens to one kind of observation and keeps nothing between them. */
export const each = <Kind extends ObservationKind>(
  fields: Fields,
  kind: Kind,
  judge: (seen: Seen<Kind>, context: Context) => Judgement,
): Invariant => ({
  allows: [],
  ...fields,
  memoryless: true,
  hears: [kind],
  start: () => ({ observe: (next, context) => judge(next as Seen<Kind>, context) }),
})

/** Keeps notes of its own over a run. */
export const watching = (fields: Fields, hears: readonly ObservationKind[], start: () => Watcher): Invariant => ({
  allows: [],
  ...fields,
  hears,
  start,
})

/** Judged at the end of the calm: nothing of this sort may still wait, but for what nothing could end. */
export const settles = (
  fields: Omit<Fields, 'kind' | 'strength'>,
  concerns: (object: string, waitsFor: string, context: Context) => boolean,
  /** Whether there is anything it speaks of. */
  about: (context: Context) => boolean,
): Invariant => ({
  allows: [],
  ...fields,
  kind: 'convergence',
  strength: 'liveness',
  hears: ['PhaseBegan'],
  start: () => ({
    observe: (next, context) => {
      if (next.kind !== 'PhaseBegan' || next.phase !== 'end' || !about(context)) return 'vacuous'
      const rows = context.pending().filter((row) => !row.blocked && concerns(row.object, row.waitsFor, context))
      const [first] = rows
      if (first === undefined) return 'notable'
      const more = rows.length === 1 ? '' : ` (and ${rows.length - 1} more)`
      return { why: `${first.object} still waits for ${first.waitsFor}${more}` }
    },
  }),
})

export const isRegistry = (key: string): boolean => key.startsWith('/registry/') && !key.startsWith('/registry/ranges/')
export const objectOf = <T extends ApiObject>(stored: { readonly value: unknown } | null | undefined): T | undefined =>
  stored === null || stored === undefined ? undefined : (stored.value as T)

/** Commits of one resource only. */
export const eachCommit = (
  fields: Fields,
  resource: string | null,
  judge: (seen: Seen<'Commit'>, context: Context) => Judgement,
): Invariant => ({
  ...each(fields, 'Commit', (seen, context) => {
    if (!isRegistry(seen.key)) return 'vacuous'
    return resource === null || resourceOfKey(seen.key) === resource ? judge(seen, context) : 'vacuous'
  }),
  ...(resource === null ? {} : { resource }),
})

export const keyOfRef = (ref: { readonly resource: string; readonly namespace?: string; readonly name: string }): string =>
  keyOf(ref.resource, ref.namespace, ref.name)

// Decisions, by what the decider had seen

export type Deciding<Kind extends Choice['kind']> = Seen<'Decision'> & { readonly choice: Extract<Choice, { readonly kind: Kind }> }

/** Decisions of some kinds, judged by what the decider had seen. */
export const deciding = <Kind extends Choice['kind']>(
  fields: Fields,
  kinds: readonly Kind[],
  judge: (seen: Deciding<Kind>, context: Context) => Judgement,
): Invariant =>
  each(fields, 'Decision', (seen, context) =>
    (kinds as readonly string[]).includes(seen.choice.kind) ? judge(seen as Deciding<Kind>, context) : 'vacuous',
  )

export const viewed = <T extends ApiObject>(
  history: StoreHistory,
  view: View,
  ref: { readonly resource: string; readonly namespace?: string; readonly name: string },
): T | undefined => objectOf<T>(history.at(keyOfRef(ref), view[ref.resource] ?? 0))
export const listed = <T extends ApiObject>(history: StoreHistory, view: View, resource: string): readonly T[] =>
  history.listAt(resource, view[resource] ?? 0).map(({ stored }) => stored.value as T)

/** Whether there is, or ever was, an object of a resource. */
export const has =
  (resource: string) =>
  ({ cluster }: Context): boolean =>
    [...cluster.store.keys()].some((key) => key.startsWith(prefixOf(resource)))
export const had =
  (resource: string) =>
  ({ history }: Context): boolean =>
    history.keys(prefixOf(resource)).length > 0
