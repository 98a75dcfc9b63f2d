/**
 * Pods that nobody else will ever end are said to have failed, and forced out: their node is gone or out of service, they were
 * deleted before they had one, or too many that are over have piled up.
 *
 * Left out is how long a node must have been missing; that it is, is made sure of by a live read, which is one step with what
 * follows from it.
 * Source: kubernetes pkg/controller/podgc
 */
import type { Choice } from '../state/history.ts'
import type { Node, Pod } from '../state/objects.ts'
import type { Request, System } from '../state/system.ts'
import { OUT_OF_SERVICE } from './attachments.ts'
import { conditionOf, isBound, isDeleting, isTerminal, withCondition } from './objects.ts'
import { asks, client, MANAGER, refOf } from './request.ts'
import { DISRUPTED } from './taint-eviction.ts'
import { seen, stored, type Held } from './view.ts'

const QUARANTINE_MS = 40_000
/** --terminated-pod-gc-threshold */
const TERMINATED_MOST = 12_500

type Reason = Extract<Choice, { readonly kind: 'ForceDeletePod' }>['reason']
type Nodes = readonly Held<Node>[]
/** Whether a node is missing, by all that can be told now. */
export type IsGone = (system: System, name: string) => boolean

const named = (nodes: Nodes, name: string): Node | undefined => nodes.find(({ value }) => value.metadata.name === name)?.value

/** Of those that are over the oldest, beyond how many may stay. */
const surplus = (pods: readonly Held<Pod>[], most: number): readonly Held<Pod>[] => {
  const over = pods.filter(({ value }) => isTerminal(value))
  const age = ({ value: { metadata } }: Held<Pod>): string => `${metadata.creationTimestamp} ${metadata.name}`
  return over.toSorted((one, other) => (age(one) < age(other) ? -1 : 1)).slice(0, Math.max(0, over.length - most))
}

const isOutOfService = (node: Node | undefined): boolean =>
  conditionOf(node?.status.conditions, 'Ready') !== 'True' && node?.spec.taints?.some(({ key }) => key === OUT_OF_SERVICE) === true

/** Null: its kubelet sees to it, or it is not to end. */
const reasonOf = (system: System, pod: Pod, isGone: IsGone): Reason | null => {
  const { nodeName = '' } = pod.spec
  if (!isBound(pod)) return isDeleting(pod) ? 'never bound' : null
  const node = named(seen<Node>(system, MANAGER, 'nodes'), nodeName)
  if (isDeleting(pod) && isOutOfService(node)) return 'out of service'
  return node === undefined && isGone(system, nodeName) ? 'node gone' : null
}

const forces = (system: System, { key, value: pod, version }: Held<Pod>, reason: Reason): Request => {
  const { metadata, spec, status } = pod
  const choice = { kind: 'ForceDeletePod' as const, pod: refOf(pod), node: spec.nodeName ?? '', reason, absentMs: QUARANTINE_MS }
  const live = system.keyspace.kvs.get(key)?.value as Pod | undefined
  const isOver = live?.metadata.uid === metadata.uid && isTerminal(live)
  if (isOver) return asks(MANAGER, choice, { verb: 'delete', key, uid: metadata.uid, propagation: 'Background', graceSeconds: 0 })
  const conditions = reason === 'node gone' ? withCondition(status.conditions, { type: DISRUPTED, status: 'True' }) : status.conditions
  const failed: Pod = { ...pod, status: { ...status, phase: 'Failed', ...(conditions === undefined ? {} : { conditions }) } }
  return asks(MANAGER, choice, { verb: 'status', value: failed, version })
}

/** By how many that are over may stay, and by a given way to tell that a node is missing. */
export const forcingOut = (terminatedMost: number, isGone: IsGone): ReturnType<typeof client> =>
  client('pod-gc', (system) => {
    const pods = seen<Pod>(system, MANAGER, 'pods')
    const tooMany = surplus(pods, terminatedMost)
    return pods.flatMap((held) => {
      const reason = tooMany.includes(held) ? 'too many' : reasonOf(system, held.value, isGone)
      return reason === null ? [] : [forces(system, held, reason)]
    })
  })

export const isNotStored: IsGone = (system, name) => named(stored<Node>(system, 'nodes'), name) === undefined

export const podGarbageCollector = forcingOut(TERMINATED_MOST, isNotStored)
