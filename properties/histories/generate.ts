/**
 * Histories of a register that are linearizable because of how they are made: each operation takes effect once, somewhere
 * between its call and its return; one with an open outcome some while after its call, or never. From a seed, always alike.
 */
import { Streams, type Random } from '../../sim/random.ts'
import type { Operation } from '../checkers/search/model.ts'
import { casRegister, type RegisterInput, type RegisterOutput, type RegisterValue } from '../checkers/search/models.ts'

export interface RegisterShape {
  readonly seed: string
  readonly operations: number
  readonly clients: number
  /** Of 1000 operations so many time out. */
  readonly openPerMille: number
  /** How many steps after its call an open operation takes effect at most. A step is a call, an effect or a return. */
  readonly lateSteps: number
  /** Different values; 0: every write its own. */
  readonly values: number
}

type Made = Operation<RegisterInput, RegisterOutput>

/** Of one client: the operation under way, and whether it has taken effect. */
interface Busy {
  readonly index: number
  readonly effective: boolean
}

export const registerHistory = (shape: RegisterShape): readonly Made[] => {
  const random = new Streams(shape.seed).stream('register history')
  const made: Made[] = []
  const clients: (Busy | null)[] = Array.from({ length: shape.clients }, () => null)
  const late = new Map<number, number[]>()
  let state: RegisterValue = casRegister.initial
  let step = 0
  const effect = (index: number): void => {
    const one = made[index] as Made
    const { input } = one
    const output: RegisterOutput = input.f === 'read' ? state : input.f === 'cas' ? state === input.from : true
    state = casRegister.step(state, input, undefined) as RegisterValue
    if (Number.isFinite(one.return)) made[index] = { ...one, output }
  }
  const act = (client: number): void => {
    const busy = clients[client] ?? null
    if (busy === null) {
      const open = random.chance(shape.openPerMille)
      const index =
        made.push({
          process: String(client),
          input: drawn(random, shape, state, made.length),
          output: undefined,
          call: step,
          return: open ? Infinity : 0,
          lines: [0, 0],
        }) - 1
      if (!open) clients[client] = { index, effective: false }
      // A third of those that time out never take effect.
      else if (random.below(3) > 0) append(late, step + random.between(1, shape.lateSteps), index)
    } else if (!busy.effective) {
      effect(busy.index)
      clients[client] = { ...busy, effective: true }
    } else {
      made[busy.index] = { ...(made[busy.index] as Made), return: step }
      clients[client] = null
    }
  }
  for (; made.length < shape.operations; step++) {
    for (const index of late.get(step) ?? []) effect(index)
    late.delete(step)
    act(random.below(shape.clients))
  }
  for (const [client, busy] of clients.entries()) {
    if (busy?.effective === false) act(client)
    if (busy !== null) act(client)
    step++
  }
  return made
}

const drawn = (random: Random, { values }: RegisterShape, state: RegisterValue, count: number): RegisterInput => {
  const value = values === 0 ? count : random.below(values)
  const kind = random.below(10)
  if (kind < 5) return { f: 'read' }
  return kind < 8 ? { f: 'write', value } : { f: 'cas', from: values === 0 ? state : random.below(values), to: value }
}

const append = (map: Map<number, number[]>, key: number, item: number): void => {
  const list = map.get(key)
  if (list === undefined) map.set(key, [item])
  else list.push(item)
}

/** Hard on purpose: at the end a read shows what cannot be, after writes that all timed out and may each have happened. */
export const adversarialHistory = (seed: string, clients: number, operations: number, timeouts: number): readonly Made[] => {
  const before = registerHistory({ seed, operations: operations - timeouts, clients, openPerMille: 20, lateSteps: 200, values: 5 })
  const random = new Streams(seed).stream('time-outs')
  let place = before.reduce((last, one) => Math.max(last, one.call, Number.isFinite(one.return) ? one.return : 0), 0) + 1
  const open = Array.from({ length: timeouts }, (_, index): Made => {
    const input: RegisterInput =
      random.below(2) === 0 ? { f: 'write', value: 100 + index } : { f: 'cas', from: random.below(5), to: 100 + index }
    return { process: `${clients + index}`, input, output: undefined, call: place++, return: Infinity, lines: [0, 0] }
  })
  const reads = open.map(({ input }, index): Made => {
    const value = input.f === 'write' ? input.value : input.f === 'cas' ? input.to : null
    return { process: `${index % clients}`, input: { f: 'read' }, output: value, call: place++, return: place++, lines: [0, 0] }
  })
  // Each is read once, and then the first of them again: it cannot have happened twice.
  const again: Made = { ...(reads[0] as Made), call: place++, return: place++ }
  return [...before, ...open, ...reads, again]
}
