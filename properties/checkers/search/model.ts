/**
 * A sequential model: what one operation after another does. Linearizability is judged against it.
 *
 * Beside `step` a model says what the search may make use of. A wrong answer there makes the search wrong, so each has a
 * plain meaning: see the words at each. Input and output are plain values; an output is undefined where the outcome stayed
 * open, and then every output is possible.
 */
export interface SequentialModel<State, Input, Output> {
  readonly name: string
  readonly initial: State
  /** The state after it; undefined: with this output it is not possible in this state. Never mutates. */
  step(state: State, input: Input, output: Output | undefined): State | undefined
  /** Equal states have equal keys, and only they. */
  key(state: State): string | number
  /** With this output it leaves every state as it is. */
  pure(input: Input, output: Output | undefined): boolean
  /** It is possible in every state, and what its part of the state is afterwards does not depend on what it was before. */
  blind(input: Input): boolean
  /** The key of the only state in which it changes something, where there is only one. */
  needs?(input: Input): string | number | undefined
  /** Operations on different parts have nothing to do with each other. */
  part(input: Input): string
  describe(input: Input, output: Output | undefined): string
  describeState(state: State): string
  /**
   * What the open operations of a history may be left out, or told apart no longer: see `Observers`. A model that knows
   * nothing better leaves it out.
   */
  observers?(operations: readonly Operation<Input, Output>[]): Observers<Input>
}

export interface Operation<Input, Output> {
  readonly process: string
  readonly input: Input
  /** Undefined: the outcome is not known. */
  readonly output: Output | undefined
  /** Places among all calls and returns of the history. No return: Infinity. */
  readonly call: number
  readonly return: number
  /** Where it was read from: the lines of its call and its return, 0 for none. */
  readonly lines: readonly [number, number]
}

export interface Observers<Input> {
  /** The last return of an operation that can tell whether this one took effect; -1: none can. */
  lastOf(input: Input): number
  /** What it amounts to once the return at a place is past: what could tell it from others is over. */
  later(input: Input): { readonly input: Input; readonly from: number }
  /** The same operation, but with what nobody can tell apart made equal. */
  canonical(input: Input): Input
}
