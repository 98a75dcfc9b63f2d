/**
 * The users: what is done to the cluster from outside, in the way kubectl does it.
 *
 * Source of the requests per command: kubernetes/kubectl pkg/cmd.
 */
import type { ApiObject, Deployment, Node, OwnerReference, Pod, ReplicaSet, Taint } from '../../model/state/objects.ts'
import type { Manifest, UserAction } from '../../model/state/plan.ts'
import { customResource, DEFINITIONS, isEstablished, type CustomResourceDefinition } from '../../model/state/custom.ts'
import { groupOf, resourceOfKind, type Resource } from '../../model/state/resources.ts'
import type { ObjectName, Result } from '../client/api.ts'
import { Client } from '../client/client.ts'
import { sleep, spawn, type Task } from '../task.ts'
import type { ClusterHost, ClusterProcess } from '../wire.ts'
import { drain } from './drain.ts'

export interface KubectlOptions {
  readonly endpoints: readonly string[]
}

/** Of the actions, those that go through the API. */
export type KubectlAction = Exclude<UserAction, { readonly kind: 'ExitContainer' | 'HangContainer' | 'SetLoad' | 'Connect' | 'Etcd' }>

/** Asked until it is answered, and then done with. */
type RetriedAction = Exclude<KubectlAction, { readonly kind: 'Drain' }>

const TIMEOUT_MS = 10_000
const ATTEMPTS_MOST = 8
const RETRY_MS = 1_000
/** Until what is to be replaced is gone. */
const LOOKS_MOST = 30
const REVISION = 'deployment.kubernetes.io/revision'
const HASH_LABEL = 'pod-template-hash'

export const kubectl =
  (options: KubectlOptions) =>
  (host: ClusterHost): Kubectl =>
    new Kubectl(host, options)

type Attempt = Result<unknown> | { readonly ok: true; readonly value: string }

export class Kubectl implements ClusterProcess {
  private readonly host: ClusterHost
  readonly client: Client

  constructor(host: ClusterHost, options: KubectlOptions) {
    this.host = host
    this.client = new Client(host, { endpoints: options.endpoints, timeoutMs: TIMEOUT_MS })
  }

  start(): void {}

  receive(): void {}

  accept(): never {
    throw new Error('nobody connects to a user')
  }

  /** Tries as a patient user would: again after a failure that may pass. */
  act(action: KubectlAction): void {
    spawn(action.kind === 'Drain' ? drain(this.host, this.client, action.node, action.uncordon === true) : this.perform(action))
  }

  private *perform(action: RetriedAction): Task<void> {
    for (let attempt = 0; attempt < ATTEMPTS_MOST; attempt++) {
      const reply = yield* this.once(action)
      if (reply.ok) {
        this.host.observe({ kind: 'UserActed', action: action.kind, detail: nameOf(action) })
        return
      }
      const { status } = reply
      const mayPass = !reply.definite || status.reason === 'Conflict' || status.code === 0
      if (!mayPass) {
        this.host.observe({ kind: 'UserActed', action: action.kind, detail: `${nameOf(action)}: refused: ${status.message}` })
        return
      }
      yield* sleep(this.host, RETRY_MS * (attempt + 1))
    }
    this.host.observe({ kind: 'UserActed', action: action.kind, detail: `${nameOf(action)}: given up` })
  }

  private once(action: RetriedAction): Task<Attempt> {
    const { client } = this
    switch (action.kind) {
      case 'Apply':
        return this.apply(action.object)
      case 'Replace':
        return this.replace(action.object)
      case 'Scale':
        return client.patch(
          target(action.resource, action.name),
          { spec: { replicas: action.replicas } },
          { subresource: 'scale', patchType: 'merge' },
        )
      case 'SetImage':
        return this.setImage(action.deployment, action.image)
      case 'Rollback':
        return this.rollback(action.deployment, action.revision)
      case 'Pause':
        return client.patch(target('deployments', action.deployment), { spec: { paused: action.paused } })
      case 'Delete':
        return client.delete(target(action.resource, action.name), { propagationPolicy: action.propagation })
      case 'DeletePod':
        return this.deletePod(action.nth, action.force)
      case 'Cordon':
        return client.patch({ resource: 'nodes', name: action.node }, { spec: { unschedulable: action.unschedulable } })
      case 'DeleteNode':
        return client.delete({ resource: 'nodes', name: action.node })
      case 'Own':
        return this.own(action)
      case 'Taint':
        return this.taint(action.node, action.taints, action.remove)
    }
  }

