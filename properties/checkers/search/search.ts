/**
 * Linearizability by search: is there an order of the operations that the model allows and that real time allows?
 *
 * Wing and Gong (1993), in the just-in-time form of Lowe (2017): the history is walked once, and what is kept is the set of
 * configurations that are still possible: a state, and what is known of each operation that is open. Only when an
 * operation returns does it have to have taken effect, and only then are open ones put before it. What is over is
 * forgotten, so memory follows the window that is open and not the length of the history. Four rules keep the set small;
 * none changes the verdict:
 *
 * - what changes nothing (a read, a refused compare) takes effect as soon as it can;
 * - a write that another one overwrites at once is not tried: from then on it is `free`, it may count as done before the
 *   overwriting one, or still take effect later;
 * - writes with an open outcome that do the same are interchangeable, they are counted and not named;
 * - of two configurations with the same state, one that can do all that the other can do replaces it.
 */
import type { Operation, SequentialModel } from './model.ts'
import { prepare, type Effect, type Later, type Prepared } from './prepare.ts'
import { IMPOSSIBLE, States } from './states.ts'

export interface Budget {
  /** Configurations that may be made in all. */
  readonly configurations: number
  /** Configurations that may be kept at once. */
  readonly kept: number
}
export const BUDGET: Budget = { configurations: 6_000_000, kept: 100_000 }

export type Result<Input, Output> =
  | { readonly verdict: 'holds'; readonly order: readonly Operation<Input, Output>[]; readonly configurations: number }
  | {
      readonly verdict: 'violated'
      /** The longest linearizable prefix ends right before this one returns. */
      readonly blocked: Operation<Input, Output>
      /** An order of what took effect up to there. */
      readonly order: readonly Operation<Input, Output>[]
      /** Others that were open when it returned, the ones that may still take effect included. */
      readonly open: readonly Operation<Input, Output>[]
      /** The states that were possible. */
      readonly states: readonly string[]
      readonly configurations: number
    }
  | { readonly verdict: 'unknown'; readonly at: Operation<Input, Output>; readonly configurations: number }

/** Operations that took effect, the latest first. `covered`: it counts as done before an overwriting one. */
interface Trail {
  readonly operation: number
  readonly covered: boolean
  readonly before: Trail | null
}

interface Configuration {
  readonly state: number
  /** Two words for each 30 operations of the window: done, and free. */
  readonly window: readonly number[]
  /** Effects of open writes that have been used beyond what all have used: ascending, as often as used. */
  readonly spent: readonly number[]
  readonly trail: Trail | null
}

const WORD = 30
/** Events between two looks at what can be forgotten. */
const FORGET_EVERY = 64

export const search = <State, Input, Output>(
  operations: readonly Operation<Input, Output>[],
  model: SequentialModel<State, Input, Output>,
  budget: Budget = BUDGET,
): Result<Input, Output> => {
  const history = prepare(operations, model)
  const most = budget.configurations
  const tried = (mode: Mode, configurations: number, beam: number): Result<Input, Output> =>
    new Search(history, model, { configurations, kept: budget.kept }, mode, beam).run()
  const quick = tried('exact', Math.min(QUICK, most), Infinity)
  if (quick.verdict !== 'unknown') return quick
  for (const beam of BEAMS) {
    const lazy = tried('lazy', most + operations.length * EACH, beam)
    if (lazy.verdict !== 'unknown') return lazy
  }
  const lenient = tried('lenient', most, Infinity)
  if (lenient.verdict === 'violated') return lenient
  return tried('exact', most, Infinity)
}

/**
 * exact: all that is possible. Where open writes are many and alike, that can be too much; then two others are tried.
 * lazy: an open write is used only where nothing else will do, and few configurations are kept: an order it finds is one,
 * that it finds none shows nothing. lenient: open writes may happen again and again: that even so there is no order
 * shows that there is none.
 */
type Mode = 'exact' | 'lazy' | 'lenient'
/** Configurations for a first look, which is enough for most. */
const QUICK = 200_000
/** Configurations that the lazy search keeps, and how many it may make for each operation beyond the budget. */
const BEAMS = [8, 64]
const EACH = 100
/** Open writes that the lazy search puts before one return. */
const ALLOWED_MOST = 4

