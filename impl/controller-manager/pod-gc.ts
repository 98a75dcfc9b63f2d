/**
 * Pods that nobody else will ever end: their node is gone or out of service, they were deleted before they had one, or
 * too many that are over have piled up.
 *
 * Source: kubernetes/kubernetes pkg/controller/podgc/gc_controller.go.
 */
import type { Choice } from '../../model/state/history.ts'
import type { Condition, Node, Pod } from '../../model/state/objects.ts'
import type { Timings } from '../../model/state/plan.ts'
import type { Controller, ControllerContext, Informer } from '../client/api.ts'
import { nameOf } from '../client/informer.ts'
import { spawn, type Task } from '../task.ts'
import { conditionOf, isDeleting, isTerminal, refOf, withCondition } from '../objects.ts'
import { OUT_OF_SERVICE } from '../taints.ts'
import { rfc3339 } from '../time.ts'

const PERIOD_MS = 20_000
const QUARANTINE_MS = 40_000
const TERMINATED_MOST = 12_500

type Reason = Extract<Choice, { readonly kind: 'ForceDeletePod' }>['reason']

export const podGarbageCollector =
  (timings: Timings): Controller =>
  (context) => {
    const controller = new PodGc(context, timings)
    return { name: 'pod-gc', start: () => controller.start() }
  }

class PodGc {
  private readonly context: ControllerContext
  private readonly nodes: Informer<Node>
  private readonly pods: Informer<Pod>
  private readonly terminatedMost: number
  /** Since when a node that pods are bound to has been missing. */
  private readonly missing = new Map<string, number>()

  constructor(context: ControllerContext, timings: Timings) {
    this.context = context
    this.nodes = context.informer('nodes')
    this.pods = context.informer('pods')
    this.terminatedMost = timings.terminatedPodsMost ?? TERMINATED_MOST
  }

  start(): void {
    const round = (): void => {
      spawn(this.collect(), () => this.context.after(PERIOD_MS, round))
    }
    round()
  }

  private *collect(): Task<void> {
    const pods = this.pods.list()
    const surplus = this.surplus(pods)
    this.quarantine(pods)
    for (const listed of pods) {
      // What was done for others took its time.
      const pod = this.pods.get(nameOf(listed))
      if (pod === undefined || pod.metadata.uid !== listed.metadata.uid) continue
      const node = pod.spec.nodeName ?? ''
      if (surplus.has(listed)) yield* this.force(pod, 'too many')
      else if (node === '') {
        if (isDeleting(pod)) yield* this.force(pod, 'never bound')
      } else if (isDeleting(pod) && this.isOutOfService(node)) yield* this.force(pod, 'out of service')
      else if (yield* this.isGone(node)) yield* this.force(pod, 'node gone')
    }
  }

  /** Of those that are over the oldest, beyond how many may stay. */
  private surplus(pods: readonly Pod[]): ReadonlySet<Pod> {
    const over = pods.filter((pod) => isTerminal(pod))
    const age = ({ metadata }: Pod): string => `${metadata.creationTimestamp} ${metadata.name}`
    const oldest = over.toSorted((one, other) => (age(one) < age(other) ? -1 : 1))
    return new Set(oldest.slice(0, Math.max(0, over.length - this.terminatedMost)))
  }

  private quarantine(pods: readonly Pod[]): void {
    const named = new Set(pods.map((pod) => pod.spec.nodeName ?? ''))
    for (const node of this.missing.keys()) if (!named.has(node) || this.nodes.get(node) !== undefined) this.missing.delete(node)
    for (const node of named) {
      if (node !== '' && this.nodes.get(node) === undefined && !this.missing.has(node)) this.missing.set(node, this.context.elapsed())
    }
  }

  private absentMs(node: string): number {
    const nowMs = this.context.elapsed()
    return nowMs - (this.missing.get(node) ?? nowMs)
  }

  private *isGone(node: string): Task<boolean> {
    if (this.absentMs(node) < QUARANTINE_MS) return false
    const read = yield* this.context.client.get<Node>({ resource: 'nodes', name: node })
    return !read.ok && read.status.code === 404
  }

  private isOutOfService(name: string): boolean {
    const node = this.nodes.get(name)
    if (node === undefined || conditionOf(node.status.conditions, 'Ready')?.status === 'True') return false
    return node.spec.taints?.some((taint) => taint.key === OUT_OF_SERVICE) === true
  }

  private *force(pod: Pod, reason: Reason): Task<void> {
    const node = pod.spec.nodeName ?? ''
    const { client } = this.context
    const choice = { kind: 'ForceDeletePod' as const, pod: refOf('pods', pod), node, reason, absentMs: this.absentMs(node) }
    client.decide(this.context.view('nodes', 'pods'), choice)
    if (!isTerminal(pod) && !(yield* this.fail(pod, reason))) return
    const { namespace, name, uid } = pod.metadata
    yield* client.delete({ resource: 'pods', namespace, name }, { gracePeriodSeconds: 0, preconditions: { uid } })
  }

  /** Its containers, if they still run, are nobody's any more. */
  private *fail(pod: Pod, reason: Reason): Task<boolean> {
    const disrupted: Condition = {
      type: 'DisruptionTarget',
      status: 'True',
      reason: 'DeletionByPodGC',
      message: 'PodGC: node no longer exists',
      lastTransitionTime: rfc3339(this.context.now()),
    }
    const conditions = reason === 'node gone' ? withCondition(pod.status.conditions, disrupted) : pod.status.conditions
    const lost = reason === 'never bound' ? {} : { reason: 'NodeLost' }
    const status = { ...pod.status, phase: 'Failed' as const, ...lost, ...(conditions === undefined ? {} : { conditions }) }
    const reply = yield* this.context.client.updateStatus<Pod>('pods', { ...pod, status })
    return reply.ok
  }
}
