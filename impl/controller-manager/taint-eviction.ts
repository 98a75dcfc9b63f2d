/**
 * Pods on a node with a NoExecute taint leave it, once their tolerations have run out; not if the taint goes before.
 *
 * Source: kubernetes/kubernetes pkg/controller/nodelifecycle/scheduler/taint_manager.go.
 */
import type { Condition, Node, Pod } from '../../model/state/objects.ts'
import type { Controller, ControllerContext, Informer, WorkQueue } from '../client/api.ts'
import { nameOf } from '../client/informer.ts'
import type { Task } from '../task.ts'
import { isDeleting, refOf } from '../objects.ts'
import { noExecute, toleratedMs } from '../taints.ts'
import { rfc3339 } from '../time.ts'

const WORKERS = 8

export const taintEvictionController: Controller = (context) => {
  const controller = new TaintEviction(context)
  return { name: 'taint-eviction', start: () => controller.start() }
}

interface Wait {
  readonly uid: string
  readonly sinceMs: number
  toleratedMs: number
}

const EVICTED: Condition = {
  type: 'DisruptionTarget',
  status: 'True',
  reason: 'DeletionByTaintManager',
  message: 'Taint manager: deleting due to NoExecute taint',
}

class TaintEviction {
  private readonly context: ControllerContext
  private readonly nodes: Informer<Node>
  private readonly pods: Informer<Pod>
  private readonly queue: WorkQueue
  /** Pods whose time runs, by name. */
  private readonly waits = new Map<string, Wait>()

  constructor(context: ControllerContext) {
    this.context = context
    this.nodes = context.informer('nodes')
    this.pods = context.informer('pods')
    this.queue = context.queue(WORKERS, (key) => this.evict(key))
  }

  start(): void {
    this.pods.onChange((before, after) => {
      if (after === null) {
        if (before !== null) this.waits.delete(nameOf(before))
      } else if (before === null || before.spec.nodeName !== after.spec.nodeName || before.spec.tolerations !== after.spec.tolerations) {
        this.look(after)
      }
    })
    this.nodes.onChange((before, after) => {
      const node = after ?? before
      if (node === null || (before?.spec.taints === after?.spec.taints && before !== null)) return
      for (const pod of this.pods.list()) if (pod.spec.nodeName === node.metadata.name) this.look(pod)
    })
  }

  private tolerated(pod: Pod): number | null {
    const node = this.nodes.get(pod.spec.nodeName ?? '')
    const taints = noExecute(node?.spec.taints)
    return taints.length === 0 ? null : toleratedMs(pod, taints)
  }

  private look(pod: Pod): void {
    const key = nameOf(pod)
    if (isDeleting(pod)) return
    const ms = this.tolerated(pod)
    if (ms === null) {
      this.waits.delete(key)
      return
    }
    const held = this.waits.get(key)
    if (held === undefined || held.uid !== pod.metadata.uid) {
      this.waits.set(key, { uid: pod.metadata.uid, sinceMs: this.context.elapsed(), toleratedMs: ms })
    } else held.toleratedMs = ms
    const wait = this.waits.get(key) as Wait
    const leftMs = wait.sinceMs + ms - this.context.elapsed()
    // Not through the queue's own delay: a wait that was called off must not shorten the next one.
    this.context.after(Math.max(0, leftMs), () => {
      if (this.waits.get(key) === wait) this.queue.add(key)
    })
  }

  private *evict(key: string): Task<'done' | 'retry'> {
    const pod = this.pods.get(key)
    const wait = this.waits.get(key)
    if (pod === undefined || wait === undefined || pod.metadata.uid !== wait.uid || isDeleting(pod)) return 'done'
    const ms = this.tolerated(pod)
    const waitedMs = this.context.elapsed() - wait.sinceMs
    if (ms === null || waitedMs < ms) return 'done'
    const node = pod.spec.nodeName ?? ''
    this.context.client.decide(this.context.view('nodes', 'pods'), {
      kind: 'EvictPod',
      pod: refOf('pods', pod),
      node,
      toleratedMs: ms,
      waitedMs,
    })
    const { namespace, name, uid } = pod.metadata
    // Said first: who counts failures can tell this one apart.
    const conditions = [{ ...EVICTED, lastTransitionTime: rfc3339(this.context.now()) }]
    const patch = { metadata: { uid }, status: { conditions } }
    const told = yield* this.context.client.patch<Pod>({ resource: 'pods', namespace, name }, patch, { subresource: 'status' })
    if (!told.ok && told.status.code !== 404 && told.status.code !== 409) return 'retry'
    const reply = yield* this.context.client.delete({ resource: 'pods', namespace, name }, { preconditions: { uid } })
    if (!reply.ok && reply.status.code !== 404 && reply.status.code !== 409) return 'retry'
    this.waits.delete(key)
    return 'done'
  }
}
