/**
 * A pod runs as a service account, by default as that of its namespace, which has to be there.
 *
 * Source: kubernetes/kubernetes plugin/pkg/admission/serviceaccount/admission.go. Left out: the token that is mounted.
 */
import type { Pod } from '../../../model/state/objects.ts'
import { keyOf } from '../../../model/state/resources.ts'
import { forbidden, Refusal } from '../status.ts'
import type { AdmissionPlugin } from './plugin.ts'

const DEFAULT = 'default'
/** A namespace that was just made gets its default account in a moment. */
const ATTEMPTS_MOST = 10
const RETRY_MS = 150

export const serviceAccount: AdmissionPlugin = {
  name: 'ServiceAccount',
  *create({ resource, object, author }, neighbours) {
    if (resource.resource !== 'pods') return object
    const pod = object as Pod
    const { namespace } = pod.metadata
    const name = (pod.spec['serviceAccountName'] as string | undefined) || DEFAULT
    const key = keyOf('serviceaccounts', namespace, name)
    for (let attempt = name === DEFAULT ? 1 : ATTEMPTS_MOST; ; attempt++) {
      if (neighbours.cached('serviceaccounts', key) !== undefined || (yield* neighbours.read(key, author)) !== undefined) break
      if (attempt === ATTEMPTS_MOST) {
        const why = `error looking up service account ${namespace}/${name}: serviceaccount "${name}" not found`
        throw new Refusal(forbidden(`pods "${pod.metadata.name}" is forbidden: ${why}`))
      }
      yield* neighbours.pause(RETRY_MS)
    }
    return { ...pod, spec: { ...pod.spec, serviceAccountName: name } } as Pod
  },
}
