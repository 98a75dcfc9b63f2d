/**
 * Pods that ask for the same, told apart by numbers: what was found out for one of them holds for the next.
 *
 * Most pods of a cluster are copies of a few templates, so this is most of the work saved. Kubernetes does the like under the
 * name of pod signatures. Source: KEP-5598.
 */
import type { Container, Pod, Volume } from '../../model/state/objects.ts'
import type { PodInfo } from './node-info.ts'

const KNOWN_MOST = 2_000

/** Texts as numbers. A number is never given twice, though a text that was not seen for long may get another one. */
class Numbers {
  private readonly known = new Map<string, number>()
  private last = 0

  of(text: string): number {
    let number = this.known.get(text)
    if (number === undefined) {
      if (this.known.size >= KNOWN_MOST) this.known.clear()
      number = ++this.last
      this.known.set(text, number)
    }
    return number
  }
}

const numbers = new Numbers()

export interface Likeness {
  /** The same for pods of the same spec, wherever it is bound. */
  readonly spec: number
  /** The same for pods that are alike to other pods too: of the same namespace and labels, and owned by somebody or not. */
  readonly pod: number
}

/** Told once for a pod, and kept with what else is known of it. */
export const likenessOf = (info: PodInfo): Likeness => (info.likeness ??= tell(info.pod))

const matters = ({ projected, configMap, secret, downwardAPI, emptyDir }: Volume): boolean =>
  (projected ?? configMap ?? secret ?? downwardAPI ?? emptyDir) === undefined

const tell = (pod: Pod): Likeness => {
  const { nodeName: _nodeName, volumes, containers, initContainers, ...spec } = pod.spec
  const { namespace, labels, ownerReferences = [] } = pod.metadata
  // Where a container has them is its own affair, and what is made for a pod alone is named after nobody.
  const unmounted = (container: Container) => ({ ...container, volumeMounts: undefined })
  const asked = { containers: containers.map(unmounted), initContainers: initContainers?.map(unmounted), volumes: volumes?.filter(matters) }
  const text = JSON.stringify({ ...spec, ...asked })
  return { spec: numbers.of(text), pod: numbers.of(`${namespace} ${ownerReferences.length > 0} ${JSON.stringify(labels)} ${text}`) }
}
