/** Which members can exchange messages, by the faults that are said to be on and by who runs. */
import type { Seen } from '../../state/history.ts'
import type { Fault } from '../../state/plan.ts'

const TROUBLES: ReadonlySet<Fault['kind']> = new Set<Fault['kind']>(['SlowLink', 'Clog', 'StallDisk', 'CrashUnsynced'])

const subsets = (items: readonly string[], size: number): readonly (readonly string[])[] => {
  if (size === 0) return [[]]
  const [first, ...rest] = items
  if (first === undefined) return []
  return [...subsets(rest, size - 1).map((some) => [first, ...some]), ...subsets(rest, size)]
}

export class Reach {
  private readonly members = new Set<string>()
  private readonly machines = new Map<string, string>()
  private readonly down = new Set<string>()
  /** Faults that are on, each with the name it was said to strike. */
  private readonly faults = new Map<string, { readonly fault: Fault; readonly detail: string }>()

  joins(member: string): void {
    this.members.add(member)
  }

  heed(next: Seen<'ProcessStarted' | 'ProcessEnded'> | Seen<'FaultChanged'>): void {
    switch (next.kind) {
      case 'ProcessStarted':
        this.machines.set(next.process, next.machine)
        this.down.delete(next.process)
        return
      case 'ProcessEnded':
        this.down.add(next.process)
        return
      case 'FaultChanged': {
        const name = `${JSON.stringify(next.fault)} ${next.detail}`
        if (next.outcome === 'begun') this.faults.set(name, next)
        else if (next.outcome === 'ended') this.faults.delete(name)
      }
    }
  }

  /** It has not itself been stopped, and as many as make a majority with it hear it and are heard. */
  reachesMajority(member: string): boolean {
    // One that stands still cannot be expected to notice.
    if (this.paused(member)) return true
    const others = [...this.members].filter((other) => other !== member)
    const reached = others.filter((other) => !this.down.has(other) && !this.paused(other) && !this.cut(member, other))
    return reached.length + 1 >= Math.floor(this.members.size / 2) + 1
  }

  /** Majorities of which every two exchange messages, and none is slow, about to crash, or stopped. */
  soundMajorities(): readonly (readonly string[])[] {
    const sound = [...this.members].filter((member) => !this.down.has(member) && !this.paused(member) && !this.troubled(member))
    const size = Math.floor(this.members.size / 2) + 1
    return subsets(sound, size).filter((some) => some.every((one) => some.every((other) => one === other || !this.cut(one, other))))
  }

  private troubled(member: string): boolean {
    const machine = this.machines.get(member)
    return [...this.faults.values()].some(({ fault, detail }) => TROUBLES.has(fault.kind) && (detail === machine || detail === member))
  }

  private paused(member: string): boolean {
    return [...this.faults.values()].some(({ fault, detail }) => fault.kind === 'PauseProcess' && detail === member)
  }

  /** In either direction: a question without an answer is no contact. */
  private cut(one: string, other: string): boolean {
    const [here, there] = [this.machines.get(one) ?? '', this.machines.get(other) ?? '']
    return [...this.faults.values()].some(({ fault, detail }) => {
      if (fault.kind === 'DeposeElected') return (detail === one) !== (detail === other)
      if (fault.kind !== 'Partition') return false
      const side = detail.split(', ')
      return side.includes(here) !== side.includes(there)
    })
  }
}
