/**
 * Messages between the API server and its clients: the REST API without the bytes.
 *
 * One connection carries any number of requests and watches, as HTTP/2 does. Objects are immutable and shared.
 * Source: https://kubernetes.io/docs/reference/using-api/api-concepts/
 */
import type { ApiObject } from '../../model/state/objects.ts'
import type { ResourceName } from '../../model/state/resources.ts'

export type Verb = 'get' | 'list' | 'create' | 'update' | 'patch' | 'delete'

export interface DeleteOptions {
  readonly gracePeriodSeconds?: number
  readonly preconditions?: { readonly uid?: string; readonly resourceVersion?: string }
  readonly propagationPolicy?: 'Background' | 'Foreground' | 'Orphan'
}

export interface ApiRequest {
  readonly verb: Verb
  readonly resource: ResourceName
  /** 'binding': create on a pod, body { target: { name: node } , uid }. 'eviction': create on a pod, with deleteOptions. 'finalize': of a namespace. */
  readonly subresource?: 'status' | 'binding' | 'scale' | 'eviction' | 'finalize'
  readonly namespace?: string
  readonly name?: string
  /** create, update: the object. patch: the patch. binding: see above. */
  readonly body?: unknown
  readonly patchType?: 'json' | 'merge' | 'strategic'
  readonly deleteOptions?: DeleteOptions
  /** get, list. Absent: most recent; '0': any, from the cache; N: not older than N. */
  readonly resourceVersion?: string
  /** 'app=web,tier!=db' */
  readonly labelSelector?: string
  /** 'spec.nodeName=node-1,metadata.name=x' */
  readonly fieldSelector?: string
}

export type ApiClientMessage =
  | {
      readonly kind: 'ApiRequest'
      readonly id: number
      readonly request: ApiRequest
      /** The component's own name, author of what it writes. */
      readonly userAgent: string
    }
  | {
      readonly kind: 'ApiWatch'
      readonly watch: number
      readonly resource: ResourceName
      readonly namespace?: string
      readonly resourceVersion?: string
      readonly labelSelector?: string
      readonly fieldSelector?: string
      readonly allowWatchBookmarks: boolean
      readonly timeoutSeconds: number
      readonly userAgent: string
    }
  | { readonly kind: 'ApiWatchCancel'; readonly watch: number }

/** A v1 Status of a failure. https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/status/ */
export interface Status {
  readonly code: number
  readonly reason: string
  readonly message: string
  readonly causes?: readonly { readonly field?: string; readonly reason: string; readonly message: string }[]
  readonly retryAfterSeconds?: number
}
export type ApiReply =
  | { readonly code: 200 | 201 | 202; readonly object: ApiObject }
  /** A list: all at one revision. */
  | { readonly code: 200; readonly items: readonly ApiObject[]; readonly resourceVersion: string }
  | { readonly code: number; readonly status: Status }

export type ApiServerMessage =
  | { readonly kind: 'ApiReply'; readonly id: number; readonly reply: ApiReply }
  /** BOOKMARK objects have only kind, apiVersion and metadata.resourceVersion. */
  | {
      readonly kind: 'ApiEvent'
      readonly watch: number
      readonly type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK'
      readonly object: ApiObject
    }
  /** The stream ended, with a Status when it is an error such as 410 Expired. */
  | { readonly kind: 'ApiWatchEnded'; readonly watch: number; readonly status?: Status }
