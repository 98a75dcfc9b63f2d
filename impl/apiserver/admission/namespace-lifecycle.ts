/**
 * What is created goes into a namespace that exists and is not being deleted.
 *
 * The server's own copy of the namespace may be old: what it does not show is looked up, and so is for a while what this
 * server was asked to delete. Source: k8s.io/apiserver/pkg/admission/plugin/namespace/lifecycle.
 */
import type { Namespace } from '../../../model/state/objects.ts'
import { keyOf } from '../../../model/state/resources.ts'
import type { Task } from '../../task.ts'
import { forbidden, notFound, Refusal } from '../status.ts'
import type { AdmissionPlugin, Neighbours } from './plugin.ts'

/** Of what is created there is said in a refusal what it is: 'pods "web"'. Throws Refusal. */
export function* intoLiveNamespace(created: string, name: string, author: string, neighbours: Neighbours): Task<void> {
  const key = keyOf('namespaces', undefined, name)
  let namespace = neighbours.cached('namespaces', key) as Namespace | undefined
  if (namespace === undefined || (namespace.status.phase === 'Active' && neighbours.mayBeEnding(name)))
    namespace = (yield* neighbours.read(key, author)) as Namespace | undefined
  if (namespace === undefined) throw new Refusal(notFound('namespaces', name))
  if (namespace.status.phase !== 'Terminating') return
  const message = `${created} is forbidden: unable to create new content in namespace ${name} because it is being terminated`
  const causes = [{ field: 'metadata.namespace', reason: 'NamespaceTerminating', message: `namespace ${name} is being terminated` }]
  throw new Refusal({ ...forbidden(message), causes })
}

export const namespaceLifecycle: AdmissionPlugin = {
  name: 'NamespaceLifecycle',
  *create({ resource, object, author }, neighbours) {
    const { name, namespace } = object.metadata
    if (namespace !== undefined) yield* intoLiveNamespace(`${resource.resource} "${name}"`, namespace, author, neighbours)
    return object
  },
}
