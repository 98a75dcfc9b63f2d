/** Garbage collection: what may be deleted for want of an owner, and that it is. SEMANTICS 2.8. */
import { standingOf } from '../components/garbage-collector.ts'
import type { Invariant } from '../invariant.ts'
import { deciding, had, keyOfRef, objectOf, safety, settles } from './define.ts'

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
    const made = history.versions(keyOfRef(choice.object)).find((version) => objectOf(version.after)?.metadata.uid === choice.object.uid)
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
      // What is made later is made on an old view of its owner: nobody was to leave it behind.
      if (made !== undefined && made.revision < asked.revision)
        return { why: `${process} collects ${choice.object.name}, which ${owner.name} was to leave behind` }
    }
    return 'notable'
  },
)

export const GARBAGE: readonly Invariant[] = [
  ownersGone,
  orphansStay,
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
