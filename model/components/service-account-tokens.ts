/**
 * Secrets that are tokens of service accounts: filled for an account that is there, deleted when it is gone or another one.
 *
 * Which secrets there are, and as what, it takes from its view; an account that this does not show it reads from the store.
 * That read and what follows from it are one step: narrower than upstream, where an account may come in between. Left out:
 * the list that an account may keep of its tokens, and signatures.
 * Source: kubernetes pkg/controller/serviceaccount/tokens_controller.go, pkg/serviceaccount/{util,legacy}.go
 */
import type { Key, Stored } from '../state/keyspace.ts'
import { keyOf } from '../state/resources.ts'
import { ACCOUNT_NAME, ACCOUNT_UID, TOKEN_TYPE, type Secret, type ServiceAccount, type TokenClaims } from '../state/service-account.ts'
import type { Request, System } from '../state/system.ts'
import { isDeleting } from './objects.ts'
import { asks, client, MANAGER, refOf, removal } from './request.ts'
import { seen, type Held } from './view.ts'

/** A secret that names no uid is for whoever has the name. */
const isFor = ({ metadata }: Secret, account: ServiceAccount): boolean => {
  const { [ACCOUNT_NAME]: name = '', [ACCOUNT_UID]: uid } = metadata.annotations ?? {}
  const { metadata: of } = account
  return of.namespace === metadata.namespace && of.name === name && (!uid || uid === of.uid)
}

/** The account it is for, if that is there. */
export const accountOf = (store: ReadonlyMap<Key, Stored>, secret: Secret): ServiceAccount | undefined => {
  const { namespace, annotations } = secret.metadata
  const account = store.get(keyOf('serviceaccounts', namespace, annotations?.[ACCOUNT_NAME] ?? ''))?.value as ServiceAccount | undefined
  return account !== undefined && isFor(secret, account) ? account : undefined
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

const tokenFor = ({ metadata: { namespace = '', name, uid } }: ServiceAccount, secret: string): string => {
  const claims: TokenClaims = {
    iss: 'kubernetes/serviceaccount',
    sub: `system:serviceaccount:${namespace}:${name}`,
    'kubernetes.io/serviceaccount/namespace': namespace,
    'kubernetes.io/serviceaccount/secret.name': secret,
    'kubernetes.io/serviceaccount/service-account.name': name,
    'kubernetes.io/serviceaccount/service-account.uid': uid,
  }
  return `.${btoa(JSON.stringify(claims))}.`
}

const CERTIFICATE = btoa('certificate')

const fills = ({ value: secret, version }: Held<Secret>, { metadata: of }: ServiceAccount, token: string): readonly Request[] => {
  const { metadata, data = {} } = secret
  if (data['ca.crt'] === CERTIFICATE && data['namespace'] && data['token']) return []
  const value: Secret = {
    ...secret,
    metadata: { ...metadata, annotations: { ...metadata.annotations, [ACCOUNT_NAME]: of.name, [ACCOUNT_UID]: of.uid } },
    data: {
      ...data,
      'ca.crt': CERTIFICATE,
      namespace: data['namespace'] || btoa(metadata.namespace ?? ''),
      token: data['token'] || btoa(token),
    },
  }
  return [asks(MANAGER, null, { verb: 'update', value, version })]
}

/** The account of a secret, as it is found; undefined: there is none. */
export type Find = (system: System, secret: Secret) => ServiceAccount | undefined

export const fillingBy = (find: Find): ReturnType<typeof client> =>
  client('serviceaccount-token', (system) =>
    seen<Secret>(system, MANAGER, 'secrets').flatMap((held) => {
      const { value: secret } = held
      if (secret.type !== TOKEN_TYPE || isDeleting(secret)) return []
      const account = find(system, secret)
      if (account !== undefined) return fills(held, account, tokenFor(account, secret.metadata.name))
      const { [ACCOUNT_NAME]: name = '', [ACCOUNT_UID]: uid = null } = secret.metadata.annotations ?? {}
      return [asks(MANAGER, { kind: 'DeleteToken', secret: refOf(secret), account: { name, uid } }, removal(held))]
    }),
  )

export const inView: Find = (system, secret) =>
  seen<ServiceAccount>(system, MANAGER, 'serviceaccounts').find(({ value }) => isFor(secret, value))?.value

export const serviceAccountTokens = fillingBy((system, secret) => inView(system, secret) ?? accountOf(system.keyspace.kvs, secret))
