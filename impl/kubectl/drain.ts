/**
 * kubectl drain --force --ignore-daemonsets: a node gets no new pods, and those it has are evicted as their budgets allow.
 *
 * Source: kubernetes/kubectl pkg/drain/drain.go. Like there it waits as long as it takes; it ends early only when an
 * eviction is refused for good.
 */
import type { Pod } from '../../model/state/objects.ts'
import type { Client } from '../client/client.ts'
import { controllerOf, isTerminal } from '../objects.ts'
import { sleep, spawn, wait, type Task } from '../task.ts'
import type { ClusterHost } from '../wire.ts'

const RETRY_MS = 5_000

export function* drain(host: ClusterHost, client: Client, node: string, uncordon: boolean): Task<void> {
  const say = (outcome: 'begun' | 'ended' | 'abandoned', pods: readonly Pod[], detail: string): void =>
    host.observe({ kind: 'DrainChanged', node, outcome, pods: pods.map(({ metadata }) => metadata.uid), detail })
  const cordon = (unschedulable: boolean): Task<string | null> =>
    patiently(host, () => client.patch({ resource: 'nodes', name: node }, { spec: { unschedulable } }))
  const cordoned = yield* cordon(true)
  if (cordoned !== null) {
    say('abandoned', [], cordoned)
    return
  }
  const listed = yield* client.list<Pod>('pods', { fieldSelector: `spec.nodeName=${node}` })
  if (!listed.ok) {
    say('abandoned', [], listed.status.message)
    return
  }
  const pods = listed.value.items.filter((pod) => controllerOf(pod)?.kind !== 'DaemonSet' || isTerminal(pod))
  say('begun', pods, `of ${pods.length} pods`)
  const refusals = pods.length === 0 ? [] : yield* together(pods.map((pod) => evicted(host, client, pod)))
  const refused = refusals.find((refusal) => refusal !== null)
  if (refused === undefined || refused === null) say('ended', pods, '')
  else say('abandoned', pods, refused)
  if (uncordon) yield* cordon(false)
}

/** All at once; when the last has ended, what each came to. */
const together = (tasks: readonly Task<string | null>[]): Task<readonly (string | null)[]> =>
  wait((resume) => {
    const ends: (string | null)[] = []
    const ended = (end: string | null): void => {
      ends.push(end)
      if (ends.length === tasks.length) resume(ends)
    }
    for (const task of tasks) spawn(task, ended)
  })

type Answer =
  | { readonly ok: true }
  | { readonly ok: false; readonly status: { readonly code: number; readonly message: string }; readonly definite: boolean }

/** Until there is an answer that will not change. Null: done. */
function* patiently(host: ClusterHost, ask: () => Task<Answer>): Task<string | null> {
  for (;;) {
    const reply = yield* ask()
    if (reply.ok) return null
    if (reply.definite && reply.status.code !== 409) return reply.status.message
    yield* sleep(host, RETRY_MS)
  }
}

/** Null: it is gone. Otherwise why it cannot be evicted. */
function* evicted(host: ClusterHost, client: Client, pod: Pod): Task<string | null> {
  const { namespace, name, uid } = pod.metadata
  for (;;) {
    // The uid is named: by its name alone another pod could be evicted that came in its place, elsewhere.
    const reply = yield* client.evict({ resource: 'pods', namespace, name, uid })
    if (reply.ok) break
    const { code, message, causes } = reply.status
    if (code === 404) return null
    if (code === 409 && message.includes('UID')) return null
    const isEnding = causes?.some(({ reason }) => reason === 'NamespaceTerminating') === true
    if ((code === 403 && !isEnding) || code === 500) return `${namespace}/${name}: ${message}`
    yield* sleep(host, RETRY_MS)
  }
  for (;;) {
    const read = yield* client.get<Pod>({ resource: 'pods', namespace, name })
    const gone = read.ok ? read.value.metadata.uid !== uid : read.status.code === 404
    if (gone) return null
    yield* sleep(host, RETRY_MS)
  }
}
