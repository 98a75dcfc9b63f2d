/** Who pods and programs are to the API server, and the secrets that say so. */
import type { ApiObject, Labels } from './objects.ts'

export interface ServiceAccount extends ApiObject {
  readonly kind: 'ServiceAccount'
  /** Whether its pods are given a token, unless they say so themselves. Absent: they are. */
  readonly automountServiceAccountToken?: boolean
  readonly secrets?: readonly { readonly name: string }[]
  readonly imagePullSecrets?: readonly { readonly name: string }[]
}

export interface Secret extends ApiObject {
  readonly kind: 'Secret'
  readonly type?: string
  /** In base64. */
  readonly data?: Labels
  /** As it is; the server puts it into `data`. */
  readonly stringData?: Labels
  readonly immutable?: boolean
}

export const TOKEN_TYPE = 'kubernetes.io/service-account-token'
/** Annotations: whose token it is. */
export const ACCOUNT_NAME = 'kubernetes.io/service-account.name'
export const ACCOUNT_UID = 'kubernetes.io/service-account.uid'

/** What a token says of the account it is for. */
export interface TokenClaims {
  readonly iss: string
  readonly sub: string
  readonly 'kubernetes.io/serviceaccount/namespace': string
  readonly 'kubernetes.io/serviceaccount/secret.name': string
  readonly 'kubernetes.io/serviceaccount/service-account.name': string
  readonly 'kubernetes.io/serviceaccount/service-account.uid': string
}
