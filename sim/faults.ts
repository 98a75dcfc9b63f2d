/**
 * The fault driver: begins faults, ends them in time, and never takes away more than the budget allows.
 *
 * The budget says what the protocols promise to survive: so many members of a group may be out at once, be it by a
 * crash, a pause or a cut. A fault beyond it is skipped, and said to be.
 */
import type { World } from './world.ts'

/** beyondBudget: that no protocol promises to survive it is the point. */
export type WorldFault = { readonly beyondBudget?: true } & (
  | { readonly kind: 'CrashProcess'; readonly target: string; readonly restartMs: number }
  | { readonly kind: 'CrashMachine'; readonly target: string; readonly restartMs: number | null }
  | { readonly kind: 'PauseProcess'; readonly target: string; readonly forMs: number }
  /** among: only links between these machines; absent: all. */
  | {
      readonly kind: 'Partition'
      readonly side: readonly string[]
      readonly direction: 'both' | 'in' | 'out'
      readonly forMs: number
      readonly among?: readonly string[]
    }
  | {
      readonly kind: 'SlowLink'
      readonly target: string
      readonly extraMs: number
      readonly forMs: number
      readonly among?: readonly string[]
    }
  | { readonly kind: 'Clog'; readonly target: string; readonly forMs: number }
  | { readonly kind: 'StallDisk'; readonly target: string; readonly syncMs: number; readonly forMs: number }
  | { readonly kind: 'JumpClock'; readonly target: string; readonly deltaMs: number }
  | { readonly kind: 'CrashUnsynced'; readonly target: string; readonly forMs: number; readonly restartMs: number }
  | { readonly kind: 'CrashBetweenWrites'; readonly target: string; readonly writes: number; readonly restartMs: number }
)

export interface Group {
  readonly name: string
  readonly processes: readonly string[]
  /** How many of them may be out at once. */
  readonly outMost: number
}

/** A trap that did not strike within this time is taken away again. */
const TRAP_MS = 10_000

export type FaultReport = (outcome: 'begun' | 'ended' | 'skipped', detail: string) => void

interface Active {
  readonly out: readonly string[]
  readonly end: () => void
}

export class FaultDriver<Message, Observation> {
  private readonly world: World<Message, Observation>
  private readonly groups: readonly Group[]
  /** Which messages count as writes for a crash between two of them. */
  private readonly isWrite: (message: Message) => boolean
  /** Which messages say something that a crash could make untrue. */
  private readonly isSaying: (message: Message) => boolean
  private readonly active = new Set<Active>()
  private readonly lost = new Set<string>()

  constructor(
    world: World<Message, Observation>,
    groups: readonly Group[],
    isWrite: (message: Message) => boolean,
    isSaying: (message: Message) => boolean,
  ) {
    this.world = world
    this.groups = groups
    this.isWrite = isWrite
    this.isSaying = isSaying
  }

  /** Returns what ends it before its time; null: it was skipped. */
  apply(fault: WorldFault, report: FaultReport): (() => void) | null {
    const out = this.takenOut(fault)
    const refusal = this.refusal(fault, out)
    if (refusal !== null) {
      report('skipped', refusal)
      return null
    }
    const { lastsMs, end } = this.begin(fault)
    report('begun', '')
    if (lastsMs === null) {
      // Gone for good: it stays on the budget.
      this.active.add({ out, end: () => {} })
      return () => {}
    }
    const active: Active = {
      out,
      end: () => {
        if (!this.active.delete(active)) return
        end()
        report('ended', '')
      },
    }
    this.active.add(active)
    this.world.at(this.world.now + lastsMs, active.end)
    return active.end
  }

  /** Ends every fault, starts again what is down and not lost for good, and stops losing messages. */
  healAll(): void {
    const { world } = this
    for (const active of [...this.active]) active.end()
    world.weather = { ...world.weather, lossPerMille: 0, duplicatePerMille: 0, reorderPerMille: 0 }
    for (const machine of world.machineNames) {
      if (this.lost.has(machine)) continue
      world.startMachine(machine)
      for (const process of world.processesOf(machine)) {
        world.disarm(process)
        world.resume(process)
        world.restart(process)
      }
    }
  }

  private others(machine: string): readonly string[] {
    return this.world.machineNames.filter((name) => name !== machine)
  }