class Search<State, Input, Output> {
  private readonly history: Prepared<Input, Output>
  private readonly model: SequentialModel<State, Input, Output>
  private readonly budget: Budget
  private readonly states: States<State, Input, Output>
  /** By place in the window: the operation there; -1: none. */
  private readonly slots: number[]
  private readonly slotOf: Int32Array
  /** Open writes by effect that are still to be had: operations in the order of their calls. */
  private readonly pool = new Map<number, number[]>()
  /** Of those: effects that every state allows, and the others by the key of the one state in which they do something. */
  private readonly anytime = new Set<number>()
  private readonly fitting = new Map<string | number, Set<number>>()
  private kept: Configuration[]
  private made = 0
  private steps = 0
  private readonly mode: Mode
  private readonly beam: number
  /** Something that was possible was not followed. */
  private trimmed = false

  constructor(history: Prepared<Input, Output>, model: SequentialModel<State, Input, Output>, budget: Budget, mode: Mode, beam: number) {
    this.mode = mode
    this.beam = beam
    this.history = history
    this.model = model
    this.budget = budget
    this.states = new States(model, history.effects)
    this.slots = Array.from({ length: history.width }, () => -1)
    this.slotOf = new Int32Array(history.operations.length).fill(-1)
    const words = Math.max(1, Math.ceil(history.width / WORD)) * 2
    this.kept = [{ state: 0, window: Array.from({ length: words }, () => 0), spent: [], trail: null }]
  }

  run(): Result<Input, Output> {
    const { operations, events } = this.history
    for (const event of events) {
      const operation = event >> 1
      this.forget(operations[operation] as Operation<Input, Output>)
      if (event % 2 === 0) {
        this.call(operation)
        continue
      }
      const before = this.kept
      this.kept = this.returned(operation)
      const spent = this.made > this.budget.configurations || this.kept.length > this.budget.kept
      if (spent || (this.kept.length === 0 && this.trimmed))
        return { verdict: 'unknown', at: operations[operation] as Operation<Input, Output>, configurations: this.made }
      if (this.kept.length === 0) {
        this.kept = before
        return this.blockedBy(operation)
      }
      this.release(operation)
      this.settleSpent()
    }
    // With open writes that happen again and again an order proves nothing.
    const [last] = operations.slice(-1)
    if (this.mode === 'lenient' && last !== undefined) return { verdict: 'unknown', at: last, configurations: this.made }
    return { verdict: 'holds', order: this.orderOf(this.kept[0]?.trail ?? null), configurations: this.made }
  }

  private effectOf(operation: number): Effect<Input, Output> {
    return this.history.effects[this.history.effect[operation] as number] as Effect<Input, Output>
  }

  private call(operation: number): void {
    const { operations, effect } = this.history
    if (operations[operation]?.return === Infinity) {
      const number = effect[operation] as number
      const pool = this.pool.get(number)
      if (pool === undefined) this.have(number, [operation])
      else pool.push(operation)
      return
    }
    const slot = this.slots.indexOf(-1)
    this.slots[slot] = operation
    this.slotOf[operation] = slot
    // What changes nothing takes effect as soon as it can.
    if (this.effectOf(operation).pure) this.kept = this.kept.map((configuration) => this.withPure(configuration, [slot]))
  }

  private have(effect: number, operations: number[]): void {
    this.pool.set(effect, operations)
    const { needs } = this.history.effects[effect] as Effect<Input, Output>
    if (needs === undefined) this.anytime.add(effect)
    else this.fitting.set(needs, (this.fitting.get(needs) ?? new Set()).add(effect))
  }

  private lose(effect: number): void {
    this.pool.delete(effect)
    const { needs } = this.history.effects[effect] as Effect<Input, Output>
    if (needs === undefined) this.anytime.delete(effect)
    else this.fitting.get(needs)?.delete(effect)
  }

