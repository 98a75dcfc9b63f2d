/** The sequential models that histories from elsewhere are checked against: registers and key-value stores. */
import type { Observers, Operation, SequentialModel } from './model.ts'

export type RegisterValue = number | string | null

export type RegisterInput =
  | { readonly f: 'read' }
  | { readonly f: 'write'; readonly value: RegisterValue }
  | { readonly f: 'cas'; readonly from: RegisterValue; readonly to: RegisterValue }
/** read: the value; write: true; cas: whether it took effect. */
export type RegisterOutput = RegisterValue | boolean

const keyOf = (value: RegisterValue): string | number => (typeof value === 'number' ? value : value === null ? 'nil' : `s${value}`)

/** A register that starts unset: read, write, compare-and-set. */
export const casRegister: SequentialModel<RegisterValue, RegisterInput, RegisterOutput> = {
  name: 'cas-register',
  initial: null,

  step(state, input, output) {
    switch (input.f) {
      case 'read':
        return output === undefined || output === state ? state : undefined
      case 'write':
        return input.value
      case 'cas': {
        const succeeds = state === input.from
        if (output !== undefined && output !== succeeds) return undefined
        return succeeds ? input.to : state
      }
    }
  },

  key: (state) => keyOf(state),
  needs: (input) => (input.f === 'cas' ? keyOf(input.from) : undefined),
  pure: (input, output) => input.f === 'read' || (input.f === 'cas' && output === false),
  blind: (input) => input.f === 'write',
  part: () => '',
  describeState: (state) => (state === null ? 'nil' : JSON.stringify(state)),

  describe(input, output) {
    const text = (value: RegisterOutput | undefined): string => (value === null ? 'nil' : value === undefined ? '?' : JSON.stringify(value))
    switch (input.f) {
      case 'read':
        return `read() -> ${text(output)}`
      case 'write':
        return `write(${text(input.value)})${output === undefined ? ' -> ?' : ''}`
      case 'cas':
        return `cas(${text(input.from)}, ${text(input.to)}) -> ${output === undefined ? '?' : output === true ? 'ok' : 'failed'}`
    }
  },

  observers: (operations) => registerObservers(operations),
}

const UNNAMED = 'a value that nobody names'

/** A value is told apart by reads that returned it and by every compare-and-set that names it. */
const registerObservers = (operations: readonly Operation<RegisterInput, RegisterOutput>[]): Observers<RegisterInput> => {
  const last = new Map<RegisterValue, number>()
  let lastFailed = -1
  for (const { input, output, return: returned } of operations) {
    const value = input.f === 'read' ? output : input.f === 'cas' ? input.from : undefined
    if (value === undefined || typeof value === 'boolean') continue
    last.set(value, Math.max(last.get(value) ?? -1, returned))
    // That a compare-and-set failed shows that some other value was there, whichever.
    if (input.f === 'cas' && output === false) lastFailed = Math.max(lastFailed, returned)
  }
  const named = (value: RegisterValue): RegisterValue => (last.has(value) ? value : UNNAMED)
  return {
    lastOf(input) {
      if (input.f === 'read') return -1
      const value = input.f === 'write' ? input.value : input.to
      return Math.max(last.get(value) ?? -1, lastFailed)
    },
    later(input) {
      if (input.f === 'read') return { input, from: Infinity }
      const value = input.f === 'write' ? input.value : input.to
      return { input: input.f === 'write' ? { f: 'write', value: UNNAMED } : { ...input, to: UNNAMED }, from: last.get(value) ?? -1 }
    },
    canonical(input) {
      if (input.f === 'write') return { f: 'write', value: named(input.value) }
      return input.f === 'cas' ? { ...input, to: named(input.to) } : input
    },
  }
}

export const register: SequentialModel<RegisterValue, RegisterInput, RegisterOutput> = { ...casRegister, name: 'register' }

export type KvInput =
  | { readonly f: 'get'; readonly key: string }
  | { readonly f: 'put' | 'append'; readonly key: string; readonly value: string }
/** get: the value; the others: null. */
export type KvOutput = string | null

const kvFields = {
  pure: (input: KvInput) => input.f === 'get',
  blind: (input: KvInput) => input.f === 'put',
  part: (input: KvInput) => input.key,

  describe(input: KvInput, output: KvOutput | undefined) {
    if (input.f === 'get') return `get(${input.key}) -> ${output === undefined ? '?' : JSON.stringify(output)}`
    return `${input.f}(${input.key}, ${JSON.stringify(input.value)})${output === undefined ? ' -> ?' : ''}`
  },

  observers(operations: readonly Operation<KvInput, KvOutput>[]): Observers<KvInput> {
    const gets = operations.flatMap(({ input, output, return: returned }) =>
      input.f === 'get' && typeof output === 'string' ? [{ key: input.key, output, returned }] : [],
    )
    const byKey = Map.groupBy(gets, ({ key }) => key)
    return {
      // What was put or appended stays in the text until it is overwritten: only a get whose text holds it has seen it.
      lastOf(input) {
        if (input.f === 'get') return -1
        const holds = (text: string): boolean => (input.f === 'put' ? text.startsWith(input.value) : text.includes(input.value))
        return (byKey.get(input.key) ?? []).reduce((last, { output, returned }) => (returned > last && holds(output) ? returned : last), -1)
      },
      later: (input) => ({ input, from: Infinity }),
      canonical: (input) => input,
    }
  },
}

/** One key: its text. A key starts as the empty text. */
export const kv: SequentialModel<string, KvInput, KvOutput> = {
  ...kvFields,
  name: 'kv',
  initial: '',
  step(state, input, output) {
    switch (input.f) {
      case 'get':
        return output === undefined || output === state ? state : undefined
      case 'put':
        return input.value
      case 'append':
        return state + input.value
    }
  },
  key: (state) => state,
  describeState: (state) => JSON.stringify(state),
}

/** All keys at once, as one state: what a checker without partitioning searches. */
export const kvWhole: SequentialModel<ReadonlyMap<string, string>, KvInput, KvOutput> = {
  ...kvFields,
  name: 'kv, all keys at once',
  initial: new Map(),
  step(state, input, output) {
    const was = state.get(input.key) ?? ''
    const now = kv.step(was, input, output)
    if (now === undefined) return undefined
    return now === was ? state : new Map([...state, [input.key, now]])
  },
  key: (state) => JSON.stringify([...state].toSorted(([one], [other]) => (one < other ? -1 : 1))),
  describeState: (state) => JSON.stringify(Object.fromEntries(state)),
}
