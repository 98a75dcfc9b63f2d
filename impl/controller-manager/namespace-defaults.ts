/**
 * What every namespace has: the service account 'default', and the certificate by which the API server is known.
 *
 * Source: kubernetes/kubernetes pkg/controller/serviceaccount/serviceaccounts_controller.go, pkg/controller/certificates/rootcacertpublisher.
 * Left out: roles, since nobody here is asked who he is.
 */
import type { ApiObject, Labels, Namespace } from '../../model/state/objects.ts'
import type { Controller, ControllerContext, Creation, Informer, WorkQueue } from '../client/api.ts'
import { same } from '../equal.ts'
import { isDeleting } from '../objects.ts'
import type { Task } from '../task.ts'

const WORKERS = 1

interface Default {
  readonly resource: string
  readonly kind: 'ServiceAccount' | 'ConfigMap'
  readonly name: string
  readonly data?: Labels
}
type Given = ApiObject & Pick<Default, 'kind' | 'data'>

/** By which clients know the API server. */
export const ROOT_CERTIFICATE = 'the certificate of this cluster'
const DEFAULTS: readonly Default[] = [
  { resource: 'serviceaccounts', kind: 'ServiceAccount', name: 'default' },
  { resource: 'configmaps', kind: 'ConfigMap', name: 'kube-root-ca.crt', data: { 'ca.crt': ROOT_CERTIFICATE } },
]

export const namespaceDefaults: Controller = (context) => {
  const controllers = DEFAULTS.map((wanted) => new Defaults(context, wanted))
  return {
    name: 'namespace-defaults',
    start: () => {
      for (const controller of controllers) controller.start()
    },
  }
}

/** Sees to it that one object is in every namespace. */
class Defaults {
  private readonly context: ControllerContext
  private readonly wanted: Default
  private readonly namespaces: Informer<Namespace>
  private readonly objects: Informer<Given>
  private readonly queue: WorkQueue

  constructor(context: ControllerContext, wanted: Default) {
    this.context = context
    this.wanted = wanted
    this.namespaces = context.informer('namespaces')
    this.objects = context.informer(wanted.resource)
    this.queue = context.queue(WORKERS, (key) => this.sync(key))
  }

  start(): void {
    this.namespaces.onChange((_before, after) => {
      if (after !== null) this.queue.add(after.metadata.name)
    })
    this.objects.onChange((before, after) => {
      const { name, namespace } = ((after ?? before) as ApiObject).metadata
      if (name === this.wanted.name && namespace !== undefined) this.queue.add(namespace)
    })
  }

  private *sync(namespace: string): Task<'done' | 'retry'> {
    const { context, wanted } = this
    const into = this.namespaces.get(namespace)
    if (into === undefined || isDeleting(into)) return 'done'
    const { resource, kind, name, data } = wanted
    const held = this.objects.get(`${namespace}/${name}`)
    if (held !== undefined && (data === undefined || same(held.data, data))) return 'done'
    const object: Creation<Given> = { apiVersion: 'v1', kind, metadata: { name, namespace }, ...(data === undefined ? {} : { data }) }
    const reply =
      held === undefined
        ? yield* context.client.create<Given>(resource, object)
        : yield* context.client.update<Given>(resource, { ...held, ...(data === undefined ? {} : { data }) })
    // Refused: it is there already, or the namespace is on its way out.
    return reply.ok || reply.status.reason === 'AlreadyExists' || reply.status.code === 403 || reply.status.code === 404 ? 'done' : 'retry'
  }
}
