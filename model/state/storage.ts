/** What joins a volume to a node. Source: https://kubernetes.io/docs/reference/kubernetes-api/config-and-storage-resources/volume-attachment-v1/ */
import type { ApiObject } from './objects.ts'

export interface VolumeAttachment extends ApiObject {
  readonly kind: 'VolumeAttachment'
  readonly spec: {
    /** The driver that has to see to it. */
    readonly attacher: string
    readonly nodeName: string
    readonly source: { readonly persistentVolumeName: string }
  }
  readonly status: { readonly attached: boolean }
}
