/**
 * ImageLocality: nodes that hold more of the pod's images score higher, the less so the rarer an image is.
 *
 * Source: kubernetes/kubernetes pkg/scheduler/framework/plugins/imagelocality/image_locality.go.
 */
import { SCORE_MOST, SKIP, type Plugin } from '../framework.ts'
import type { NodeInfo } from '../node-info.ts'

const MEBI = 1024 * 1024
const BYTES_LEAST = 23 * MEBI
const BYTES_MOST_A_CONTAINER = 1000 * MEBI

/** With ':latest' where there is no tag. */
export const normalizedImage = (name: string): string => (name.lastIndexOf(':') <= name.lastIndexOf('/') ? `${name}:latest` : name)

const sizeOn = ({ node }: NodeInfo, image: string): number =>
  node.status.images?.find(({ names }) => names?.includes(image) === true)?.sizeBytes ?? 0

export const imageLocality: Plugin = {
  name: 'ImageLocality',
  // All would score the same.
  preScore: ({ snapshot }) => (snapshot.hasImages ? null : SKIP),
  score: ({ snapshot }, { pod }, node) => {
    if ((node.node.status.images ?? []).length === 0) return 0
    const containers = [...(pod.spec.initContainers ?? []), ...pod.spec.containers]
    let sum = 0
    for (const { image } of containers) {
      if (image === undefined) continue
      const name = normalizedImage(image)
      const size = sizeOn(node, name)
      if (size > 0) sum += Math.trunc(size * (snapshot.imageNodes(name) / snapshot.nodes.length))
    }
    const most = BYTES_MOST_A_CONTAINER * containers.length
    const counted = Math.min(most, Math.max(BYTES_LEAST, sum))
    return Math.trunc((SCORE_MOST * (counted - BYTES_LEAST)) / (most - BYTES_LEAST))
  },
}
