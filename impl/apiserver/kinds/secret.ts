/**
 * Secrets: what is given as it is is kept in base64; a type never changes; a token is some account's.
 *
 * Source: kubernetes/kubernetes pkg/registry/core/secret/strategy.go, pkg/apis/core/v1/conversion.go, pkg/apis/core/validation.
 */
import type { ApiObject } from '../../../model/state/objects.ts'
import { ACCOUNT_NAME, TOKEN_TYPE, type Secret } from '../../../model/state/service-account.ts'
import { same } from '../../equal.ts'
import { base64 } from '../../token.ts'
import type { Kind } from './kind.ts'

const OPAQUE = 'Opaque'

const asKept = (object: ApiObject): Secret => {
  const { stringData, type, ...rest } = object as Secret
  const given = Object.entries(stringData ?? {}).map(([name, text]) => [name, base64(text)] as const)
  const data = given.length === 0 ? rest.data : { ...rest.data, ...Object.fromEntries(given) }
  return { ...rest, type: type || OPAQUE, ...(data === undefined ? {} : { data }) }
}

export const secret: Kind = {
  create: asKept,
  keep: (held, updated, refuse) => {
    const [before, after] = [held as Secret, asKept({ type: (held as Secret).type, ...updated } as Secret)]
    if (after.type !== before.type) refuse('type', 'field is immutable')
    if (before.immutable !== true) return after
    if (after.immutable !== true) refuse('immutable', 'field is immutable when `immutable` is set')
    if (!same(before.data, after.data)) refuse('data', 'field is immutable when `immutable` is set')
    return after
  },
  validate: (object, refuse) => {
    const { type, metadata } = object as Secret
    if (type === TOKEN_TYPE && !metadata.annotations?.[ACCOUNT_NAME]) refuse(`metadata.annotations[${ACCOUNT_NAME}]`, 'Required value')
  },
}
