/**
 * Faults for real members: drawn from the seed, never more at once than the cluster promises to survive.
 *
 * kill: SIGKILL, and a start on the data that is left. pause: SIGSTOP, SIGCONT. partition: links cut, one way or both,
 * between members or from the clients. slow: links that take long. disk: a member loses its whole data folder, is removed
 * and joins again as a new one. Writes that were not yet synced cannot be taken back from outside of the process, so what a
 * power cut does to a disk is left to the simulation.
 */
import type { Fault } from '../../../model/state/plan.ts'
import type { Random } from '../../../sim/random.ts'
import { CLIENTS, type EtcdCluster, type Member } from './cluster.ts'
import type { EtcdClient } from './client.ts'
import type { Journal } from './journal.ts'
import { sleep } from './sleep.ts'

export const FAULT_KINDS = ['kill', 'pause', 'partition', 'slow', 'disk'] as const
export type FaultKind = (typeof FAULT_KINDS)[number]

/** From the whole of one fault to the next. */
const REST_MS = [500, 1_500] as const
/** Long enough for an election in most cases, short enough for many faults a minute. */
const LAST_MS = [1_500, 3_500] as const
const SLOW_MS = [20, 200] as const

export interface StruckFault {
  readonly kind: FaultKind
  readonly fromMs: number
  readonly toMs: number
  readonly text: string
}

export interface FaultWorld {
  readonly cluster: EtcdCluster
  readonly journal: Journal
  readonly random: Random
  /** The name of the leader as the members see it now. */
  readonly leader: () => string | null
  /** A connection to some member. */
  readonly clientOf: (member: Member) => EtcdClient
}

export class Faults {
  readonly struck: StruckFault[] = []
  /** What could not be done, in words. */
  readonly problems: string[] = []
  private readonly world: FaultWorld
  private readonly kinds: readonly FaultKind[]

  constructor(world: FaultWorld, kinds: readonly FaultKind[]) {
    this.world = world
    this.kinds = kinds
  }

  /** Until it is over; then all is whole again. */
  async run(over: AbortSignal): Promise<void> {
    const { random } = this.world
    if (this.kinds.length === 0) return
    // Each kind in turn, in an order of the seed: a short run sees them all.
    let queue: FaultKind[] = []
    while (!over.aborted) {
      await sleep(random.between(...REST_MS), over)
      if (over.aborted) return
      if (queue.length === 0) queue = random.shuffle(this.kinds)
      await this.strike(queue.shift() as FaultKind, over)
    }
  }

  private async strike(kind: FaultKind, over: AbortSignal): Promise<void> {
    const { cluster, journal, random } = this.world
    const targets = this.targets()
    const [target] = targets
    if (target === undefined) return
    const forMs = random.between(...LAST_MS)
    const fromMs = journal.nowMs
    const { fault, text, begin } = this.draw(kind, targets, forMs)
    journal.see({ kind: 'FaultChanged', fault, outcome: 'begun', detail: text })
    const end = await begin()
    await sleep(forMs, over)
    const problem = await end()
    if (problem !== null) this.problems.push(`${text}: ${problem}`)
    journal.see({ kind: 'FaultChanged', fault, outcome: problem === null ? 'ended' : 'skipped', detail: problem ?? text })
    this.struck.push({ kind, fromMs, toMs: journal.nowMs, text })
    // A member that was away is given a moment to be of use again before the next may go.
    const back = targets.filter((member) => member.process !== null)
    await Promise.all(back.map((member) => this.world.clientOf(member).ready(2_000)))
    if (over.aborted) for (const member of cluster.members) cluster.pause(member, false)
  }

  /** Half of the times the leader; as many as may be out. */
  private targets(): readonly Member[] {
    const { cluster, random, leader } = this.world
    // One that could not be brought back is still out: no other may join it there.
    if (cluster.members.some((member) => member.process === null)) return []
    const most = cluster.members.length === 1 ? 1 : Math.floor((cluster.members.length - 1) / 2)
    const shuffled = random.shuffle(cluster.members)
    const led = random.chance(500) ? cluster.members.find((member) => member.name === leader()) : undefined
    const first = led === undefined ? shuffled : [led, ...shuffled.filter((member) => member !== led)]
    return first.slice(0, random.between(1, most))
  }

