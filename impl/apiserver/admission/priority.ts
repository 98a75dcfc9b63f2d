/** A pod without a class has priority 0. Source: plugin/pkg/admission/priority. */
import type { Pod } from '../../../model/state/objects.ts'
import type { AdmissionPlugin } from './plugin.ts'

export const priority: AdmissionPlugin = {
  name: 'Priority',
  create({ object }) {
    if (object.kind !== 'Pod') return object
    const pod = object as Pod
    return { ...pod, spec: { ...pod.spec, priority: pod.spec.priority ?? 0 } } as Pod
  },
}
