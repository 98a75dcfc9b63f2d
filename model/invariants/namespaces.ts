/** Namespaces: the last to go of all that is in them. SEMANTICS 2.3. */
import { contentsOf, FINALIZER } from '../components/namespace.ts'
import type { Context, Invariant, Judgement } from '../invariant.ts'
import type { Namespace } from '../state/objects.ts'
import { prefixOf } from '../state/resources.ts'
import { DRIFT, eachCommit, objectOf, safety, settles } from './define.ts'

const SOURCE = 'kubernetes pkg/controller/namespace/deletion'
const CONTROLLER = 'kube-controller-manager'
/** How long API servers are given to see that a namespace is being deleted. */
const GRACE_MS = 5_000

const contentsFirst = eachCommit(
  {
    id: 'NS-S1',
    sentence: 'a namespace is removed only when nobody holds it back and nothing is left in it',
    source: SOURCE,
    sometimes: 'there had been something in it when its deletion was asked for',
    allows: ['ALLOW-6'],
    ...safety,
  },
  'namespaces',
  ({ key, before, after, author, revision }, { cluster, history }) => {
    const namespace = objectOf<Namespace>(before)
    if (namespace === undefined || after !== null) return 'vacuous'
    const { name, uid } = namespace.metadata
    const wrong = (how: string): Judgement => ({ why: `${key} was removed at revision ${revision} ${how}` })
    // Only the controller that lets it go removes it with the same write.
    const finalizers = (namespace.spec?.finalizers ?? []).filter((held) => held !== FINALIZER || !author.startsWith(CONTROLLER))
    if (finalizers.length > 0) return wrong(`by ${author}, though ${finalizers.join(', ')} had still to say that it is empty`)
    const began = history.versions(key).find(({ after: version }) => isEnding(objectOf<Namespace>(version), uid))
    if (began === undefined) return wrong('without its deletion having begun')
    for (const { key: left, value } of contentsOf(cluster.store, name)) {
      const born = history.versions(left).find(({ after: version }) => objectOf(version)?.metadata.uid === value.metadata.uid)
      // Let in by a server that had not seen the deletion for longer than it is given.
      if (born === undefined || born.atMs - began.atMs >= GRACE_MS * (1 - DRIFT)) continue
      return wrong(`with ${value.kind} ${value.metadata.name} still in it`)
    }
    const held = history.keys('/registry/').some((one) => one.includes(`/${name}/`) && history.at(one, began.revision) !== undefined)
    return held ? 'notable' : 'holds'
  },
)

const isEnding = (namespace: Namespace | undefined, uid: string): boolean =>
  namespace?.metadata.uid === uid && namespace.metadata.deletionTimestamp !== undefined

/** A namespace was ever deleted. */
const deletedAny = ({ history }: Context): boolean =>
  history
    .keys(prefixOf('namespaces'))
    .some((key) => history.versions(key).some(({ after }) => objectOf<Namespace>(after)?.metadata.deletionTimestamp !== undefined))

export const NAMESPACES: readonly Invariant[] = [
  contentsFirst,
  settles(
    {
      id: 'NS-L1',
      sentence: 'a namespace that is being deleted disappears, if nothing in it is held back',
      source: SOURCE,
      sometimes: 'a namespace was deleted',
    },
    (object) => object.startsWith('Namespace '),
    deletedAny,
  ),
]
