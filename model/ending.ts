/**
 * How a run ended, but for what no two runs need share: names that are drawn, uids, times, addresses, and which node.
 *
 * Two runs in which users wrote the same, one after another, are to end alike, whatever faults there were (CL-L3).
 */
import type { Context } from './invariant.ts'
import { all, controllerOf, isEnding, isReady, isTerminal, label, pictureOf, type Picture } from './pending/picture.ts'
import type { Stored } from './state/keyspace.ts'
import type { ApiObject, Deployment, EndpointSlice, Node } from './state/objects.ts'
import { prefixOf, RESOURCES } from './state/resources.ts'
import { TOKEN_TYPE, type Secret } from './state/service-account.ts'

export interface Ending {
  /** What users wrote, in the order of revisions. */
  readonly writes: readonly string[]
  /** What there is, in the order of names. */
  readonly state: readonly string[]
}

const DELETED = 'deleted'
const UNDER = ' under '
const OF_NAMESPACES = prefixOf('namespaces')
const OF_PODS = prefixOf('pods')
/** Made by controllers under names that are drawn, or said of nodes and leaders: what they amount to is said by others, or is not the same without faults. */
const DERIVED = new Set(['pods', 'replicasets', 'endpointslices', 'controllerrevisions', 'leases', 'nodes', 'events', 'volumeattachments'])
const isWritten = (resource: string): boolean => !DERIVED.has(resource) && RESOURCES.some((one) => one.resource === resource)
/** What the system adds to what users wrote, or takes away. */
const ADDED_FIELDS = new Set(['clusterIP', 'clusterIPs', 'nodeName', 'volumeName', 'claimRef', 'secrets'])
/** One that has not been filled yet is for the next account of that name as well: whether it stays depends on who is faster. */
const isToken = (object: ApiObject): boolean => (object as Secret).type === TOKEN_TYPE

export const endingOf = (context: Context): Ending => ({ writes: writesOf(context), state: stateOf(context) })

/** JSON without what the system adds, or draws. */
const said = (value: unknown): string =>
  JSON.stringify(value, (name, member: unknown) => (ADDED_FIELDS.has(name) ? undefined : member)) ?? ''

/** What users say of an object. */
const wordsOf = (object: ApiObject): string => {
  const {
    status: _status,
    metadata,
    apiVersion: _apiVersion,
    kind: _kind,
    ...content
  } = object as ApiObject & { readonly status?: unknown }
  const owners = (metadata.ownerReferences ?? []).map(({ kind, name }) => `${kind} ${name}`).toSorted()
  return `${said(content)} ${said(metadata.labels ?? {})}${owners.length === 0 ? '' : `${UNDER}${owners.join(', ')}`}`
}

/** By object; but in one row where it matters which came first: of what was deleted, with its namespace or by itself, and of what is owned. */
const writesOf = ({ history }: Context): readonly string[] => {
  const writes = history.keys('/registry/').flatMap((key) => {
    const name = key.startsWith(OF_PODS) ? 'a pod' : key
    let before: Stored | null = null
    return history.versions(key).flatMap(({ author, revision, after }) => {
      const was = before?.value as ApiObject | undefined
      const is = after?.value as ApiObject | undefined
      before = after
      return author.startsWith('user') ? [{ key, revision, text: `${name} ${change(was, is)}` }] : []
    })
  })
  const gone = writes.filter(({ text }) => text.endsWith(` ${DELETED}`)).map(({ key }) => key)
  const entangled = new Set([...gone, ...writes.filter(({ text }) => text.includes(UNDER)).map(({ key }) => key)])
  const emptied = gone.flatMap((key) => (key.startsWith(OF_NAMESPACES) ? [`/${key.slice(OF_NAMESPACES.length)}/`] : []))
  const rowOf = (key: string): string => {
    if (key.startsWith(OF_PODS)) return OF_PODS
    return entangled.has(key) || emptied.some((namespace) => key.includes(namespace)) ? '' : key
  }
  return [...Map.groupBy(writes, ({ key }) => rowOf(key))]
    .toSorted(([one], [other]) => (one < other ? -1 : 1))
    .flatMap(([, row]) => row.toSorted((one, other) => one.revision - other.revision).map(({ text }) => text))
}

const change = (was: ApiObject | undefined, is: ApiObject | undefined): string => {
  if (is === undefined || (isEnding(is) && was !== undefined && !isEnding(was))) return DELETED
  if (is.kind === 'Node') return nodeWords(is as Node)
  return is.kind === 'Pod' && was !== undefined ? 'changed' : wordsOf(is)
}

/** What users say of a node. */
const nodeWords = ({ spec }: Node): string => {
  const taints = (spec.taints ?? []).filter(({ key }) => !key.startsWith('node.kubernetes.io/'))
  return `${spec.unschedulable ? 'cordoned' : 'not cordoned'} ${taints.map(({ key, effect }) => `${key}:${effect}`).join(' ')}`
}

const stateOf = ({ cluster }: Context): readonly string[] => {
  const picture = pictureOf(cluster)
  const written = [...picture.objects].flatMap(([resource, objects]) =>
    isWritten(resource) ? objects.filter((object) => !isToken(object)) : [],
  )
  return [
    ...written.map((object) => `${label(object)}: ${wordsOf(object)}`),
    ...podLines(picture),
    ...deploymentLines(all(picture, 'deployments')),
    ...backendLines(all(picture, 'endpointslices')),
  ].toSorted()
}

/** How many pods of each owner, of which images, are ready. Of one without an owner nobody makes another when its node is lost. */
const podLines = ({ pods, sets }: Picture): readonly string[] => {
  const owners = new Map(sets.map((set) => [set.metadata.uid, set]))
  const stay = pods.filter((pod) => controllerOf(pod) !== undefined && !isTerminal(pod) && !isEnding(pod))
  return counted(
    stay.map((pod) => {
      const set = owners.get(controllerOf(pod) as string)
      const owner = (set ?? pod).metadata.ownerReferences?.find((ref) => ref.controller === true)
      const whose = owner === undefined ? label(set ?? pod) : `${owner.kind} ${pod.metadata.namespace}/${owner.name}`
      return `of ${whose}: ${pod.spec.containers.map(({ image }) => image).join(', ')}, ${isReady(pod) ? 'ready' : pod.status.phase}`
    }),
    'pod',
  )
}

const deploymentLines = (deployments: readonly Deployment[]): readonly string[] =>
  deployments.map((deployment) => {
    const { replicas = 0, readyReplicas = 0, updatedReplicas = 0, availableReplicas = 0 } = deployment.status
    return `${label(deployment)} has ${replicas}, ready ${readyReplicas}, updated ${updatedReplicas}, available ${availableReplicas}`
  })

/** How many addresses of each service are ready: which they are is drawn, and those on lost nodes stay as long as the node. */
const backendLines = (slices: readonly EndpointSlice[]): readonly string[] =>
  counted(
    slices.flatMap(({ metadata, endpoints }) => {
      const service = `${metadata.namespace}/${metadata.labels?.['kubernetes.io/service-name'] ?? ''}`
      return (endpoints ?? []).filter(({ conditions }) => conditions.ready).map(() => `of service ${service} ready`)
    }),
    'endpoint',
  )

const counted = (lines: readonly string[], noun: string): readonly string[] =>
  [...Map.groupBy(lines, (line) => line)].map(([line, same]) => `${same.length} ${noun}${same.length === 1 ? '' : 's'} ${line}`)