  private *apply(object: Manifest): Task<Attempt> {
    const manifest = object as unknown as ApiObject
    const found = yield* this.discover(manifest)
    if (!found.ok) return found
    const resource = found.value
    const name = nameIn(resource, manifest)
    const read = yield* this.client.get(name)
    if (read.ok) return yield* this.client.patch(name, manifest, resource.definition === undefined ? {} : { patchType: 'merge' })
    return read.status.code === 404 ? yield* this.create(resource, manifest) : read
  }

  private *replace(object: Manifest): Task<Attempt> {
    const manifest = object as unknown as ApiObject
    const found = yield* this.discover(manifest)
    if (!found.ok) return found
    const name = nameIn(found.value, manifest)
    const deleted = yield* this.client.delete(name, { gracePeriodSeconds: 0, propagationPolicy: 'Background' })
    if (!deleted.ok && deleted.status.code !== 404) return deleted
    for (let look = 0; look < LOOKS_MOST; look++) {
      const read = yield* this.client.get(name)
      if (!read.ok && read.status.code === 404) return yield* this.create(found.value, manifest)
      yield* sleep(this.host, RETRY_MS)
    }
    return { ok: true, value: 'it does not go' }
  }

  private *create(resource: Resource, manifest: ApiObject): Task<Attempt> {
    const { namespace } = nameIn(resource, manifest)
    const metadata = { ...manifest.metadata, ...(namespace === undefined ? {} : { namespace }) }
    const created = yield* this.client.create(resource.resource, { ...manifest, metadata })
    // An earlier attempt went through after all.
    if (!created.ok && created.status.reason === 'AlreadyExists') return { ok: true, value: 'unchanged' }
    // One server has heard of a custom resource before the other.
    return !created.ok && resource.definition !== undefined && created.status.code === 404 ? { ...created, definite: false } : created
  }

  /** The resource of a kind, as the API server tells it. A custom one that is not served yet may still come. */
  private *discover({ apiVersion, kind }: ApiObject): Task<Result<Resource>> {
    const own = resourceOfKind(kind)
    const group = groupOf(apiVersion)
    if (own?.group === group) return { ok: true, value: own }
    const listed = yield* this.client.list<CustomResourceDefinition>(DEFINITIONS, { resourceVersion: '0' })
    if (!listed.ok) return listed
    const found = listed.value.items.find(
      (definition) => definition.spec.group === group && definition.spec.names.kind === kind && isEstablished(definition),
    )
    if (found !== undefined) return { ok: true, value: customResource(found) }
    const message = `no matches for kind "${kind}" in version "${apiVersion}"`
    return { ok: false, definite: false, status: { code: 404, reason: 'NotFound', message } }
  }

  private *setImage(name: string, image: string): Task<Attempt> {
    const read = yield* this.client.get<Deployment>(target('deployments', name))
    if (!read.ok) return read
    const [first] = read.value.spec.template.spec.containers
    const containers = [{ name: first?.name ?? '', image }]
    return yield* this.client.patch(target('deployments', name), { spec: { template: { spec: { containers } } } })
  }

  /** The template of an earlier revision becomes the current one again. 0: the one before the current. */
  private *rollback(name: string, revision: number): Task<Attempt> {
    const read = yield* this.client.get<Deployment>(target('deployments', name))
    if (!read.ok) return read
    const { uid, namespace = 'default' } = read.value.metadata
    const listed = yield* this.client.list<ReplicaSet>('replicasets', { namespace })
    if (!listed.ok) return listed
    const own = listed.value.items.filter((set) => set.metadata.ownerReferences?.some((owner) => owner.uid === uid))
    const ordered = own.toSorted((one, other) => revisionOf(other) - revisionOf(one))
    const chosen = revision === 0 ? ordered[1] : ordered.find((set) => revisionOf(set) === revision)
    if (chosen === undefined) return { ok: true, value: 'no such revision' }
    const { [HASH_LABEL]: _hash, ...labels } = chosen.spec.template.metadata.labels ?? {}
    const template = { ...chosen.spec.template, metadata: { ...chosen.spec.template.metadata, labels } }
    const patch = [{ op: 'replace', path: '/spec/template', value: template }]
    return yield* this.client.patch(target('deployments', name), patch, { patchType: 'json' })
  }

