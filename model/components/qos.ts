/**
 * The quality of service class of a pod: what follows from what its containers ask for and may use, and from nothing else.
 *
 * Source: https://kubernetes.io/docs/concepts/workloads/pods/pod-qos/, kubernetes pkg/apis/core/v1/helper/qos/qos.go
 */
import type { Container, Pod, PodStatus } from '../state/objects.ts'
import { thousandths } from '../state/quantity.ts'

const COMPUTE = ['cpu', 'memory'] as const
type Side = 'requests' | 'limits'

const given = ({ resources }: Container, side: Side, name: string): number => thousandths(resources?.[side]?.[name] ?? '0')

export const qosClassOf = ({ spec }: Pick<Pod, 'spec'>): NonNullable<PodStatus['qosClass']> => {
  const containers = [...spec.containers, ...(spec.initContainers ?? [])]
  const sum = (side: Side, name: string): number => containers.reduce((total, one) => total + Math.max(0, given(one, side, name)), 0)
  if (COMPUTE.every((name) => sum('requests', name) === 0 && sum('limits', name) === 0)) return 'BestEffort'
  const limited = containers.every((one) => COMPUTE.every((name) => given(one, 'limits', name) > 0))
  return limited && COMPUTE.every((name) => sum('requests', name) === sum('limits', name)) ? 'Guaranteed' : 'Burstable'
}
