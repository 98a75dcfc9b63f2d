/** Garbage collection: what may be deleted for want of an owner, and that it is. SEMANTICS 2.8. */
import { standingOf } from '../components/garbage-collector.ts'
import { isDeleting } from '../components/objects.ts'
import type { Context, Invariant } from '../invariant.ts'
import type { Choice } from '../state/history.ts'
import type { ApiObject, OwnerReference } from '../state/objects.ts'
import { keyOf, prefixOf, resourceOfKind } from '../state/resources.ts'
import { deciding, had, isRegistry, keyOfRef, objectOf, safety, settles, watching, type Deciding } from './define.ts'

const ownersGone = deciding(
  {
    id: 'GC-S1',
    sentence: 'an object is collected only when each of its owners is gone, or waits for it to go',
    source: 'kubernetes pkg/controller/garbagecollector/garbagecollector.go',
    sometimes: 'an owner was deleted',
    ...safety,
  },
  ['CollectGarbage'],
  ({ choice, process }, { cluster }) => {
    if (choice.owners.length === 0) return { why: `${process} collects ${choice.object.name}, which has no owner` }
    for (const owner of choice.owners) {
      const held = objectOf(
        cluster.store.get(keyOfRef(owner)) ?? cluster.store.get(keyOfRef({ resource: owner.resource, name: owner.name })),
      )
      if (standingOf(held, owner.uid) === 'solid')
        return { why: `${process} collects ${choice.object.name}, whose owner ${owner.name} is there` }
    }
    return 'notable'
  },
)

const orphansStay = deciding(
  {
    id: 'GC-S3',
    sentence: 'what was there when its owner was deleted with orphans to be left is not collected',
    source: 'https://kubernetes.io/docs/concepts/architecture/garbage-collection/#orphaned-dependents',
    sometimes: 'something is collected',
    ...safety,
  },
  ['CollectGarbage'],
  ({ choice, process }, { history }) => {
    const own = history.versions(keyOfRef(choice.object))
    for (const owner of choice.owners) {
      const versions = history.versions(keyOfRef(owner))
      const leaves = ({ after }: (typeof versions)[number]): boolean => {
        const { uid, deletionTimestamp, finalizers } = objectOf(after)?.metadata ?? {}
        return uid === owner.uid && deletionTimestamp !== undefined && finalizers?.includes('orphan') === true
      }
      const asked = versions.find(leaves)
      if (asked === undefined) continue
      const ended = versions.find((version) => version.revision > asked.revision && !leaves(version))
      // Who deletes it once more, in another manner, takes the wish back (apiserver pkg/registry/generic/registry/store.go).
      if (ended !== undefined && !ended.author.startsWith('kube-controller-manager')) continue
      // What names it only later does so on an old view of its owner: nobody was to leave it behind.
      const since = own.filter(({ revision }) => revision > asked.revision).map(({ after }) => objectOf(after))
      const then = objectOf(history.at(keyOfRef(choice.object), asked.revision) ?? null)
      if ([then, ...since].every((object) => object?.metadata.uid === choice.object.uid && names(object, owner.uid)))
        return { why: `${process} collects ${choice.object.name}, which ${owner.name} was to leave behind` }
    }
    return 'notable'
  },
)

/** What names this owner, of all that the collector had seen. */
const dependentsSeen = ({ choice, view }: Deciding<'ReleaseOwner'>, { history }: Context) =>
  Object.entries(view).flatMap(([resource, revision]) =>
    history.listAt(resource, revision).flatMap(({ key, stored }) => {
      const object = stored.value as ApiObject
      const ref = object.metadata.ownerReferences?.find((owner) => owner.uid === choice.object.uid)
      return ref === undefined ? [] : [{ key, object, ref }]
    }),
  )

const waitedFor = deciding(
  {
    id: 'GC-S2',
    sentence: 'an owner that is to go after its dependents goes when none that it knows of holds it up any more',
    source: 'https://kubernetes.io/docs/concepts/architecture/garbage-collection/#foreground-deletion',
    sometimes: 'it had dependents',
    ...safety,
  },
  ['ReleaseOwner'],
  (seen, context) => {
    const { choice, process } = seen
    if (choice.finalizer !== 'foregroundDeletion') return 'vacuous'
    const holding = dependentsSeen(seen, context).find(({ ref }) => ref.blockOwnerDeletion === true)
    if (holding !== undefined) return { why: `${process} lets ${choice.object.name} go, which ${holding.key} holds up` }
    const some = context.history
      .keys(prefixOf('replicasets', choice.object.namespace))
      .concat(context.history.keys(prefixOf('pods', choice.object.namespace)))
      .some((key) => context.history.versions(key).some(({ after }) => names(objectOf(after), choice.object.uid)))
    return some ? 'notable' : 'holds'
  },
)

