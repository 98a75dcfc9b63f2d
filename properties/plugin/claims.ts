/** What is judged of a controller of one's own: what it claims itself, and what holds of every controller. */
import type { Context, Invariant, Judgement, Pending, Watcher } from '../../model/invariant.ts'
import { pending } from '../../model/pending.ts'
import { INVARIANTS } from '../../model/register.ts'
import type { Observation } from '../../model/state/history.ts'
import type { Plan } from '../../model/state/plan.ts'
import { InputError } from '../input.ts'
import { loadPlugin, type LoadedPlugin } from './load.ts'

const CONTROLLERS = 'https://kubernetes.io/docs/concepts/architecture/controller/'

/** Its own first: they say more than what follows from them. */
export const claimsOf = (loaded: LoadedPlugin): readonly Invariant[] => {
  const { plugin } = loaded
  const own = plugin.invariants.map((invariant) => blamed(loaded, invariant))
  return [comesToItsEnd(loaded), isTaken(loaded), ...own, converges(loaded)]
}

/** All that a run of a plan is judged by. */
export const judgedBy = async ({ controller }: Plan): Promise<readonly Invariant[]> =>
  controller === undefined ? INVARIANTS : [...claimsOf(await loadPlugin(controller.module)), ...INVARIANTS]

const isOf = ({ plugin }: LoadedPlugin, process: string): boolean =>
  process.startsWith(`${plugin.name}-`) && /^\d+$/.test(process.slice(plugin.name.length + 1))

const USER = 'user-0'
const isWrite = (verb: string): boolean => verb !== 'get' && verb !== 'list'

/** The last thing that was done to the cluster, in words. */
class LastAction {
  private said = 'nothing had been done before'

  note(next: Observation): void {
    const at = `at ${(next.atMs / 1000).toFixed(3)} s`
    // What was asked may have led there before its answer is back.
    if (next.kind === 'Invoke' && next.process === USER && next.request.kind === 'Api' && isWrite(next.request.verb))
      this.said = `last before it: a user's ${next.request.verb} of ${next.request.resource}/${next.request.name ?? ''}, ${at}`
    if (next.kind === 'FaultChanged' && next.outcome === 'begun') this.said = `last before it: ${next.fault.kind} ${next.detail}, ${at}`
  }

  get words(): string {
    return this.said
  }
}

const comesToItsEnd = (loaded: LoadedPlugin): Invariant => ({
  id: 'OWN-P1',
  sentence: 'the controller neither throws nor goes on for ever',
  source: CONTROLLERS,
  kind: 'history',
  strength: 'safety',
  sometimes: 'it was killed and started again',
  allows: [],
  hears: ['ProcessStarted', 'ProcessEnded', 'Invoke', 'FaultChanged'],
  start: () => {
    const last = new LastAction()
    return {
      observe(next) {
        last.note(next)
        if (next.kind !== 'ProcessStarted' && next.kind !== 'ProcessEnded') return 'vacuous'
        if (!isOf(loaded, next.process)) return 'vacuous'
        if (next.kind === 'ProcessStarted') return next.reason === 'restart' ? 'notable' : 'holds'
        const [kind = '', ...why] = next.reason.split(': ')
        if (kind !== 'panic' && kind !== 'hang') return 'vacuous'
        return { why: `${next.process}, ${why.join(': ')} (${last.words})` }
      },
    }
  },
})

/** What the API server says of an object that does not validate. */
const REFUSED: ReadonlySet<number> = new Set([400, 422])

const isTaken = (loaded: LoadedPlugin): Invariant => ({
  id: 'OWN-S1',
  sentence: 'the controller writes nothing that the API server refuses as invalid',
  source: 'sig-architecture api-conventions.md (422 StatusUnprocessableEntity)',
  kind: 'history',
  strength: 'safety',
  sometimes: 'something of its is refused for another reason',
  allows: [],
  hears: ['Invoke', 'Reply', 'FaultChanged'],
  start: () => {
    const last = new LastAction()
    const asked = new Map<string, string>()
    return {
      observe(next) {
        last.note(next)
        if (next.kind === 'Invoke' && isOf(loaded, next.process) && next.request.kind === 'Api') {
          const { verb, resource, name } = next.request
          if (isWrite(verb)) asked.set(next.call, `${verb} ${resource}/${name ?? ''}`)
        }
        if (next.kind !== 'Reply') return 'vacuous'
        const write = asked.get(next.call)
        asked.delete(next.call)
        if (write === undefined) return 'vacuous'
        if (next.outcome.kind !== 'refused') return 'holds'
        if (!REFUSED.has(next.outcome.code ?? 0)) return 'notable'
        return { why: `${next.process}, ${write}: ${next.outcome.reason} (${last.words})` }
      },
    }
  },
})

const LISTED = 3

const converges = ({ plugin, module }: LoadedPlugin): Invariant => ({
  id: plugin.convergence.id,
  sentence: plugin.convergence.sentence,
  source: module,
  kind: 'convergence',
  strength: 'liveness',
  sometimes: 'there had been faults',
  allows: [],
  hears: ['PhaseBegan', 'FaultChanged'],
  start: () => {
    let faults = 0
    return {
      observe(next, { cluster }) {
        if (next.kind === 'FaultChanged' && next.outcome === 'begun') faults++
        if (next.kind !== 'PhaseBegan' || next.phase !== 'end') return 'vacuous'
        const rows = pendingOf({ plugin, module }, cluster).filter((row) => !row.blocked)
        if (rows.length === 0) return faults > 0 ? 'notable' : 'holds'
        const shown = rows.slice(0, LISTED).map((row) => `${row.object} still waits for ${row.waitsFor}`)
        return { why: `${shown.join('; ')}${rows.length > LISTED ? `; and ${rows.length - LISTED} more` : ''}` }
      },
    }
  },
})

/** What its own convergence predicate says. What that throws is its author's to know. */
export const pendingOf = (
  { plugin, module }: Pick<LoadedPlugin, 'plugin' | 'module'>,
  cluster: Context['cluster'],
  others: readonly Pending[] = pending(cluster),
): readonly Pending[] => blame(module, 'convergence.pending', () => plugin.convergence.pending(cluster, others))

const blame = <T>(module: string, what: string, run: () => T): T => {
  try {
    return run()
  } catch (error) {
    throw new InputError(module, `plugin.${what} threw: ${String(error)}`)
  }
}

const blamed = ({ module }: LoadedPlugin, invariant: Invariant): Invariant => ({
  ...invariant,
  allows: invariant.allows ?? [],
  start: () => {
    const watcher = blame(module, `invariants ${invariant.id}`, () => invariant.start())
    const observe = (next: Observation, context: Context): Judgement =>
      blame(module, `invariants ${invariant.id}`, () => watcher.observe(next, context))
    const watched: Watcher = { observe }
    if (watcher.end === undefined) return watched
    return { observe, end: (context) => blame(module, `invariants ${invariant.id}`, () => watcher.end?.(context) ?? 'vacuous') }
  },
})
