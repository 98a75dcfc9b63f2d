/** What the controller of Databases promises, judged on what a run's store took in; and when a Database has all it asks for. */
import type { Cluster, Context, Invariant, Judgement, Pending } from '../../properties/plugin/types.ts'
import type { Seen } from '../../model/state/history.ts'
import type { Service } from '../../model/state/objects.ts'
import type { PodDisruptionBudget } from '../../model/state/policy.ts'
import type { StatefulSet } from '../../model/state/stateful.ts'
import { DATABASES, generationOf, imageOf, isRolledOut, ownerOf, type Database } from './database.ts'

const keyOf = (resource: string, { metadata }: Database): string => `/registry/${resource}/${metadata.namespace}/${metadata.name}`

const each = (
  fields: Pick<Invariant, 'id' | 'sentence' | 'sometimes'>,
  resource: string,
  judge: (commit: Seen<'Commit'>, context: Context) => Judgement,
): Invariant => ({
  ...fields,
  source: 'examples/controller/README.md',
  kind: 'step',
  strength: 'safety',
  allows: [],
  hears: ['Commit'],
  start: () => ({
    observe: (next, context) =>
      next.kind === 'Commit' && next.key.startsWith(`/registry/${resource}/`) ? judge(next, context) : 'vacuous',
  }),
})

const neverTakenBack = each(
  {
    id: 'DB-S1',
    sentence: 'the StatefulSet of a Database is never taken back to what an older generation of it asked for',
    sometimes: 'it follows a change of its Database',
  },
  'statefulsets',
  ({ before, after, author }) => {
    const was = before?.value as StatefulSet | undefined
    const is = after?.value as StatefulSet | undefined
    if (was === undefined || is === undefined || ownerOf(is)?.kind !== 'Database' || ownerOf(was)?.uid !== ownerOf(is)?.uid)
      return 'vacuous'
    const [from, to] = [generationOf(was), generationOf(is)]
    if (to >= from) return to > from ? 'notable' : 'holds'
    return {
      why: `${author} takes StatefulSet ${is.metadata.name} back from generation ${from} of its Database to ${to}: ${was.spec.replicas} replicas of ${imageIn(was)} become ${is.spec.replicas} of ${imageIn(is)}`,
    }
  },
)

const imageIn = ({ spec }: StatefulSet): string => spec.template.spec.containers[0]?.image ?? '-'

const versionIsTrue = each(
  {
    id: 'DB-S2',
    sentence: 'the version that the status of a Database tells has been running on all of its pods',
    sometimes: 'it tells a new version',
  },
  DATABASES,
  ({ before, after, author }, { history }) => {
    const was = before?.value as Database | undefined
    const is = after?.value as Database | undefined
    const version = is?.status?.version
    if (is === undefined || version === undefined || version === was?.status?.version) return 'vacuous'
    const ran = history.versions(keyOf('statefulsets', is)).some(({ after: held }) => {
      const set = held?.value as StatefulSet | undefined
      return set !== undefined && ownerOf(set)?.uid === is.metadata.uid && imageIn(set) === imageOf(version) && isRolledOut(set)
    })
    return ran ? 'notable' : { why: `${author} says that Database ${is.metadata.name} runs version ${version}, which its pods never did` }
  },
)

export const invariants: readonly Invariant[] = [neverTakenBack, versionIsTrue]

/** What each Database still waits for. Nothing helps it while nothing helps its StatefulSet: its node is lost for good, say. */
export const pending = ({ store }: Cluster, others: readonly Pending[]): readonly Pending[] =>
  [...store].flatMap(([key, { value }]) => {
    if (!key.startsWith(`/registry/${DATABASES}/`)) return []
    const database = value as Database
    const waitsFor = missing(store, database)
    const name = `${database.metadata.namespace}/${database.metadata.name}`
    const blocked = others.some((other) => other.blocked && other.object === `StatefulSet ${name}`)
    return waitsFor === null ? [] : [{ object: `Database ${name}`, waitsFor, blocked, derived: blocked }]
  })

const missing = (store: Cluster['store'], database: Database): string | null => {
  const { replicas, version, minAvailable } = database.spec
  if (database.metadata.deletionTimestamp !== undefined) return 'its end'
  const find = <T>(resource: string): T | undefined => {
    const held = store.get(keyOf(resource, database))?.value as StatefulSet | undefined
    return held !== undefined && ownerOf(held)?.uid === database.metadata.uid ? (held as T) : undefined
  }
  const set = find<StatefulSet>('statefulsets')
  const budget = find<PodDisruptionBudget>('poddisruptionbudgets')
  if (set === undefined) return 'its StatefulSet'
  if (find<Service>('services') === undefined) return 'its Service'
  if (budget === undefined) return 'its PodDisruptionBudget'
  if (set.spec.replicas !== replicas || imageIn(set) !== imageOf(version))
    return `a StatefulSet of ${replicas} replicas of version ${version}`
  if (budget.spec.minAvailable !== minAvailable) return `a budget that keeps ${minAvailable} pods`
  if (!isRolledOut(set)) return `${replicas} ready pods of version ${version}`
  const { status } = database
  if (status?.version !== version || status.ready !== replicas) return `its status to tell version ${version} and ${replicas} ready pods`
  return null
}