  private withPure(configuration: Configuration, slots: readonly number[]): Configuration {
    let { trail } = configuration
    let window: number[] | null = null
    for (const slot of slots) {
      const operation = this.slots[slot] as number
      const word = Math.floor(slot / WORD) * 2 + 1
      const bit = 1 << (slot % WORD)
      if ((((window ?? configuration.window)[word] as number) & bit) !== 0) continue
      if (this.states.after(configuration.state, this.history.effect[operation] as number) === IMPOSSIBLE) continue
      window ??= [...configuration.window]
      window[word] = (window[word] as number) | bit
      trail = { operation, covered: false, before: trail }
    }
    return window === null ? configuration : { ...configuration, window, trail }
  }

  /** All that is possible once an operation has returned. */
  private returned(operation: number): Configuration[] {
    const slot = this.slotOf[operation] as number
    const { part, pure } = this.effectOf(operation)
    const changers: number[] = []
    const readers: number[] = []
    for (const [other, open] of this.slots.entries()) {
      if (open < 0) continue
      const effect = this.effectOf(open)
      if (effect.pure) readers.push(other)
      // What has nothing to do with it can wait.
      else if (effect.part === part) changers.push(other)
    }
    const pool = [...this.anytime].filter((effect) => this.history.effects[effect]?.part === part)
    const burst: Burst = { target: slot, part, operation, pure, changers, readers, pool, found: [], seen: new Set(), allowed: Infinity }
    for (const configuration of this.kept) {
      if (this.isDone(configuration, slot)) burst.found.push(configuration)
      else if (this.isFree(configuration, slot)) {
        burst.found.push(pure ? configuration : { ...configuration, trail: { operation, covered: true, before: configuration.trail } })
        // A write may also take effect at its last moment, and be seen.
        if (!pure) this.begin(configuration, burst)
      } else this.begin(configuration, burst)
      if (this.made > this.budget.configurations || burst.found.length > this.budget.kept * 4) break
    }
    const kept = this.undominated(burst.found, slot)
    if (this.mode !== 'lazy' || kept.length <= this.beam) return kept
    this.trimmed = true
    return kept.toSorted((one, other) => one.spent.length - other.spent.length).slice(0, this.beam)
  }

  private begin(configuration: Configuration, burst: Burst): void {
    if (this.mode !== 'lazy' || this.pool.size === 0) {
      this.explore(configuration, burst, false)
      return
    }
    this.trimmed = true
    const before = burst.found.length
    // One that is not needed here may be what is needed later.
    for (burst.allowed = 1; burst.allowed <= ALLOWED_MOST && burst.found.length === before; burst.allowed++) {
      burst.seen.clear()
      this.explore(configuration, burst, false)
    }
  }

  private isDone({ window }: Configuration, slot: number): boolean {
    return ((window[Math.floor(slot / WORD) * 2] as number) & (1 << (slot % WORD))) !== 0
  }

  private isFree({ window }: Configuration, slot: number): boolean {
    return ((window[Math.floor(slot / WORD) * 2 + 1] as number) & (1 << (slot % WORD))) !== 0
  }

  /** Puts open operations one after another, up to the one that returns. `idle`: the last one was not seen by anybody. */
  private explore(configuration: Configuration, burst: Burst, idle: boolean): void {
    if (this.made > this.budget.configurations) return
    const { history } = this
    for (const slot of burst.changers) {
      const operation = this.slots[slot] as number
      const { blind } = this.effectOf(operation)
      if (this.isDone(configuration, slot) || (idle && blind)) continue
      const state = this.states.after(configuration.state, history.effect[operation] as number)
      if (state === IMPOSSIBLE) continue
      this.follow(this.withDone(configuration, state, slot, blind, burst), burst, { blind, target: slot === burst.target })
    }
    if (burst.allowed === 0) return
    const fitting = this.fitting.get(this.states.key(configuration.state))
    for (const effect of fitting === undefined ? burst.pool : [...burst.pool, ...fitting]) {
      const { blind, part } = history.effects[effect] as Effect<Input, Output>
      if ((idle && blind) || part !== burst.part) continue
      const used = this.mode === 'lenient' ? 0 : countOf(configuration.spent, effect)
      const operation = this.pool.get(effect)?.[used]
      if (operation === undefined) continue
      const state = this.states.after(configuration.state, effect)
      if (state === IMPOSSIBLE) continue
      const window = blind ? this.freed(configuration.window, burst, -1) : configuration.window
      // One that changes nothing and overwrites nothing is of no use.
      if (state === configuration.state && window === configuration.window) continue
      const spent = this.mode === 'lenient' ? configuration.spent : withOne(configuration.spent, effect)
      const trail = { operation, covered: false, before: configuration.trail }
      burst.allowed--
      this.follow({ state, window, spent, trail }, burst, { blind: true, target: false })
      burst.allowed++
    }
  }