const names = (object: ApiObject | undefined, owner: string): boolean =>
  object?.metadata.ownerReferences?.some(({ uid }) => uid === owner) === true

const leftBehindFirst = deciding(
  {
    id: 'GC-R1',
    sentence: 'an owner that leaves its dependents behind goes when none that it knows of names it any more',
    source: 'https://kubernetes.io/docs/concepts/architecture/garbage-collection/#orphaned-dependents',
    sometimes: 'it was named by some',
    ...safety,
  },
  ['ReleaseOwner'],
  (seen, context) => {
    const { choice, process } = seen
    if (choice.finalizer !== 'orphan') return 'vacuous'
    const dependents = dependentsSeen(seen, context)
    const still = dependents.find(({ key, object }) => {
      const now = objectOf(context.cluster.store.get(key))
      return now?.metadata.uid === object.metadata.uid && names(now, choice.object.uid)
    })
    if (still !== undefined) return { why: `${process} lets ${choice.object.name} go, which ${still.key} still names` }
    return dependents.length > 0 ? 'notable' : 'holds'
  },
)

/** The object of the decision, whatever its kind calls it. */
const objectsOf = (choice: Choice): readonly string[] =>
  Object.values(choice).flatMap((part: unknown) => (typeof part === 'object' && part !== null && 'uid' in part ? [String(part.uid)] : []))

const asItWas: Invariant = watching(
  {
    id: 'GC-S4',
    sentence: 'what is collected has no live owner at the moment when it goes: who was given one meanwhile stays',
    source: 'kubernetes pkg/controller/garbagecollector/garbagecollector.go',
    sometimes: 'an owner of that name is there, with another uid',
    ...safety,
    kind: 'history',
  },
  ['Decision', 'Commit'],
  () => {
    /** Uid → who is collecting it; nobody else of that process has decided on it since. */
    const collecting = new Map<string, string>()
    return {
      observe(next, { cluster }) {
        if (next.kind === 'Decision') {
          if (next.choice.kind === 'CollectGarbage') collecting.set(next.choice.object.uid, next.process)
          else for (const uid of objectsOf(next.choice)) if (collecting.get(uid) === next.process) collecting.delete(uid)
          return 'vacuous'
        }
        if (next.kind !== 'Commit' || !isRegistry(next.key)) return 'vacuous'
        const object = objectOf(next.before)
        if (object === undefined || collecting.get(object.metadata.uid) !== next.author || isDeleting(object)) return 'vacuous'
        const after = objectOf(next.after)
        if (after !== undefined && !isDeleting(after)) return 'vacuous'
        collecting.delete(object.metadata.uid)
        let renamed = false
        for (const owner of object.metadata.ownerReferences ?? []) {
          const held = ownerIn(cluster.store, object, owner)
          if (standingOf(held, owner.uid) === 'solid')
            return { why: `${next.author} collects ${next.key}, whose owner ${owner.name} is there` }
          renamed ||= held !== undefined && held.metadata.uid !== owner.uid
        }
        return renamed ? 'notable' : 'holds'
      },
    }
  },
)

const ownerIn = (store: Context['cluster']['store'], object: ApiObject, owner: OwnerReference): ApiObject | undefined => {
  const resource = resourceOfKind(owner.kind)
  if (resource === undefined) return undefined
  return objectOf(store.get(keyOf(resource.resource, resource.namespaced ? object.metadata.namespace : undefined, owner.name)))
}

export const GARBAGE: readonly Invariant[] = [
  ownersGone,
  waitedFor,
  orphansStay,
  asItWas,
  leftBehindFirst,
  settles(
    {
      id: 'GC-L1',
      sentence: 'what belonged to an owner that is gone goes too',
      source: 'https://kubernetes.io/docs/concepts/architecture/garbage-collection/',
      sometimes: 'owned objects existed',
      allows: ['ALLOW-22'],
    },
    (_object, waitsFor) => waitsFor.includes('its owner is gone'),
    had('replicasets'),
  ),
]
