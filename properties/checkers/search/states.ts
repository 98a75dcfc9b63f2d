/** States of the model by number, and what each effect makes of each: a transition is computed once. */
import type { SequentialModel } from './model.ts'
import type { Effect } from './prepare.ts'

export const IMPOSSIBLE = -1
const UNKNOWN = undefined

export class States<State, Input, Output> {
  private readonly numbers = new Map<string | number, number>()
  private readonly states: State[] = []
  private readonly next: Map<number, number>[] = []
  private readonly model: SequentialModel<State, Input, Output>
  private readonly effects: readonly Effect<Input, Output>[]

  constructor(model: SequentialModel<State, Input, Output>, effects: readonly Effect<Input, Output>[]) {
    this.model = model
    this.effects = effects
    this.number(model.initial)
  }

  get size(): number {
    return this.states.length
  }

  state(number: number): State {
    return this.states[number] as State
  }

  key(number: number): string | number {
    return this.model.key(this.states[number] as State)
  }

  number(state: State): number {
    const key = this.model.key(state)
    const known = this.numbers.get(key)
    if (known !== undefined) return known
    this.numbers.set(key, this.states.length)
    this.next.push(new Map())
    return this.states.push(state) - 1
  }

  /** The state after an effect, or IMPOSSIBLE. */
  after(state: number, effect: number): number {
    const row = this.next[state] as Map<number, number>
    const known = row.get(effect)
    if (known !== UNKNOWN) return known
    const { input, output } = this.effects[effect] as Effect<Input, Output>
    const made = this.model.step(this.states[state] as State, input, output)
    const number = made === undefined ? IMPOSSIBLE : this.number(made)
    row.set(effect, number)
    return number
  }
}