  private follow(next: Configuration, burst: Burst, done: { readonly blind: boolean; readonly target: boolean }): void {
    this.made++
    const seen = this.withPure(next, burst.readers)
    if (done.target || (burst.pure && this.isFree(seen, burst.target))) {
      burst.found.push(seen)
      return
    }
    const idle = done.blind && seen === next
    const name = `${nameOf(seen)}${idle ? '-' : ''}`
    if (burst.seen.has(name)) return
    burst.seen.add(name)
    this.explore(seen, burst, idle)
  }

  private withDone(configuration: Configuration, state: number, slot: number, blind: boolean, burst: Burst): Configuration {
    const window = [...configuration.window]
    const word = Math.floor(slot / WORD) * 2
    const bit = 1 << (slot % WORD)
    window[word] = (window[word] as number) | bit
    window[word + 1] = (window[word + 1] as number) & ~bit
    const operation = this.slots[slot] as number
    const trail = { operation, covered: false, before: configuration.trail }
    return { state, window: blind ? this.freed(window, burst, slot) : window, spent: configuration.spent, trail }
  }

  /** An overwriting write has taken effect: open ones of its part may count as done right before it. The same window if there are none. */
  private freed(window: readonly number[], burst: Burst, own: number): readonly number[] {
    let freed: number[] | null = null
    for (const slot of burst.changers) {
      const word = Math.floor(slot / WORD) * 2
      const bit = 1 << (slot % WORD)
      const [done, free] = [(window[word] as number) & bit, ((freed ?? window)[word + 1] as number) & bit]
      if (slot === own || done !== 0 || free !== 0 || !this.effectOf(this.slots[slot] as number).blind) continue
      freed ??= [...window]
      freed[word + 1] = (freed[word + 1] as number) | bit
    }
    return freed ?? window
  }

  /** Each state once for each set of abilities that no other one includes; the place that is left is cleared. */
  private undominated(found: readonly Configuration[], slot: number): Configuration[] {
    const word = Math.floor(slot / WORD) * 2
    const bit = 1 << (slot % WORD)
    const byState = new Map<number, Configuration[]>()
    for (const one of found) {
      const window = [...one.window]
      window[word] = (window[word] as number) & ~bit
      window[word + 1] = (window[word + 1] as number) & ~bit
      const cleared = { ...one, window }
      const others = byState.get(one.state)
      if (others === undefined) byState.set(one.state, [cleared])
      else if (!others.some((other) => covers(other, cleared))) {
        const left = others.filter((other) => !covers(cleared, other))
        left.push(cleared)
        byState.set(one.state, left)
      }
    }
    return [...byState.values()].flat()
  }

  private release(operation: number): void {
    this.slots[this.slotOf[operation] as number] = -1
  }

  /** An open write that nobody can see any more, whatever happens, is of no use. */
  private forget({ call, return: returned }: Operation<Input, Output>): void {
    if (this.pool.size === 0 || this.steps++ % FORGET_EVERY !== 0) return
    const now = Number.isFinite(returned) ? Math.min(call, returned) : call
    for (const [effect, operations] of this.pool) {
      const { lastSeen, later } = this.history
      const gone = (lastSeen[operations[0] as number] as number) < now
      const { effect: other, from } = later[effect] as Later
      if (!gone && (other === effect || from >= now)) continue
      this.lose(effect)
      if (!gone) this.have(other, [...(this.pool.get(other) ?? []), ...operations])
      const renamed = (spent: readonly number[]): readonly number[] =>
        gone
          ? spent.filter((one) => one !== effect)
          : spent.map((one) => (one === effect ? other : one)).toSorted((one, next) => one - next)
      this.kept = this.kept.map((one) => (one.spent.includes(effect) ? { ...one, spent: renamed(one.spent) } : one))
    }
  }

