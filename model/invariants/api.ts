/** The API server: objects, versions, deletion, reads. SEMANTICS 2.2 and 2.11 (addresses). */
import type { Context, Invariant, Judgement } from '../invariant.ts'
import type { ApiCall, Seen } from '../state/history.ts'
import type { ApiObject, Service } from '../state/objects.ts'
import { resourceIn } from '../state/custom.ts'
import { keyOf, prefixOf, resourceOfKey, type Resource } from '../state/resources.ts'
import type { StoreHistory } from '../state/cluster.ts'
import { sameValue } from '../components/objects.ts'
import { eachCommit, isRegistry, objectOf, watching, type Fields } from './define.ts'

const CONCEPTS = 'https://kubernetes.io/docs/reference/using-api/api-concepts/'
const CLEANUP = 'customresourcecleanup.apiextensions.k8s.io'
const safety = { kind: 'step', strength: 'safety' } as const

type Loose = ApiObject & { readonly spec?: unknown; readonly status?: { readonly observedGeneration?: number } }

/** Calls of one process on one key that are not answered yet. */
class OpenCalls {
  private readonly calls = new Map<string, Seen<'Invoke'>>()

  note(seen: Seen<'Invoke'>): void {
    if (seen.request.kind === 'Api') this.calls.set(seen.call, seen)
  }

  /** The call a reply belongs to. */
  answered(seen: Seen<'Reply'>): Seen<'Invoke'> | undefined {
    const found = this.calls.get(seen.call)
    // A call whose outcome is open may still take effect.
    if (seen.outcome.kind !== 'unknown') this.calls.delete(seen.call)
    return found
  }

  of(process: string, key: string, context: Context): readonly ApiCall[] {
    const found: ApiCall[] = []
    for (const { process: owner, request } of this.calls.values()) {
      if (owner === process && request.kind === 'Api' && keyOfCall(request, context) === key) found.push(request)
    }
    return found
  }
}

const keyOfCall = (call: ApiCall, { cluster }: Context): string | null => {
  if (call.name === undefined) return null
  const namespaced = resourceIn(cluster.store, call.resource)?.namespaced === true
  return keyOf(call.resource, namespaced ? (call.namespace ?? 'default') : undefined, call.name)
}

const withCalls = (fields: Fields, judge: (commit: Seen<'Commit'>, calls: OpenCalls, context: Context) => Judgement): Invariant =>
  watching(fields, ['Invoke', 'Reply', 'Commit'], () => {
    const calls = new OpenCalls()
    return {
      observe(next, context) {
        if (next.kind === 'Invoke') calls.note(next)
        else if (next.kind === 'Reply') calls.answered(next)
        else if (next.kind === 'Commit' && isRegistry(next.key)) return judge(next, calls, context)
        return 'vacuous'
      },
    }
  })

const onReply = (
  fields: Fields,
  judge: (call: ApiCall, reply: Seen<'Reply'> & { outcome: { kind: 'done' } }, context: Context, floor: number) => Judgement,
): Invariant =>
  watching(fields, ['Invoke', 'Reply'], () => {
    const open = new Map<string, { call: ApiCall; floor: number }>()
    let acknowledged = 0
    return {
      observe(next, context) {
        if (next.kind === 'Invoke') {
          if (next.request.kind === 'Api') open.set(next.call, { call: next.request, floor: acknowledged })
          return 'vacuous'
        }
        if (next.kind !== 'Reply') return 'vacuous'
        const asked = open.get(next.call)
        open.delete(next.call)
        if (asked === undefined || next.outcome.kind !== 'done') return 'vacuous'
        const { verb } = asked.call
        if (verb !== 'get' && verb !== 'list') acknowledged = Math.max(acknowledged, next.outcome.revision)
        return judge(asked.call, next as Seen<'Reply'> & { outcome: { kind: 'done' } }, context, asked.floor)
      },
    }
  })

/** The version of a key right before the one with this revision. */
const beforeRevision = (history: StoreHistory, key: string, revision: number): number | null => {
  const versions = history.versions(key)
  const place = versions.findLastIndex((version) => version.revision === revision)
  return place < 0 ? null : (versions[place - 1]?.revision ?? 0)
}

const noLostUpdate = onReply(
  {
    id: 'API-S2',
    sentence: 'an update that names a version replaced that very version',
    source: 'k8s.io/apiserver pkg/registry/generic/registry/store.go',
    sometimes: 'the object was changed by it',
    ...safety,
  },
  (call, reply, context) => {
    const key = keyOfCall(call, context)
    if (call.verb !== 'update' || key === null || call.resourceVersion === undefined || call.resourceVersion === '') return 'vacuous'
    const { revision } = reply.outcome
    const asked = Number(call.resourceVersion)
    if (revision === asked) return 'holds'
    const before = beforeRevision(context.history, key, revision)
    if (before === null) return { why: `${reply.call} was told that ${key} is at revision ${revision}, which was never committed` }
    return before === asked ? 'notable' : { why: `${reply.call} replaced revision ${before} of ${key}, though it named revision ${asked}` }
  },
)

