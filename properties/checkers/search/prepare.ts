/**
 * A history made ready for the search: what says nothing is left out, what nobody can tell apart is made equal, and what
 * is left stands as events in the order they were seen.
 *
 * Left out: reads with an open outcome, and open writes that no later reply can have seen (whoever did not see them is
 * explained without them just as well).
 */
import type { Operation, SequentialModel } from './model.ts'

export interface Prepared<Input, Output> {
  readonly operations: readonly Operation<Input, Output>[]
  /** Calls and returns by place: operation number × 2, + 1 for a return. */
  readonly events: Int32Array
  /** By operation: which of the distinct (input, output) pairs it is. */
  readonly effect: Int32Array
  /** The pairs themselves. */
  readonly effects: readonly Effect<Input, Output>[]
  /** By operation: the place of the last return that can tell whether it took effect. Only for open ones. */
  readonly lastSeen: Float64Array
  /** By effect of an open write: what it amounts to later. */
  readonly later: readonly Later[]
  /** How many operations that complete are open at once, at most. */
  readonly width: number
}

export interface Later {
  readonly effect: number
  /** After the return at this place. */
  readonly from: number
}

export interface Effect<Input, Output> {
  readonly input: Input
  readonly output: Output | undefined
  readonly pure: boolean
  readonly blind: boolean
  /** The key of the only state in which it changes something; undefined: there are several. */
  readonly needs: string | number | undefined
  readonly part: number
}

export const prepare = <State, Input, Output>(
  all: readonly Operation<Input, Output>[],
  model: SequentialModel<State, Input, Output>,
): Prepared<Input, Output> => {
  const observers = model.observers?.(all)
  const needed = all.filter(({ input, output, call, return: returned }) => {
    if (Number.isFinite(returned)) return !(output === undefined && model.pure(input, output))
    return !model.pure(input, output) && (observers?.lastOf(input) ?? Infinity) > call
  })
  const operations = needed.toSorted((one, other) => one.call - other.call)
  const parts = new Map<string, number>()
  const known = new Map<string, number>()
  const effects: Effect<Input, Output>[] = []
  const numberOf = (input: Input, output: Output | undefined, open: boolean): number => {
    const name = JSON.stringify([input, output === undefined ? 0 : [output], open])
    const found = known.get(name)
    if (found !== undefined) return found
    known.set(name, effects.length)
    const partName = model.part(input)
    const part = parts.get(partName) ?? parts.size
    parts.set(partName, part)
    return (
      effects.push({ input, output, pure: model.pure(input, output), blind: model.blind(input), needs: model.needs?.(input), part }) - 1
    )
  }
  const effect = Int32Array.from(operations, ({ input, output, return: returned }) =>
    numberOf(observers?.canonical(input) ?? input, output, returned === Infinity),
  )
  const later: Later[] = []
  // What an effect amounts to later is an effect as well, and the list grows under way.
  for (let number = 0; number < effects.length; number++) {
    const { input, output } = effects[number] as Effect<Input, Output>
    const amounts = output === undefined ? observers?.later(input) : undefined
    later.push(
      amounts === undefined ? { effect: number, from: Infinity } : { effect: numberOf(amounts.input, undefined, true), from: amounts.from },
    )
  }
  const lastSeen = Float64Array.from(operations, ({ input, return: returned }) =>
    Number.isFinite(returned) ? Infinity : (observers?.lastOf(input) ?? Infinity),
  )
  const events = eventsOf(operations)
  return { operations, events, effect, effects, lastSeen, later, width: widthOf(operations, events) }
}

const eventsOf = <Input, Output>(operations: readonly Operation<Input, Output>[]): Int32Array => {
  const placed: (readonly [number, number])[] = []
  for (const [index, { call, return: returned }] of operations.entries()) {
    placed.push([call, index * 2])
    if (Number.isFinite(returned)) placed.push([returned, index * 2 + 1])
  }
  return Int32Array.from(
    placed.toSorted(([one], [other]) => one - other),
    ([, event]) => event,
  )
}

const widthOf = <Input, Output>(operations: readonly Operation<Input, Output>[], events: Int32Array): number => {
  let open = 0
  let most = 0
  for (const event of events) {
    if (operations[event >> 1]?.return === Infinity) continue
    open += event % 2 === 0 ? 1 : -1
    most = Math.max(most, open)
  }
  return most
}
