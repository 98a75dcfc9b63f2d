/** DaemonSets. */
import { limits, mayStay, placeOf, wanted } from '../components/daemons.ts'
import { REVISION } from '../components/template.ts'
import type { Pending } from '../invariant.ts'
import type { Node, Pod } from '../state/objects.ts'
import type { ControllerRevision, DaemonSet } from '../state/stateful.ts'
import { all, beingDeleted, controllerOf, isEnding, isLost, isReady, isTerminal, label, podsOf, type Waiting } from './picture.ts'

export const daemonSetsPending: Waiting = (picture) =>
  all<DaemonSet>(picture, 'daemonsets').flatMap((set) => {
    const own = podsOf(picture, set).filter((pod) => !isTerminal(pod))
    if (isEnding(set)) return [beingDeleted(picture, set, own)]
    const blocked = own.some((pod) => picture.blocked.get(pod.metadata.uid) === true)
    const nodes = [...picture.nodes.values()].filter((node) => wanted(set, node))
    // Pods on nodes that are lost count as unavailable, whether or not new ones would go there.
    const lost = [...new Set([...nodes.map(({ metadata }) => metadata.name), ...own.map(placeOf)])].filter((node) => isLost(picture, node))
    const row = (waitsFor: string): readonly Pending[] => [{ object: label(set), waitsFor, blocked, derived: blocked }]
    if ((set.status.observedGeneration ?? 0) < (set.metadata.generation ?? 0)) return row('its controller to see its latest change')
    const revisions = all<ControllerRevision>(picture, 'controllerrevisions').filter((one) => controllerOf(one) === set.metadata.uid)
    const newest = revisions.toSorted((one, other) => other.revision - one.revision)[0]
    const isCurrent = (pod: Pod): boolean => newest?.metadata.name === `${set.metadata.name}-${pod.metadata.labels?.[REVISION]}`
    for (const { metadata } of nodes) {
      if (lost.includes(metadata.name)) continue
      const here = own.filter((pod) => placeOf(pod) === metadata.name)
      const [first] = here
      if (here.length > 1) return row(`one pod on ${metadata.name}: it has ${here.length}`)
      if (first === undefined || isEnding(first)) return row(`a pod on ${metadata.name}`)
      if (!isReady(first)) return row(`its pod on ${metadata.name} to be ready`)
      if (set.spec.updateStrategy.type === 'OnDelete' || isCurrent(first)) continue
      const { surge, unavailable } = limits(set, nodes.length)
      // Nodes that are lost use up what may be unavailable.
      const stalled = surge === 0 && lost.length >= unavailable
      const why = stalled ? ` (${lost.join(', ')} lost: no more may be unavailable)` : ''
      return [
        {
          object: label(set),
          waitsFor: `its pod on ${metadata.name} to be made anew${why}`,
          blocked: blocked || stalled,
          derived: blocked && !stalled,
        },
      ]
    }
    const places = new Set(nodes.map(({ metadata }) => metadata.name))
    const misplaced = own.find((pod) => !places.has(placeOf(pod)) && picture.nodes.has(placeOf(pod)) && !isLost(picture, placeOf(pod)))
    if (misplaced !== undefined && !isTolerated(set, picture.nodes.get(placeOf(misplaced))))
      return row(`its pod on ${placeOf(misplaced)} to end`)
    const { desiredNumberScheduled, numberReady } = set.status
    return desiredNumberScheduled === nodes.length && numberReady >= nodes.length - lost.length
      ? []
      : row('its status to agree with its pods')
  })

/** No pod would be put there now, but one that is there may stay. */
const isTolerated = (set: DaemonSet, node: Node | undefined): boolean => node !== undefined && mayStay(set, node)