  private *own({ resource, name, owner, blocks, instead = false }: Extract<KubectlAction, { readonly kind: 'Own' }>): Task<Attempt> {
    const owning = yield* this.client.get<ApiObject>(target(owner.resource, owner.name))
    if (!owning.ok) return owning
    const read = yield* this.client.get<ApiObject>(target(resource, name))
    if (!read.ok) return read
    const { apiVersion, kind, metadata } = owning.value
    const ref = { apiVersion, kind, name: metadata.name, uid: metadata.uid, blockOwnerDeletion: blocks }
    const others = (read.value.metadata.ownerReferences ?? []).filter(({ uid }) => uid !== metadata.uid)
    if (instead) for (const former of others) yield* this.deleteOwner(former, read.value.metadata.namespace)
    const ownerReferences = instead ? [ref] : [...others, ref]
    const patch = { metadata: { resourceVersion: read.value.metadata.resourceVersion, ownerReferences } }
    return yield* this.client.patch(target(resource, name), patch, { patchType: 'merge' })
  }

  private *deleteOwner({ kind, name, uid }: OwnerReference, namespace: string | undefined): Task<void> {
    const owning = resourceOfKind(kind)
    if (owning === undefined) return
    const target = { resource: owning.resource, namespace: owning.namespaced ? namespace : undefined, name }
    yield* this.client.delete(target, { preconditions: { uid } })
  }

  /** The whole list goes with the version it was read at: the node's controllers write to it too. */
  private *taint(node: string, taints: readonly Taint[], remove: boolean): Task<Attempt> {
    const read = yield* this.client.get<Node>({ resource: 'nodes', name: node })
    if (!read.ok) return read
    const { metadata, spec } = read.value
    const isMeant = (held: Taint): boolean => taints.some((taint) => taint.key === held.key && taint.effect === held.effect)
    const others = (spec.taints ?? []).filter((held) => !isMeant(held))
    const patch = { metadata: { resourceVersion: metadata.resourceVersion }, spec: { taints: remove ? others : [...others, ...taints] } }
    return yield* this.client.patch({ resource: 'nodes', name: node }, patch, { patchType: 'merge' })
  }

  private *deletePod(nth: number, force: boolean): Task<Attempt> {
    const listed = yield* this.client.list<Pod>('pods', { namespace: 'default' })
    if (!listed.ok) return listed
    const { items } = listed.value
    const pod = items[nth % Math.max(1, items.length)]
    if (pod === undefined) return { ok: true, value: 'no pods' }
    const { namespace, name } = pod.metadata
    const reply = yield* this.client.delete({ resource: 'pods', namespace, name }, force ? { gracePeriodSeconds: 0 } : {})
    return !reply.ok && reply.status.code === 404 ? { ok: true, value: 'gone' } : reply
  }
}

const revisionOf = (set: ReplicaSet): number => Number(set.metadata.annotations?.[REVISION] ?? 0)

const nameIn = ({ resource, namespaced }: Resource, { metadata }: ApiObject): ObjectName => ({
  resource,
  namespace: namespaced ? (metadata.namespace ?? 'default') : undefined,
  name: metadata.name,
})

/** 'namespace/name' */
const target = (resource: string, name: string): ObjectName => {
  const [namespace, rest] = name.split('/')
  return rest === undefined ? { resource, name } : { resource, namespace, name: rest }
}

const nameOf = (action: RetriedAction): string => {
  switch (action.kind) {
    case 'Apply':
    case 'Replace':
      return `${action.object.kind} ${action.object.metadata.namespace ?? 'default'}/${action.object.metadata.name}`
    case 'Scale':
      return `${action.resource}/${action.name} to ${action.replicas}`
    case 'SetImage':
      return `deployments/${action.deployment} ${action.image}`
    case 'Rollback':
      return `deployments/${action.deployment} to ${action.revision === 0 ? 'the revision before' : `revision ${action.revision}`}`
    case 'Pause':
      return `deployments/${action.deployment} ${action.paused ? 'paused' : 'resumed'}`
    case 'Delete':
      return `${action.resource}/${action.name} (${action.propagation})`
    case 'DeletePod':
      return `number ${action.nth}${action.force ? ' by force' : ''}`
    case 'Cordon':
      return `${action.node} ${action.unschedulable ? 'cordoned' : 'uncordoned'}`
    case 'DeleteNode':
      return action.node
    case 'Own':
      return `${action.resource}/${action.name} under ${action.owner.resource}/${action.owner.name}`
    case 'Taint':
      return `${action.node} ${action.taints.map(({ key, effect }) => `${key}:${effect}`).join(' ')}${action.remove ? ' taken off' : ''}`
  }
}