const versionsGrow = eachCommit(
  {
    id: 'API-S3',
    sentence: 'the version of an object is the revision of its last change and only grows',
    source: CONCEPTS,
    sometimes: 'an object is changed',
    ...safety,
  },
  null,
  ({ key, revision, before, after }) => {
    if (after === null) return 'vacuous'
    if (after.modRevision !== revision) return { why: `${key} committed at revision ${revision} has version ${after.modRevision}` }
    if (before !== null && before.modRevision >= revision) return { why: `${key} went from version ${before.modRevision} to ${revision}` }
    if (before !== null && !key.startsWith('/registry/leases/') && sameValue(before.value, after.value))
      return { why: `${key} was written at revision ${revision} without a change` }
    return before === null ? 'holds' : 'notable'
  },
)

const uniqueUids: Invariant = watching(
  {
    id: 'API-S4',
    sentence: 'a uid belongs to one object for ever; the same name after a deletion has another',
    source: 'https://kubernetes.io/docs/concepts/overview/working-with-objects/names/#uids',
    sometimes: 'a name is used again',
    ...safety,
  },
  ['Commit'],
  () => {
    const owners = new Map<string, string>()
    return {
      observe(next, { history }) {
        const { key, before, after, revision } = next as Seen<'Commit'>
        const object = objectOf(after)
        if (!isRegistry(key) || object === undefined) return 'vacuous'
        const { uid } = object.metadata
        const was = objectOf(before)
        if (was !== undefined)
          return was.metadata.uid === uid
            ? 'holds'
            : { why: `${key} changed its uid from ${was.metadata.uid} to ${uid} at revision ${revision}` }
        const held = owners.get(uid)
        owners.set(uid, key)
        if (held !== undefined) return { why: `${key} was created with the uid ${uid} of ${held}` }
        return history.versions(key).length > 1 ? 'notable' : 'holds'
      },
    }
  },
)

const immutable = eachCommit(
  {
    id: 'API-S5',
    sentence: 'name, namespace, creation time and selectors never change',
    source: 'k8s.io/apimachinery pkg/api/validation/objectmeta.go',
    sometimes: 'a workload is changed',
    ...safety,
  },
  null,
  ({ key, before, after, revision }) => {
    const was = objectOf<Loose>(before)
    const is = objectOf<Loose>(after)
    if (was === undefined || is === undefined) return 'vacuous'
    for (const field of ['name', 'namespace', 'creationTimestamp'] as const) {
      if (was.metadata[field] !== is.metadata[field]) return { why: `${key} changed its ${field} at revision ${revision}` }
    }
    if (is.kind !== 'Deployment' && is.kind !== 'ReplicaSet') return 'holds'
    const selector = (object: Loose): unknown => (object.spec as { selector?: unknown }).selector
    return sameValue(selector(was), selector(is)) ? 'notable' : { why: `${key} changed its selector at revision ${revision}` }
  },
)

/** What the generation of an object counts changes of: its spec; of a custom one all but metadata, and status where that is apart. */
const counted = ({ definition, status }: Resource, object: Loose): unknown => {
  if (definition === undefined) return object.spec
  const { metadata: _metadata, status: told, ...rest } = object
  return status ? rest : { ...rest, status: told }
}

const generations = eachCommit(
  {
    id: 'API-S6',
    sentence: 'the generation rises by one exactly when the spec changes, or when a graceful deletion begins',
    source: 'sig-architecture api-conventions.md',
    sometimes: 'the spec changes',
    ...safety,
  },
  null,
  ({ key, before, after, revision }, { cluster }) => {
    const resource = resourceIn(cluster.store, resourceOfKey(key) ?? '')
    const was = objectOf<Loose>(before)
    const is = objectOf<Loose>(after)
    if (resource?.generation !== true || was === undefined || is === undefined || resource.kind === 'EndpointSlice') return 'vacuous'
    const rose = (is.metadata.generation ?? 0) - (was.metadata.generation ?? 0)
    const changed = !sameValue(counted(resource, was), counted(resource, is))
    const deleted = was.metadata.deletionTimestamp === undefined && is.metadata.deletionTimestamp !== undefined
    const wanted = changed || deleted ? 1 : 0
    if (rose !== wanted)
      return { why: `${key} at revision ${revision}: the generation rose by ${rose}, and the spec was ${changed ? '' : 'not '}changed` }
    return changed ? 'notable' : 'holds'
  },
)

