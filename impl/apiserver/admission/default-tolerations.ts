/** How long a pod stays on a node that is lost, unless it says so itself. Source: plugin/pkg/admission/defaulttolerationseconds. */
import type { Pod, PodSpec, Toleration } from '../../../model/state/objects.ts'
import type { AdmissionPlugin } from './plugin.ts'

const KEYS = ['node.kubernetes.io/not-ready', 'node.kubernetes.io/unreachable']

const defaultTolerations = (spec: PodSpec, tolerationSeconds: number): PodSpec => {
  const given = spec.tolerations ?? []
  const tolerates = (key: string): boolean =>
    given.some((one) => (one.key === key || one.key === undefined) && (one.effect === 'NoExecute' || one.effect === undefined))
  const added = KEYS.filter((key) => !tolerates(key)).map((key): Toleration => ({
    key,
    operator: 'Exists',
    effect: 'NoExecute',
    tolerationSeconds,
  }))
  return added.length === 0 ? spec : { ...spec, tolerations: [...given, ...added] }
}

export const defaultTolerationSeconds: AdmissionPlugin = {
  name: 'DefaultTolerationSeconds',
  create({ object, tolerationSeconds }) {
    if (object.kind !== 'Pod') return object
    const pod = object as Pod
    return { ...pod, spec: defaultTolerations(pod.spec, tolerationSeconds) } as Pod
  },
}
