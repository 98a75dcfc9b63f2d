/** Tokens of service accounts: each is filled, or goes with its account. */
import { accountOf } from '../components/service-account-tokens.ts'
import type { Secret } from '../state/service-account.ts'
import { ACCOUNT_NAME, TOKEN_TYPE } from '../state/service-account.ts'
import { all, isEnding, label, type Waiting } from './picture.ts'

export const tokensPending: Waiting = (picture) =>
  all<Secret>(picture, 'secrets').flatMap((secret) => {
    if (secret.type !== TOKEN_TYPE || isEnding(secret)) return []
    const object = label(secret)
    const account = accountOf(picture.cluster.store, secret)
    if (account === undefined)
      return [{ object, waitsFor: `its end: its service account ${secret.metadata.annotations?.[ACCOUNT_NAME]} is gone`, blocked: false }]
    const { data = {} } = secret
    const empty = ['token', 'ca.crt', 'namespace'].find((part) => !data[part])
    return empty === undefined ? [] : [{ object, waitsFor: `its ${empty}`, blocked: false }]
  })
