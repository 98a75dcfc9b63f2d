/**
 * Pods that nobody else will ever end: their node is gone, or they were deleted before they had one.
 *
 * Source: kubernetes/kubernetes pkg/controller/podgc/gc_controller.go.
 */
import type { Node, Pod } from '../../model/state/objects.ts'
import type { Controller, ControllerContext, Informer } from '../client/api.ts'
import { spawn, type Task } from '../task.ts'
import { isDeleting, isTerminal, refOf } from '../objects.ts'

const PERIOD_MS = 20_000
const QUARANTINE_MS = 40_000

export const podGarbageCollector: Controller = (context) => {
  const controller = new PodGc(context)
  return { name: 'pod-gc', start: () => controller.start() }
}

class PodGc {
  private readonly context: ControllerContext
  private readonly nodes: Informer<Node>
  private readonly pods: Informer<Pod>
  /** Since when a node that pods are bound to has been missing. */
  private readonly missing = new Map<string, number>()

  constructor(context: ControllerContext) {
    this.context = context
    this.nodes = context.informer('nodes')
    this.pods = context.informer('pods')
  }

  start(): void {
    const round = (): void => {
      spawn(this.collect(), () => this.context.after(PERIOD_MS, round))
    }
    round()
  }

  private *collect(): Task<void> {
    const nowMs = this.context.elapsed()
    const named = new Set(this.pods.list().map((pod) => pod.spec.nodeName ?? ''))
    for (const node of this.missing.keys()) if (!named.has(node) || this.nodes.get(node) !== undefined) this.missing.delete(node)
    for (const node of named) {
      if (node !== '' && this.nodes.get(node) === undefined && !this.missing.has(node)) this.missing.set(node, nowMs)
    }
    for (const pod of this.pods.list()) {
      const node = pod.spec.nodeName ?? ''
      if (node === '') {
        if (isDeleting(pod) && (isTerminal(pod) || (yield* this.fail(pod, {})))) yield* this.remove(pod)
        continue
      }
      const absentMs = nowMs - (this.missing.get(node) ?? nowMs)
      if (absentMs < QUARANTINE_MS) continue
      const read = yield* this.context.client.get<Node>({ resource: 'nodes', name: node })
      if (read.ok || read.status.code !== 404) continue
      this.context.client.decide(this.context.view('nodes', 'pods'), { kind: 'ForceDeletePod', pod: refOf('pods', pod), node, absentMs })
      if (!isTerminal(pod) && !(yield* this.fail(pod, { reason: 'NodeLost' }))) continue
      yield* this.remove(pod)
    }
  }

  /** Its containers, if it ever had some that still run, are nobody's any more. */
  private *fail(pod: Pod, told: { readonly reason?: string }): Task<boolean> {
    const status = { ...pod.status, phase: 'Failed' as const, ...told }
    const reply = yield* this.context.client.updateStatus<Pod>('pods', { ...pod, status })
    return reply.ok
  }

  private *remove(pod: Pod): Task<void> {
    const { namespace, name, uid } = pod.metadata
    yield* this.context.client.delete({ resource: 'pods', namespace, name }, { gracePeriodSeconds: 0, preconditions: { uid } })
  }
}
