/**
 * Tokens of service accounts: JSON web tokens that nobody has signed.
 *
 * Whoever forges one is not simulated, so the header says that there is no signature (RFC 7519, section 6.1), and the third
 * part is empty. Claims: kubernetes/kubernetes pkg/serviceaccount/legacy.go.
 */
import type { Secret, ServiceAccount, TokenClaims } from '../model/state/service-account.ts'

const HEADER = { alg: 'none', typ: 'JWT' }

/** Of UTF-8, as in the data of secrets. */
export const base64 = (text: string): string =>
  btoa(Array.from(new TextEncoder().encode(text), (byte) => String.fromCodePoint(byte)).join(''))

const part = (value: unknown): string => base64(JSON.stringify(value)).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '')

export const tokenFor = ({ metadata }: ServiceAccount, secret: Secret): string => {
  const { namespace = '', name, uid } = metadata
  const claims: TokenClaims = {
    iss: 'kubernetes/serviceaccount',
    'kubernetes.io/serviceaccount/namespace': namespace,
    'kubernetes.io/serviceaccount/secret.name': secret.metadata.name,
    'kubernetes.io/serviceaccount/service-account.name': name,
    'kubernetes.io/serviceaccount/service-account.uid': uid,
    sub: `system:serviceaccount:${namespace}:${name}`,
  }
  return `${part(HEADER)}.${part(claims)}.`
}