const observedGenerations = eachCommit(
  {
    id: 'API-S7',
    sentence: 'a status never claims a generation that is not there yet, and never goes back',
    source: 'sig-architecture api-conventions.md',
    sometimes: 'the claim rises',
    ...safety,
  },
  null,
  ({ key, before, after, revision }) => {
    const is = objectOf<Loose>(after)
    const observed = is?.status?.observedGeneration
    if (is === undefined || observed === undefined) return 'vacuous'
    if (observed > (is.metadata.generation ?? 0))
      return { why: `${key} at revision ${revision} says generation ${observed} was observed, it is ${is.metadata.generation}` }
    const was = objectOf<Loose>(before)?.status?.observedGeneration ?? 0
    if (observed < was) return { why: `${key} at revision ${revision} went from observed generation ${was} to ${observed}` }
    return observed > was ? 'notable' : 'holds'
  },
)

const deletionIsFinal = eachCommit(
  {
    id: 'API-S8',
    sentence: 'a deletion once begun is never taken back or put off, and no finalizer is added after it',
    source: 'k8s.io/apimachinery pkg/api/validation/objectmeta.go',
    sometimes: 'an object is changed while it is being deleted',
    ...safety,
  },
  null,
  ({ key, before, after, revision }) => {
    const was = objectOf(before)?.metadata
    const is = objectOf(after)?.metadata
    if (was?.deletionTimestamp === undefined || is === undefined) return 'vacuous'
    if (is.deletionTimestamp === undefined) return { why: `${key} is no longer being deleted at revision ${revision}` }
    if (is.deletionTimestamp > was.deletionTimestamp) return { why: `the deletion of ${key} was put off at revision ${revision}` }
    const added = (is.finalizers ?? []).find((name) => was.finalizers?.includes(name) !== true)
    return added === undefined ? 'notable' : { why: `${key} got the finalizer ${added} at revision ${revision}, while being deleted` }
  },
)

const finalizersHold = withCalls(
  {
    id: 'API-S9',
    sentence: 'an object with finalizers is only removed by the write that takes the last one away',
    source: 'https://kubernetes.io/docs/concepts/overview/working-with-objects/finalizers/',
    sometimes: 'the object had finalizers',
    ...safety,
  },
  ({ key, before, after, author, revision }, calls, context) => {
    if (after !== null || before === null) return 'vacuous'
    const finalizers = objectOf(before)?.metadata.finalizers ?? []
    if (finalizers.length === 0) return 'holds'
    // The API server takes its own finalizer away: it asks nobody.
    if (author.startsWith('kube-apiserver-') && finalizers.every((name) => name === CLEANUP)) return 'notable'
    const open = calls.of(author, key, context)
    // A deletion with another propagation policy takes away what the first one had put there.
    const ofPolicy = finalizers.every((name) => name === 'orphan' || name === 'foregroundDeletion')
    const editing = open.some((call) => call.verb === 'update' || call.verb === 'patch' || (call.verb === 'delete' && ofPolicy))
    return editing ? 'notable' : { why: `${key} was removed at revision ${revision} with finalizers ${finalizers.join(', ')}` }
  },
)

/** Whether a call may begin a deletion or remove the object: a change may where it can take the last finalizer away. */
const mayEnd = ({ verb }: ApiCall, { kind, metadata }: ApiObject): boolean => {
  if (verb !== 'update' && verb !== 'patch') return verb === 'delete' || verb === 'evict'
  // A namespace has finalizers in its spec.
  return kind === 'Namespace' || (metadata.finalizers ?? []).length > 0
}

const preconditions = withCalls(
  {
    id: 'API-S10',
    sentence: 'a deletion that names a uid touches only that object',
    source: 'k8s.io/apiserver pkg/registry/rest/delete.go',
    sometimes: 'a deletion names a uid',
    ...safety,
  },
  ({ key, before, after, author, revision }, calls, context) => {
    const was = objectOf(before)
    const begins =
      after === null || (was?.metadata.deletionTimestamp === undefined && objectOf(after)?.metadata.deletionTimestamp !== undefined)
    if (was === undefined || !begins) return 'vacuous'
    const open = calls.of(author, key, context).filter((call) => mayEnd(call, was))
    if (open.length === 0 || open.some((call) => call.uid === undefined)) return 'vacuous'
    return open.some((call) => call.uid === was.metadata.uid)
      ? 'notable'
      : {
          why: `${author} deleted ${key} with uid ${was.metadata.uid} at revision ${revision}, though it named ${open.map((call) => call.uid).join(', ')}`,
        }
  },
)

