/**
 * The trace format: one JSON document that holds all it takes to see a failure again.
 *
 * It replays without the generator that drew its plan: plan and seeded bug say what is run, hash and marks what was seen.
 */
import { readFileSync } from 'node:fs'
import type { Plan } from '../model/state/plan.ts'
import { InputError } from '../properties/input.ts'
import { checkPlan } from './check-plan.ts'

export const TRACE_FORMAT = 1

export interface TraceViolation {
  readonly invariant: string
  readonly sentence: string
  readonly source: string
  readonly why: string
  /** Index into the history. */
  readonly step: number
  readonly atMs: number
}

export interface Trace {
  readonly format: typeof TRACE_FORMAT
  /** Version of evenkeel that wrote it. */
  readonly evenkeel: string
  readonly plan: Plan
  /** Id of the seeded bug that was switched on, or null. */
  readonly bug: string | null
  readonly violations: readonly TraceViolation[]
  /** Running hash over the whole history, 16 hex digits. */
  readonly hash: string
  /** Two hex digits of the running hash after each observation, one after another: shows where a replay departs. */
  readonly marks: string
  /** The command that found it. */
  readonly found: string
  readonly shrinking: { readonly minimal: boolean; readonly tries: number; readonly actionsBefore: number } | null
}

export const writeTrace = (trace: Trace): string => `${JSON.stringify(trace, null, 1)}\n`

/** Reads and checks a trace. Throws InputError naming file and field. */
export const readTrace = (path: string): Trace => {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    const missing = (error as NodeJS.ErrnoException).code === 'ENOENT'
    throw new InputError(path, missing ? 'expected a trace file, found no such file' : `expected a readable trace file`)
  }
  return parseTrace(text, path)
}

export const parseTrace = (text: string, path: string): Trace => {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    const whole = text.trimEnd().endsWith('}')
    throw new InputError(path, whole ? 'expected a trace: one JSON object' : 'the trace is truncated: its JSON ends early')
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new InputError(path, 'expected a trace: one JSON object')
  }
  const record = value as Record<string, unknown>
  if (record['format'] !== TRACE_FORMAT) {
    throw new InputError(path, `format: expected ${TRACE_FORMAT}, found ${JSON.stringify(record['format']) ?? 'nothing'}`)
  }
  for (const field of ['evenkeel', 'hash', 'marks', 'found']) {
    if (typeof record[field] !== 'string') throw new InputError(path, `${field}: expected a text`)
  }
  if (record['bug'] !== null && typeof record['bug'] !== 'string') throw new InputError(path, 'bug: expected a text or null')
  if (!Array.isArray(record['violations'])) throw new InputError(path, 'violations: expected a list')
  checkPlan(record['plan'], path)
  return record as unknown as Trace
}
