/**
 * Walks every state that a machine can reach, breadth first: what goes wrong is told by a shortest run.
 *
 * A state is known by its fingerprint. Two that share one must have the same future; that is the caller's to see to.
 */
import type { Component } from '../../model/state/system.ts'

export interface Wrong {
  readonly invariant: string
  readonly why: string
}

export interface Walk<State, Action, Told> {
  readonly init: State
  /** What goes on as long as anything of it can. */
  readonly machine: Component<State, Action>
  /** What may happen, or may not. */
  readonly environment: Component<State, Action> | null
  readonly fingerprint: (state: State) => string
  /** What an observer sees of a step. */
  readonly tell: (before: State, action: Action, after: State) => Told
  /** What is wrong with a step. */
  readonly step: (before: State, told: Told, after: State) => Wrong | null
  /** What is wrong with a state in which the machine can do nothing any more. */
  readonly rest: (state: State) => Wrong | null
  /** What is wrong with a whole run, and after how many steps. */
  readonly run: (told: readonly Told[]) => (Wrong & { readonly steps: number }) | null
  /** Whether a run that ends with this is worth being judged. */
  readonly saysMore: (told: Told) => boolean
  readonly statesMost: number
}

export interface Outcome<Action> {
  readonly statesDistinct: number
  readonly transitions: number
  /** Steps of the longest of the shortest runs. */
  readonly depth: number
  /** States in which the machine rests. */
  readonly resting: number
  /** False: there are more states than were allowed. */
  readonly complete: boolean
  readonly counterexample: (Wrong & { readonly actions: readonly Action[] }) | null
}

interface Step<Action, Told> {
  readonly action: Action
  readonly told: Told
}
interface Place<Action, Told> {
  readonly parent: number
  /** How it was reached first; null: it is the beginning. */
  readonly by: Step<Action, Told> | null
  readonly depth: number
}

/** The search, and what it remembers. */
class Search<State, Action, Told> {
  private readonly walk: Walk<State, Action, Told>
  private readonly known = new Map<string, number>()
  private readonly places: Place<Action, Told>[] = []
  /** Steps of the machine itself, by where they lead: what can come to rest is found backwards. */
  private readonly from: number[][] = []
  private readonly resting: number[] = []
  /** Runs still to be judged: to a step that says more, or to a state from which nothing new was found. */
  private ends: { readonly place: number; readonly by: Step<Action, Told> | null }[] = []
  private transitions = 0
  private frontier: { readonly place: number; readonly state: State }[] = []

  constructor(walk: Walk<State, Action, Told>) {
    this.walk = walk
  }

  run(): Outcome<Action> {
    const { init, fingerprint, statesMost } = this.walk
    this.add(fingerprint(init), { parent: -1, by: null, depth: 0 }, init)
    while (this.frontier.length > 0) {
      const level = this.frontier
      this.frontier = []
      for (const { place, state } of level) {
        const wrong = this.expand(place, state)
        if (wrong !== null) return this.outcome(wrong)
        if (this.places.length > statesMost) return this.outcome(null, false)
      }
      const wrong = this.judgeRuns()
      if (wrong !== null) return this.outcome(wrong)
    }
    return this.outcome(this.judgeRest())
  }

  private add(print: string, place: Place<Action, Told>, state: State): number {
    const index = this.places.length
    this.known.set(print, index)
    this.places.push(place)
    this.from.push([])
    this.frontier.push({ place: index, state })
    return index
  }

  private expand(place: number, state: State): Outcome<Action>['counterexample'] {
    const { machine, environment } = this.walk
    const count = this.places.length
    let rests = true
    for (const [component, own] of [[machine, true] as const, [environment, false] as const]) {
      for (const action of component?.enabled(state) ?? []) {
        const after = (component as Component<State, Action>).next(state, action)
        const told = this.walk.tell(state, action, after)
        const wrong = this.walk.step(state, told, after)
        if (wrong !== null) return { ...wrong, actions: [...this.actionsTo(place), action] }
        const index = this.reach(place, { action, told }, after)
        if (index === place) continue
        this.transitions++
        if (own) {
          rests = false
          this.from[index]?.push(place)
        }
      }
    }
    if (this.places.length === count) this.ends.push({ place, by: null })
    if (!rests) return null
    this.resting.push(place)
    const wrong = this.walk.rest(state)
    return wrong === null ? null : { ...wrong, actions: this.actionsTo(place) }
  }

  private reach(place: number, by: Step<Action, Told>, after: State): number {
    if (this.walk.saysMore(by.told)) this.ends.push({ place, by })
    const print = this.walk.fingerprint(after)
    const found = this.known.get(print)
    if (found === undefined) return this.add(print, { parent: place, by, depth: (this.places[place]?.depth ?? 0) + 1 }, after)
    return found
  }

  private stepsTo(place: number): readonly Step<Action, Told>[] {
    const steps: Step<Action, Told>[] = []
    for (let at = this.places[place]; at !== undefined && at.by !== null; at = this.places[at.parent]) steps.push(at.by)
    return steps.toReversed()
  }
  private actionsTo(place: number): readonly Action[] {
    return this.stepsTo(place).map(({ action }) => action)
  }

  /** Steps are judged with a run before them, those of one level together: the shortest comes first. */
  private judgeRuns(): Outcome<Action>['counterexample'] {
    let shortest: Outcome<Action>['counterexample'] = null
    const { ends } = this
    this.ends = []
    for (const { place, by } of ends) {
      const steps = [...this.stepsTo(place), ...(by === null ? [] : [by])]
      const found = this.walk.run(steps.map(({ told }) => told))
      if (found === null || (shortest !== null && shortest.actions.length <= found.steps)) continue
      const { invariant, why } = found
      shortest = { invariant, why, actions: steps.slice(0, found.steps).map(({ action }) => action) }
    }
    return shortest
  }

  /** From every state the machine, left alone, can come to rest. */
  private judgeRest(): Outcome<Action>['counterexample'] {
    const reaches = new Set(this.resting)
    const queue = [...this.resting]
    for (let at = queue.pop(); at !== undefined; at = queue.pop()) {
      for (const before of this.from[at] ?? []) {
        if (reaches.has(before)) continue
        reaches.add(before)
        queue.push(before)
      }
    }
    const restless = this.places.findIndex((_, place) => !reaches.has(place))
    return restless < 0 ? null : { invariant: 'CL-L2', why: 'from here it never comes to rest', actions: this.actionsTo(restless) }
  }

  private outcome(counterexample: Outcome<Action>['counterexample'], complete = true): Outcome<Action> {
    return {
      statesDistinct: this.places.length,
      transitions: this.transitions,
      depth: this.places.at(-1)?.depth ?? 0,
      resting: this.resting.length,
      complete,
      counterexample,
    }
  }
}

export const explore = <State, Action, Told>(walk: Walk<State, Action, Told>): Outcome<Action> => new Search(walk).run()