const consistentReads = onReply(
  {
    id: 'API-S11',
    sentence: 'a read that asks for the most recent state shows every write acknowledged before it was asked, at one revision',
    source: `${CONCEPTS}#resource-versions; KEP-2340`,
    sometimes: 'a list is answered',
    ...safety,
  },
  (call, reply, { history }, floor) => {
    if (call.resourceVersion !== undefined || (call.verb !== 'list' && call.verb !== 'get')) return 'vacuous'
    const { revision, objects = [] } = reply.outcome
    if (call.verb === 'get') {
      const [[key, version] = ['', 0]] = objects
      const newest = history.at(key, floor)?.modRevision ?? 0
      return version >= newest
        ? 'holds'
        : { why: `${reply.call} read ${key} at version ${version}, though version ${newest} had been acknowledged before` }
    }
    if (revision < floor)
      return { why: `${reply.call} listed ${call.resource} at revision ${revision}, though revision ${floor} had been acknowledged before` }
    const prefix = prefixOf(call.resource, call.namespace)
    const told = new Map(objects)
    const truth = history
      .listAt(call.resource, revision)
      .filter(({ key }) => key.startsWith(prefix) && (call.selective !== true || told.has(key)))
    const wrong = truth.find(({ key, stored }) => told.get(key) !== stored.modRevision)
    if (wrong !== undefined)
      return {
        why: `${reply.call} listed ${call.resource} at revision ${revision} without ${wrong.key} as of revision ${wrong.stored.modRevision}`,
      }
    return told.size === truth.length
      ? 'notable'
      : { why: `${reply.call} listed ${told.size} ${call.resource} at revision ${revision}, there were ${truth.length}` }
  },
)

const notOlderThan = onReply(
  {
    id: 'API-S13',
    sentence: 'a list that asks for nothing older than a version gets nothing older',
    source: `${CONCEPTS}#resource-versions`,
    sometimes: 'a version other than 0 is asked for',
    allows: ['ALLOW-2'],
    ...safety,
  },
  (call, reply) => {
    if (call.verb !== 'list' || call.resourceVersion === undefined) return 'vacuous'
    const asked = Number(call.resourceVersion)
    if (reply.outcome.revision < asked)
      return { why: `${reply.call} asked for ${call.resource} not older than ${asked} and got revision ${reply.outcome.revision}` }
    return asked > 0 ? 'notable' : 'holds'
  },
)

const createdOnce = onReply(
  {
    id: 'API-S20',
    sentence: 'of several creations of one name exactly one succeeds',
    source: CONCEPTS,
    sometimes: 'the name had been used before',
    ...safety,
  },
  (call, reply, { history }) => {
    if (call.verb !== 'create') return 'vacuous'
    const [[key, revision] = ['', 0]] = reply.outcome.objects ?? []
    const versions = history.versions(key)
    const place = versions.findLastIndex((version) => version.revision === revision)
    if (place < 0) return { why: `${reply.call} was told that it created ${key} at revision ${revision}, which was never committed` }
    if (place > 0 && versions[place - 1]?.after !== null)
      return { why: `${reply.call} was told that it created ${key} at revision ${revision}, where it already was` }
    return place > 0 ? 'notable' : 'holds'
  },
)

const onlyApiservers = eachCommit(
  {
    id: 'API-S1',
    sentence: 'only API servers write to the store',
    source: 'https://kubernetes.io/docs/concepts/overview/components/',
    sometimes: 'a component other than an API server is the author',
    ...safety,
  },
  null,
  ({ key, via, author, revision }) => {
    if (!via.startsWith('kube-apiserver-')) return { why: `${key} was written by ${via} itself at revision ${revision}` }
    return author === via ? 'holds' : 'notable'
  },
)

const uniqueAddresses: Invariant = watching(
  {
    id: 'SVC-S1',
    sentence: 'no two services have the same cluster IP',
    source: 'kubernetes pkg/registry/core/service/ipallocator',
    sometimes: 'there are two services',
    ...safety,
  },
  ['Commit'],
  () => {
    const taken = new Map<string, string>()
    return {
      observe(next) {
        const { key, before, after, revision } = next as Seen<'Commit'>
        if (!key.startsWith('/registry/services/')) return 'vacuous'
        const was = objectOf<Service>(before)?.spec.clusterIP
        if (was !== undefined && taken.get(was) === key) taken.delete(was)
        const is = objectOf<Service>(after)?.spec.clusterIP
        if (is === undefined || is === 'None' || is === '') return 'vacuous'
        const held = taken.get(is)
        if (held !== undefined && held !== key) return { why: `${key} got ${is} at revision ${revision}, which ${held} has` }
        taken.set(is, key)
        return taken.size > 1 ? 'notable' : 'holds'
      },
    }
  },
)

export const API: readonly Invariant[] = [
  onlyApiservers,
  noLostUpdate,
  versionsGrow,
  uniqueUids,
  immutable,
  generations,
  observedGenerations,
  deletionIsFinal,
  finalizersHold,
  preconditions,
  consistentReads,
  notOlderThan,
  createdOnce,
  uniqueAddresses,
]
