/**
 * What a decision of scheduling is judged by: the nodes, the pods that have one, and the other objects.
 *
 * Source: https://kubernetes.io/docs/concepts/scheduling-eviction/kube-scheduler/
 */
import type { ApiObject, Node, Pod } from '../../state/objects.ts'

export interface Scene {
  readonly nodes: readonly Node[]
  readonly pods: readonly Pod[]
  readonly others: readonly ApiObject[]
}

/** 'never': whoever leaves that node, the pod does not fit there. */
export type Verdict = 'fits' | 'not now' | 'never'
export type Constraint = (scene: Scene, pod: Pod, node: Node) => Verdict
/** One whole number for each node, 0 to 100. */
export type Score = (scene: Scene, pod: Pod, nodes: readonly Node[]) => readonly number[]

export const SCORE_MOST = 100

export const podsOn = ({ pods }: Scene, node: Node): readonly Pod[] => pods.filter(({ spec }) => spec.nodeName === node.metadata.name)

export const objectOf = <T extends ApiObject>({ others }: Scene, kind: T['kind'], name: string, namespace?: string): T | undefined =>
  others.find((one) => one.kind === kind && one.metadata.name === name && one.metadata.namespace === namespace) as T | undefined

export const never = (holds: boolean): Verdict => (holds ? 'fits' : 'never')
export const notNow = (holds: boolean): Verdict => (holds ? 'fits' : 'not now')

/** As shares of the largest: it gets 100. Zeros stay zeros. */
export const ofTheMost = (counts: readonly number[]): readonly number[] => {
  const most = Math.max(0, ...counts)
  return counts.map((count) => (most === 0 ? 0 : Math.trunc((count * SCORE_MOST) / most)))
}