  private draw(kind: FaultKind, targets: readonly Member[], forMs: number): Drawn {
    const { cluster, random } = this.world
    const names = targets.map((member) => member.name)
    const target = names[0] as string
    const all = names.join(', ')
    switch (kind) {
      case 'kill':
        return {
          fault: { kind: 'CrashProcess', target, restartMs: forMs },
          text: `${all} killed`,
          begin: async () => {
            await Promise.all(targets.map((member) => cluster.kill(member)))
            return async () => {
              await Promise.all(targets.map((member) => cluster.launch(member, 'restarted')))
              return null
            }
          },
        }
      case 'pause':
        return {
          fault: { kind: 'PauseProcess', target, forMs },
          text: `${all} paused`,
          begin: async () => {
            for (const member of targets) cluster.pause(member, true)
            return async () => {
              for (const member of targets) cluster.pause(member, false)
              return null
            }
          },
        }
      case 'partition':
        return this.drawPartition(targets, forMs)
      case 'slow': {
        const extraMs = random.between(...SLOW_MS)
        return {
          fault: { kind: 'SlowLink', target, extraMs, forMs },
          text: `links of ${all} slower by ${extraMs} ms`,
          begin: async () => ending(cluster.network.slow(this.linksOf(targets, 'both', random.chance(500)), extraMs)),
        }
      }
      case 'disk':
        return this.drawDisk(targets[0] as Member)
    }
  }

  private drawPartition(targets: readonly Member[], forMs: number): Drawn {
    const { cluster, random } = this.world
    const side = targets.map((member) => member.name)
    const direction = random.pick(['both', 'both', 'in', 'out'] as const)
    const clientsToo = random.chance(300)
    const breaks = random.chance(300)
    const words = { both: 'cut off from', in: 'hears nothing of', out: 'is not heard by' }[direction]
    return {
      fault: { kind: 'Partition', side, direction, forMs },
      text: `${side.join(', ')} ${words} the others${clientsToo ? ' and clients' : ''}${breaks ? ', connections broken' : ''}`,
      begin: async () => {
        const heal = cluster.network.hold(this.linksOf(targets, direction, clientsToo))
        return async () => {
          // What was on its way when a connection breaks never arrives.
          if (breaks) for (const member of targets) member.peerProxy.reset()
          heal()
          return null
        }
      },
    }
  }

  private drawDisk(member: Member): Drawn {
    const { cluster, clientOf } = this.world
    const others = cluster.members.filter((one) => one !== member)
    return {
      fault: { kind: 'CrashMachine', target: member.name, restartMs: null },
      text: `${member.name} lost its disk and joins anew`,
      begin: async () => {
        await cluster.kill(member)
        return async () => {
          const problem = await cluster.replace(member, others.map(clientOf))
          if (problem === null) await cluster.launch(member, 'joined with an empty disk')
          return problem
        }
      },
    }
  }

  private linksOf(
    targets: readonly Member[],
    direction: 'both' | 'in' | 'out',
    clientsToo: boolean,
  ): readonly (readonly [string, string])[] {
    const inside = targets.map((member) => member.name)
    const outside = this.world.cluster.members.map((member) => member.name).filter((name) => !inside.includes(name))
    if (clientsToo || outside.length === 0) outside.push(CLIENTS)
    return inside.flatMap((one) =>
      outside.flatMap((other): (readonly [string, string])[] => {
        if (direction === 'out') return [[one, other]]
        return direction === 'in'
          ? [[other, one]]
          : [
              [one, other],
              [other, one],
            ]
      }),
    )
  }
}

interface Drawn {
  readonly fault: Fault
  readonly text: string
  /** Strikes, and returns what ends it: null, or why it could not be ended as meant. */
  readonly begin: () => Promise<() => Promise<string | null>>
}

const ending = (end: () => void) => async (): Promise<null> => {
  end()
  return null
}