  /** What all have used is used: it is forgotten. */
  private settleSpent(): void {
    if (this.pool.size === 0) return
    const [first] = this.kept
    for (const effect of new Set(first?.spent)) {
      const least = this.kept.reduce((count, { spent }) => Math.min(count, countOf(spent, effect)), Infinity)
      if (least === 0) continue
      this.kept = this.kept.map((one) => ({ ...one, spent: withoutSome(one.spent, effect, least) }))
      const pool = (this.pool.get(effect) ?? []).slice(least)
      if (pool.length === 0) this.lose(effect)
      else this.pool.set(effect, pool)
    }
  }

  private blockedBy(operation: number): Result<Input, Output> {
    const { operations } = this.history
    const of = (index: number): Operation<Input, Output> => operations[index] as Operation<Input, Output>
    const open = [...this.slots.filter((other) => other >= 0 && other !== operation), ...[...this.pool.values()].flat()]
    const longest = this.kept.map(({ trail }) => this.orderOf(trail)).reduce((one, other) => (other.length > one.length ? other : one), [])
    const states = [...new Set(this.kept.map(({ state }) => this.model.describeState(this.states.state(state))))]
    return { verdict: 'violated', blocked: of(operation), order: longest, open: open.map(of), states, configurations: this.made }
  }

  /** From the latest to the first; what counts as done before an overwriting one is put right before the last such one. */
  private orderOf(trail: Trail | null): readonly Operation<Input, Output>[] {
    const order: number[] = []
    const waiting = new Map<number, number[]>()
    for (let node = trail; node !== null; node = node.before) {
      const { part, blind } = this.effectOf(node.operation)
      if (node.covered) {
        waiting.set(part, [...(waiting.get(part) ?? []), node.operation])
        continue
      }
      order.push(node.operation)
      if (!blind) continue
      order.push(...(waiting.get(part) ?? []))
      waiting.delete(part)
    }
    return order.toReversed().map((operation) => this.history.operations[operation] as Operation<Input, Output>)
  }
}

/** What may be put before one operation that returns. */
interface Burst {
  readonly target: number
  readonly operation: number
  readonly part: number
  readonly pure: boolean
  /** Places in the window: those that change its part of the state, and all that change nothing. */
  readonly changers: readonly number[]
  readonly readers: readonly number[]
  /** Effects of open writes that every state allows. */
  readonly pool: readonly number[]
  readonly found: Configuration[]
  readonly seen: Set<string>
  /** How many open writes may still be used. */
  allowed: number
}

const nameOf = ({ state, window, spent }: Configuration): string => `${state}:${window.join()}:${spent.join()}`

/** Whether one, in the same state, can do all that another can do. */
const covers = (one: Configuration, other: Configuration): boolean => {
  for (let word = 0; word < one.window.length; word += 2) {
    const free = ~(one.window[word + 1] as number)
    if ((((one.window[word] as number) ^ (other.window[word] as number)) & free) !== 0) return false
    if (((other.window[word + 1] as number) & free) !== 0) return false
  }
  return includes(other.spent, one.spent)
}

/** Whether all of a few numbers are among many, as often; both ascending. */
const includes = (many: readonly number[], few: readonly number[]): boolean => {
  if (few.length > many.length) return false
  let place = 0
  for (const number of few) {
    while (place < many.length && (many[place] as number) < number) place++
    if (many[place] !== number) return false
    place++
  }
  return true
}

const countOf = (numbers: readonly number[], number: number): number => {
  let count = 0
  for (const other of numbers) if (other === number) count++
  return count
}

const withOne = (numbers: readonly number[], number: number): readonly number[] => {
  const place = numbers.findIndex((other) => other > number)
  return numbers.toSpliced(place < 0 ? numbers.length : place, 0, number)
}

const withoutSome = (numbers: readonly number[], number: number, times: number): readonly number[] =>
  numbers.toSpliced(numbers.indexOf(number), times)