  private begin(fault: WorldFault): { lastsMs: number | null; end: () => void } {
    const { world } = this
    switch (fault.kind) {
      case 'CrashProcess':
        world.crash(fault.target)
        return { lastsMs: fault.restartMs, end: () => world.restart(fault.target) }
      case 'CrashMachine':
        if (fault.restartMs === null) this.lost.add(fault.target)
        world.crashMachine(fault.target)
        return { lastsMs: fault.restartMs, end: () => world.startMachine(fault.target) }
      case 'PauseProcess':
        world.pause(fault.target)
        return { lastsMs: fault.forMs, end: () => world.resume(fault.target) }
      case 'Partition':
        return { lastsMs: fault.forMs, end: this.partition(fault.side, fault.direction, fault.among) }
      case 'SlowLink':
        return { lastsMs: fault.forMs, end: this.onLinks(fault.target, fault.among, (from, to) => this.slow(from, to, fault.extraMs)) }
      case 'Clog':
        return { lastsMs: fault.forMs, end: this.onLinks(fault.target, undefined, (from, to) => this.clog(from, to)) }
      case 'StallDisk':
        return { lastsMs: fault.forMs, end: world.stallDisk(fault.target, fault.syncMs) }
      case 'JumpClock':
        world.jumpClock(fault.target, fault.deltaMs)
        return { lastsMs: 0, end: () => {} }
      case 'CrashUnsynced':
        world.crashAtUnsynced(fault.target, fault.restartMs, this.isSaying)
        return { lastsMs: fault.forMs, end: () => world.disarm(fault.target) }
      case 'CrashBetweenWrites':
        world.crashAfterSends(fault.target, fault.restartMs, fault.writes, this.isWrite)
        return { lastsMs: TRAP_MS + fault.restartMs, end: () => world.disarm(fault.target) }
    }
  }

  private partition(side: readonly string[], direction: 'both' | 'in' | 'out', among: readonly string[] | undefined): () => void {
    const { world } = this
    const pairs: [string, string][] = []
    for (const inside of side) {
      for (const outside of this.others(inside)) {
        if (side.includes(outside) || among?.includes(outside) === false) continue
        if (direction !== 'in') pairs.push([inside, outside])
        if (direction !== 'out') pairs.push([outside, inside])
      }
    }
    for (const [from, to] of pairs) world.cut(from, to)
    return () => {
      for (const [from, to] of pairs) world.mend(from, to)
    }
  }

  private onLinks(machine: string, among: readonly string[] | undefined, begin: (from: string, to: string) => () => void): () => void {
    const others = this.others(machine).filter((other) => among?.includes(other) !== false)
    const ends = others.flatMap((other) => [begin(machine, other), begin(other, machine)])
    return () => {
      for (const end of ends) end()
    }
  }

  private slow(from: string, to: string, extraMs: number): () => void {
    const link = this.world.linkBetween(from, to)
    link.slow(extraMs)
    return () => link.slow(-extraMs)
  }

  private clog(from: string, to: string): () => void {
    this.world.linkBetween(from, to).clog()
    return () => this.world.unclog(from, to)
  }

  // Budget

  /** Processes that are as good as down while the fault lasts. */
  private takenOut(fault: WorldFault): readonly string[] {
    switch (fault.kind) {
      case 'CrashProcess':
      case 'PauseProcess':
      case 'CrashUnsynced':
      case 'CrashBetweenWrites':
        return [fault.target]
      case 'CrashMachine':
      case 'Clog':
        return this.world.processesOf(fault.target)
      case 'Partition':
        return this.groups.flatMap((group) => this.smallerPart(group, fault.side))
      case 'SlowLink':
      case 'StallDisk':
      case 'JumpClock':
        return []
    }
  }

  private smallerPart(group: Group, side: readonly string[]): readonly string[] {
    const inside = group.processes.filter((process) => side.includes(this.world.machineOf(process)))
    const outside = group.processes.filter((process) => !inside.includes(process))
    return inside.length <= outside.length ? inside : outside
  }

  private refusal(fault: WorldFault, out: readonly string[]): string | null {
    const { world } = this
    if (fault.kind === 'CrashMachine' && !world.isMachineUp(fault.target)) return 'it is down already'
    const isProcess = fault.kind === 'CrashProcess' || fault.kind === 'PauseProcess' || fault.kind === 'CrashUnsynced'
    if ((isProcess || fault.kind === 'CrashBetweenWrites') && !world.isUp(fault.target)) return 'it is down already'
    if (fault.beyondBudget === true) return null
    for (const group of this.groups) {
      const members = new Set([...this.active].flatMap((active) => active.out).filter((name) => group.processes.includes(name)))
      const before = members.size
      for (const name of out) if (group.processes.includes(name)) members.add(name)
      if (members.size > group.outMost && members.size > before) {
        return `beyond the fault budget: at most ${group.outMost} of ${group.name} may be out at once`
      }
    }
    return null
  }
}
