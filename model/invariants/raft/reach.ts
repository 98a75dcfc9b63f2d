/** Which members can exchange messages, by the faults that are said to be on and by who runs. */
import type { Seen } from '../../state/history.ts'
import type { Configuration } from '../../state/keyspace.ts'
import type { Fault } from '../../state/plan.ts'
import { Configurations, decides, everybody, processOf } from './configurations.ts'

const TROUBLES: ReadonlySet<Fault['kind']> = new Set<Fault['kind']>(['SlowLink', 'Clog', 'StallDisk', 'CrashUnsynced'])

const subsets = (items: readonly string[]): readonly (readonly string[])[] => {
  const [first, ...rest] = items
  if (first === undefined) return [[]]
  const without = subsets(rest)
  return [...without, ...without.map((some) => [first, ...some])]
}

/** What had begun is as slow as the fault made it. */
const tailMs = (fault: Fault): number => {
  if (fault.kind === 'StallDisk') return fault.syncMs
  return fault.kind === 'SlowLink' ? fault.extraMs : 0
}

export class Reach {
  private readonly seen = new Set<string>()
  private readonly configurations = new Configurations()
  private readonly machines = new Map<string, string>()
  /** A process that was started runs no member before it has found one on its disk, or was told which it is. */
  private readonly running = new Set<string>()
  /** A process is resumed by the end of whichever pause ends first, and by being started again. */
  private readonly stopped = new Set<string>()
  /** Faults that are on, each with the name it was said to strike. */
  private readonly faults = new Map<string, { readonly fault: Fault; readonly detail: string }>()

  /** Machine or process → until when what was under way at the end of a fault is still slow. */
  private readonly until = new Map<string, number>()

  joins(member: string): void {
    this.seen.add(member)
    this.running.add(member)
  }

  heed(next: Seen<'ProcessStarted' | 'ProcessEnded'> | Seen<'FaultChanged'> | Seen<'Configured'>): void {
    switch (next.kind) {
      case 'Configured':
        this.configurations.observe(next)
        return
      case 'ProcessStarted':
        this.machines.set(next.process, next.machine)
        this.stopped.delete(next.process)
        return
      case 'ProcessEnded':
        for (const member of this.running) if (processOf(member) === next.process) this.running.delete(member)
        return
      case 'FaultChanged': {
        if (next.fault.kind === 'PauseProcess') {
          if (next.outcome === 'begun') this.stopped.add(next.detail)
          else if (next.outcome === 'ended') this.stopped.delete(next.detail)
          return
        }
        const name = `${JSON.stringify(next.fault)} ${next.detail}`
        if (next.outcome === 'begun') this.faults.set(name, next)
        else if (next.outcome === 'ended') {
          this.faults.delete(name)
          this.until.set(next.detail, Math.max(next.atMs + tailMs(next.fault), this.until.get(next.detail) ?? 0))
        }
      }
    }
  }

  /** It has not itself been stopped, and as many as make a majority with it hear it and are heard. */
  reachesMajority(member: string): boolean {
    // One that stands still cannot be expected to notice.
    if (this.paused(member)) return true
    const configuration = this.configurations.of(member) ?? this.latest
    const reached = (other: string): boolean => other === member || (this.runs(other) && !this.cut(member, other))
    return decides(configuration, reached)
  }

  /** Majorities, no larger than it takes, of which every two exchange messages, and none is slow, about to crash, or stopped. */
  soundMajorities(nowMs: number): readonly (readonly string[])[] {
    const { latest } = this
    const { configurations } = this
    // By the latest configuration, and by what each of them knows: who has not heard of a change of members goes by those before it.
    const enough = (some: readonly string[]): boolean =>
      [latest, ...some.flatMap((one) => configurations.of(one) ?? [])].every((one) => decides(one, (member) => some.includes(member)))
    const voters = [...new Set([...latest.voters, ...latest.outgoing])]
    const sound = voters.filter((member) => this.runs(member) && !this.troubled(member, nowMs) && configurations.stands(member))
    return subsets(sound).filter(
      (some) =>
        enough(some) &&
        some.every(
          (one) => !enough(some.filter((other) => other !== one)) && some.every((other) => one === other || !this.cut(one, other)),
        ),
    )
  }

  private get latest(): Configuration {
    return this.configurations.latest ?? everybody([...this.seen])
  }

  private runs(member: string): boolean {
    return this.running.has(member) && !this.paused(member)
  }

  private troubled(member: string, nowMs: number): boolean {
    const places = [processOf(member), this.machines.get(processOf(member)) ?? '']
    if (places.some((place) => (this.until.get(place) ?? 0) > nowMs)) return true
    return [...this.faults.values()].some(({ fault, detail }) => TROUBLES.has(fault.kind) && places.includes(detail))
  }

  private paused(member: string): boolean {
    return this.stopped.has(processOf(member))
  }

  /** In either direction: a question without an answer is no contact. */
  private cut(one: string, other: string): boolean {
    const [here, there] = [one, other].map((member) => this.machines.get(processOf(member)) ?? '') as [string, string]
    return [...this.faults.values()].some(({ fault, detail }) => {
      if (fault.kind === 'DeposeElected') return (detail === processOf(one)) !== (detail === processOf(other))
      if (fault.kind !== 'Partition') return false
      const side = detail.split(', ')
      return side.includes(here) !== side.includes(there)
    })
  }
}
