/**
 * What an error of etcd says about the request: that it certainly had no effect, or that nobody knows.
 *
 * Source: api/v3rpc/rpctypes/error.go for texts and codes; v3_server.go and v3rpc/interceptor.go for what is checked
 * before anything is proposed. What is not known to be definite is unknown: that is never wrong, only weaker.
 */
import { status, type ServiceError } from '@grpc/grpc-js'
import type { Outcome } from '../../../model/state/history.ts'

/** The server looked at the request, or applied its entry, and refused. */
const DEFINITE_CODES: ReadonlySet<number> = new Set([
  status.INVALID_ARGUMENT,
  status.NOT_FOUND,
  status.ALREADY_EXISTS,
  status.PERMISSION_DENIED,
  status.FAILED_PRECONDITION,
  status.OUT_OF_RANGE,
  status.UNAUTHENTICATED,
  status.UNIMPLEMENTED,
])

/** Refused before they are proposed, under codes that otherwise say nothing. */
const DEFINITE_TEXTS: ReadonlySet<string> = new Set([
  'etcdserver: mvcc: database space exceeded',
  'etcdserver: too many requests',
  // Only with the 'hasleader' header, which is looked at first of all.
  'etcdserver: no leader',
  'etcdserver: not capable',
  'etcdserver: rpc not supported for learner',
])

/** The call never left: there was no connection to send it on. */
const NEVER_SENT = /^No connection established/

export const isDefinite = ({ code, details }: ServiceError): boolean =>
  NEVER_SENT.test(details) || DEFINITE_TEXTS.has(details) || (DEFINITE_CODES.has(code) && !fromClient(details))

/** gRPC's own limit on what this side receives has a code that the server uses for refusals. */
const fromClient = (details: string): boolean => details.startsWith('Received message larger than max')

export const outcomeOf = (error: ServiceError): Outcome => {
  const reason = textOf(error)
  if (!isDefinite(error)) return { kind: 'unknown', reason }
  return { kind: 'refused', reason, code: error.code, error: { kind: 'Error', message: reason, definite: true } }
}

/** What gRPC itself says has ports and milliseconds in it: too many texts for the same thing. */
const textOf = ({ code, details }: ServiceError): string => {
  if (NEVER_SENT.test(details)) return 'no connection'
  if (code === status.DEADLINE_EXCEEDED && details.startsWith('Deadline exceeded')) return 'no answer in time'
  return details || (status[code] ?? `code ${code}`)
}
