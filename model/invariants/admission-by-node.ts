/** What a node turns away, whatever schedulers decided. SEMANTICS 2.10, BUGS C8. */
import { isTerminal } from '../components/objects.ts'
import { allocatable, requests } from '../components/scheduling/requests.ts'
import type { Invariant, Judgement } from '../invariant.ts'
import type { Node, Pod, Uid } from '../state/objects.ts'
import { keyOf, prefixOf, resourceOfKey } from '../state/resources.ts'
import { objectOf, watching } from './define.ts'

/** How long before a pod is bound others may have ended for its node to have them on its books still. */
const CLEARED_MS = 5_000

const turnsAwayForGood: Invariant = watching(
  {
    id: 'KUBELET-S13b',
    sentence: 'a node turns a pod away for want of room only when those that are there, or were a moment ago, leave none',
    source: 'kubernetes/kubernetes#106884, pkg/kubelet/lifecycle/predicate.go',
    kind: 'history',
    strength: 'safety',
    sometimes: 'it turns one away',
    allows: ['ALLOW-12'],
  },
  ['Commit', 'ContainerExited'],
  () => {
    const boundMs = new Map<Uid, number>()
    const exitedMs = new Map<Uid, number>()
    return {
      observe(next, { cluster, history }): Judgement {
        if (next.kind === 'ContainerExited') exitedMs.set(next.pod, next.atMs)
        if (next.kind !== 'Commit' || resourceOfKey(next.key) !== 'pods') return 'vacuous'
        const [was, is] = [objectOf<Pod>(next.before), objectOf<Pod>(next.after)]
        const name = is?.spec.nodeName ?? ''
        if (is === undefined || name === '') return 'vacuous'
        const { uid } = is.metadata
        if ((was?.spec.nodeName ?? '') === '') boundMs.set(uid, next.atMs)
        if (is.status.phase !== 'Failed' || was?.status.phase === 'Failed') return 'vacuous'
        if (is.status.reason?.startsWith('OutOf') !== true) return 'holds'
        const node = objectOf<Node>(cluster.store.get(keyOf('nodes', undefined, name)))
        const sinceMs = (boundMs.get(uid) ?? 0) - CLEARED_MS
        if (node === undefined) return 'vacuous'
        const running = new Set([...cluster.running.values()].map(({ pod }) => pod))
        // Whoever held room there at any time since.
        const held = history.keys(prefixOf('pods')).flatMap((key) => {
          const versions = history.versions(key)
          return versions.flatMap(({ after }, index) => {
            const pod = objectOf<Pod>(after)
            if (pod === undefined || pod.metadata.uid === uid || pod.spec.nodeName !== name) return []
            const endedMs = versions[index + 1]?.atMs ?? Infinity
            const ran = running.has(pod.metadata.uid) || (exitedMs.get(pod.metadata.uid) ?? -Infinity) >= sinceMs
            return ran || (!isTerminal(pod) && endedMs >= sinceMs) ? [pod] : []
          })
        })
        const there = [is, ...new Map(held.map((pod) => [pod.metadata.uid, pod])).values()]
        const sum = (resource: string): number => there.reduce((total, pod) => total + (requests(pod).get(resource) ?? 0), 0)
        const full = there.length * 1000 > allocatable(node, 'pods')
        if (full || [...requests(is).keys()].some((resource) => sum(resource) > allocatable(node, resource))) return 'notable'
        return { why: `${name} turns ${is.metadata.name} away (${is.status.reason}), though there is room beside the pods that are there` }
      },
    }
  },
)

export const ADMISSION_BY_NODE: readonly Invariant[] = [turnsAwayForGood]
