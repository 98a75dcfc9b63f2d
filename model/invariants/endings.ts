/** What a kubelet does not start any more: containers of pods that end, or that it has let go. SEMANTICS 2.10. */
import type { Invariant } from '../invariant.ts'
import { isDeleting } from '../components/objects.ts'
import type { Pod, Uid } from '../state/objects.ts'
import { resourceOfKey } from '../state/resources.ts'
import { objectOf, watching } from './define.ts'

/** What had been asked of the runtime when the news came may still be done. */
const UNDER_WAY_MS = 10_000

const notStartedAgain: Invariant = watching(
  {
    id: 'KUBELET-S7',
    sentence: 'no container is started for a pod that its kubelet knows to end, nor, ever, for one that it has let go',
    source: 'kubernetes pkg/kubelet/pod_workers.go; kubernetes/kubernetes#59848',
    kind: 'history',
    strength: 'safety',
    sometimes: 'the kubelet had been restarted',
  },
  ['Commit', 'ContainerStarted', 'WatchOpened', 'WatchDelivered', 'ProcessStarted'],
  () => {
    /** Pods whose kubelet has said that all of them is over. */
    const letGo = new Set<Uid>()
    /** Pods a kubelet was told are ending: since when. */
    const ending = new Map<Uid, number>()
    /** Stream → the node whose kubelet watches. */
    const nodes = new Map<string, string>()
    const toldIn = new Map<string, Set<Uid>>()
    const restarted = new Set<string>()
    return {
      observe(next, { history }) {
        switch (next.kind) {
          case 'ProcessStarted': {
            const { process } = next
            if (next.reason !== 'restart' || !process.startsWith('kubelet-')) return 'vacuous'
            const node = process.slice('kubelet-'.length)
            restarted.add(node)
            // It has to be told again.
            for (const uid of toldIn.get(node) ?? []) ending.delete(uid)
            return 'vacuous'
          }
          case 'WatchOpened':
            if (next.layer === 'api' && next.process.startsWith('kubelet-')) nodes.set(next.stream, next.process.slice('kubelet-'.length))
            return 'vacuous'
          case 'WatchDelivered': {
            const node = nodes.get(next.stream)
            if (node === undefined) return 'vacuous'
            for (const { key, revision } of next.events) {
              const pod = objectOf<Pod>(history.at(key, revision))
              if (pod === undefined || !isDeleting(pod) || ending.has(pod.metadata.uid)) continue
              ending.set(pod.metadata.uid, next.atMs)
              toldIn.set(node, (toldIn.get(node) ?? new Set()).add(pod.metadata.uid))
            }
            return 'vacuous'
          }
          case 'Commit': {
            const pod = next.after === null && resourceOfKey(next.key) === 'pods' ? objectOf<Pod>(next.before) : undefined
            if (pod !== undefined && next.author === `kubelet-${pod.spec.nodeName}`) letGo.add(pod.metadata.uid)
            return 'vacuous'
          }
          case 'ContainerStarted': {
            const what = `${next.node} starts ${next.container} of ${next.podName}`
            if (letGo.has(next.pod)) return { why: `${what}, which its kubelet had let go` }
            const toldMs = ending.get(next.pod)
            if (toldMs !== undefined && next.atMs - toldMs > UNDER_WAY_MS)
              return { why: `${what}, ${next.atMs - toldMs} ms after its kubelet was told that it ends` }
            return restarted.has(next.node) ? 'notable' : 'holds'
          }
          default:
            return 'vacuous'
        }
      },
    }
  },
)

export const ENDINGS: readonly Invariant[] = [notStartedAgain]
