/** What comes of a cluster that has come to rest: it loses its control plane, all its processes, or all that it was given; or it is compared. */
import fc from 'fast-check'
import { resourceOfKind } from '../../model/state/resources.ts'
import type { Manifest, TimedAction } from '../../model/state/plan.ts'

export type AtRest =
  /** struck: processes of nodes that are killed meanwhile, and machines of nodes that lose their power, each after a share of the outage. */
  | {
      readonly kind: 'control plane out'
      readonly forMs: number
      readonly struck: readonly { readonly target: string; readonly after: number; readonly restartMs: number }[]
    }
  | { readonly kind: 'all restarted'; readonly forMs: number }
  | { readonly kind: 'all deleted'; readonly propagation: 'Background' | 'Foreground' }
  /** With how the same users fare on a day without faults. */
  | { readonly kind: 'compared' }
  | null

const PERCENT = 100

/** In most runs nothing. comparable: it may come to rest with nothing that waits. */
export const atRest = (nodeNames: readonly string[], comparable: boolean): fc.Arbitrary<AtRest> =>
  fc.oneof(
    { weight: 9, arbitrary: fc.constant(null) },
    {
      weight: 1,
      arbitrary: fc.record({
        kind: fc.constant('control plane out' as const),
        // Longer than a node's lease, than a pod's toleration that a few runs shorten, than a resync.
        forMs: fc.integer({ min: 20_000, max: 150_000 }),
        struck: fc.array(
          fc.record({
            target: fc.constantFrom(...nodeNames.flatMap((node) => [node, `kubelet-${node}`, `kube-proxy-${node}`])),
            after: fc.integer({ min: 0, max: PERCENT }),
            restartMs: fc.integer({ min: 100, max: 20_000 }),
          }),
          { maxLength: 3 },
        ),
      }),
    },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('all restarted' as const), forMs: fc.integer({ min: 100, max: 20_000 }) }) },
    {
      weight: 1,
      arbitrary: fc.record({
        kind: fc.constant('all deleted' as const),
        propagation: fc.constantFrom('Background' as const, 'Foreground' as const),
      }),
    },
    ...(comparable ? [{ weight: 2, arbitrary: fc.constant({ kind: 'compared' as const }) }] : []),
  )

const GAP_MS = 100

/** before: what was done in the storm. */
export const actionsAtRest = (drawn: AtRest, before: readonly TimedAction[]): readonly TimedAction[] => {
  switch (drawn?.kind) {
    case undefined:
    case 'compared':
      return []
    case 'control plane out':
      return [
        { atMs: 0, do: { kind: 'Outage', of: 'control plane', forMs: drawn.forMs }, atRest: true },
        ...drawn.struck.map(({ target, after, restartMs }): TimedAction => {
          const kind = target.startsWith('kube') ? ('CrashProcess' as const) : ('CrashMachine' as const)
          return { atMs: Math.floor((after * drawn.forMs) / PERCENT), do: { kind, target, restartMs }, atRest: true }
        }),
      ]
    case 'all restarted':
      return [{ atMs: 0, do: { kind: 'Outage', of: 'processes', forMs: drawn.forMs }, atRest: true }]
    case 'all deleted':
      return everApplied(before).map(({ resource, name }, index): TimedAction => ({
        atMs: index * GAP_MS,
        do: { kind: 'Delete', resource, name, propagation: drawn.propagation },
        atRest: true,
      }))
  }
}

/** Each object that was ever applied, once. */
const everApplied = (actions: readonly TimedAction[]): readonly { readonly resource: string; readonly name: string }[] => {
  const found = new Map<string, { resource: string; name: string }>()
  for (const { do: action } of actions) {
    if (action.kind !== 'Apply') continue
    const resource = resourceOfKind(action.object.kind)?.resource
    const name = qualified(action.object)
    if (resource !== undefined) found.set(`${resource} ${name}`, { resource, name })
  }
  return [...found.values()]
}

const qualified = ({ kind, metadata: { namespace, name } }: Manifest): string =>
  resourceOfKind(kind)?.namespaced === false ? name : `${namespace ?? 'default'}/${name}`
