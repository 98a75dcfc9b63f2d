/** The storage class of claims that name none. Source: kubernetes/kubernetes pkg/volume/util/storageclass.go (GetDefaultClass). */
import type { StorageClass } from '../model/state/objects.ts'

const DEFAULT = 'storageclass.kubernetes.io/is-default-class'

/** Of several the newest, and then by name. */
export const defaultClass = (classes: readonly StorageClass[]): StorageClass | undefined =>
  classes
    .filter(({ metadata }) => metadata.annotations?.[DEFAULT] === 'true')
    .toSorted(({ metadata: one }, { metadata: other }) => {
      if (one.creationTimestamp !== other.creationTimestamp) return one.creationTimestamp > other.creationTimestamp ? -1 : 1
      return one.name < other.name ? -1 : 1
    })[0]
