/** Whose token a secret is, and what the token says. Source: kubernetes pkg/serviceaccount/{util,legacy}.go. */
import type { Key, Stored } from '../state/keyspace.ts'
import { keyOf } from '../state/resources.ts'
import { ACCOUNT_NAME, ACCOUNT_UID, type Secret, type ServiceAccount, type TokenClaims } from '../state/service-account.ts'

/** The account it is for, if that is there. One that names no uid is for whoever has the name. */
export const accountOf = (store: ReadonlyMap<Key, Stored>, { metadata }: Secret): ServiceAccount | undefined => {
  const { [ACCOUNT_NAME]: name = '', [ACCOUNT_UID]: uid } = metadata.annotations ?? {}
  const account = store.get(keyOf('serviceaccounts', metadata.namespace, name))?.value as ServiceAccount | undefined
  return account !== undefined && (!uid || uid === account.metadata.uid) ? account : undefined
}

/** Null: it holds no token that can be read. */
export const claimsOf = ({ data }: Secret): TokenClaims | null => {
  try {
    const [, claims = ''] = atob(data?.['token'] ?? '').split('.')
    return JSON.parse(atob(claims.replaceAll('-', '+').replaceAll('_', '/'))) as TokenClaims
  } catch {
    return null
  }
}
