/** What is created goes into a namespace that exists. Source: k8s.io/apiserver/pkg/admission/plugin/namespace/lifecycle. */
import { keyOf } from '../../../model/state/resources.ts'
import { notFound, Refusal } from '../status.ts'
import type { AdmissionPlugin } from './plugin.ts'

export const namespaceLifecycle: AdmissionPlugin = {
  name: 'NamespaceLifecycle',
  *create({ object, author }, neighbours) {
    const { namespace } = object.metadata
    if (namespace === undefined) return object
    const key = keyOf('namespaces', undefined, namespace)
    if (neighbours.cached('namespaces', key) !== undefined) return object
    const read = yield* neighbours.read(key, author)
    if (read === undefined) throw new Refusal(notFound('namespaces', namespace))
    return object
  },
}
