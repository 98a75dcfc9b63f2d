/** Failures as the API server words them. Source: k8s.io/apimachinery/pkg/api/errors. */
import type { Status } from './api.ts'

export const notFound = (resource: string, name: string): Status => ({
  code: 404,
  reason: 'NotFound',
  message: `${resource} "${name}" not found`,
})
export const alreadyExists = (resource: string, name: string): Status => ({
  code: 409,
  reason: 'AlreadyExists',
  message: `${resource} "${name}" already exists`,
})
export const conflict = (resource: string, name: string, why: string): Status => ({
  code: 409,
  reason: 'Conflict',
  message: `Operation cannot be fulfilled on ${resource} "${name}": ${why}`,
})
export const MODIFIED = 'the object has been modified; please apply your changes to the latest version and try again'
export const invalid = (kind: string, name: string, field: string, why: string): Status => ({
  code: 422,
  reason: 'Invalid',
  message: `${kind} "${name}" is invalid: ${field}: ${why}`,
  causes: [{ field, reason: 'FieldValueInvalid', message: why }],
})
export const badRequest = (message: string): Status => ({ code: 400, reason: 'BadRequest', message })
export const forbidden = (message: string): Status => ({ code: 403, reason: 'Forbidden', message })
export const expired = (message: string): Status => ({ code: 410, reason: 'Expired', message })
export const tooManyRequests = (message: string, cause: string, retryAfterSeconds: number): Status => ({
  code: 429,
  reason: 'TooManyRequests',
  message,
  causes: [{ reason: 'DisruptionBudget', message: cause }],
  retryAfterSeconds,
})
export const unavailable = (message: string): Status => ({ code: 503, reason: 'ServiceUnavailable', message, retryAfterSeconds: 1 })
export const timedOut = (message: string): Status => ({ code: 504, reason: 'Timeout', message, retryAfterSeconds: 1 })
export const tooLargeResourceVersion = (asked: number, current: number): Status => ({
  ...timedOut(`Too large resource version: ${asked}, current: ${current}`),
  causes: [{ reason: 'ResourceVersionTooLarge', message: 'Too large resource version' }],
})

/** A refusal on its way up to whoever answers the request: no defect, so that where it comes from is not traced, which takes its time. */
export class Refusal extends Error {
  readonly status: Status
  constructor(status: Status) {
    const { stackTraceLimit } = Error
    Error.stackTraceLimit = 0
    super(status.message)
    Error.stackTraceLimit = stackTraceLimit
    this.status = status
  }
}
