/** What the world keeps of its machines and of each process through all its incarnations, and the events it orders. */
import type { Clock } from './clock.ts'
import type { End } from './connection.ts'
import type { DiskState } from './disk.ts'
import type { Host, Process, Timer } from './host.ts'
import type { Link } from './network.ts'
import type { Random } from './random.ts'

export type EventKind = 'call' | 'datagram' | 'timer' | 'message' | 'accept' | 'opened' | 'closed' | 'synced'

/** Something to happen to a process, or to the world itself. Which fields matter follows from its kind. */
export class WorldEvent<Message, Observation> implements Timer {
  at: number
  readonly sequence: number
  readonly kind: EventKind
  /** Null for the world's own calls. */
  readonly life: Life<Message, Observation> | null
  readonly incarnation: number
  cancelled = false
  run: (() => void) | null = null
  message: Message | null = null
  /** What a datagram comes over; null: from the same machine. */
  link: Link | null = null
  end: End<Message, Observation> | null = null
  /** Sender of a datagram, or why a connection closed. */
  text = ''
  /** What of the disk a sync makes durable. */
  position = 0

  constructor(at: number, sequence: number, kind: EventKind, life: Life<Message, Observation> | null) {
    this.at = at
    this.sequence = sequence
    this.kind = kind
    this.life = life
    this.incarnation = life === null ? 0 : life.incarnation
  }
}

export interface MachineOptions {
  readonly offsetMs: number
  readonly driftPpm: number
  readonly diskSyncMs: readonly [number, number]
}

export interface Machine<Message, Observation> {
  readonly name: string
  readonly clock: Clock
  readonly diskSyncMs: readonly [number, number]
  /** Stalls in force: a sync takes as long as the longest of them. */
  readonly stalls: number[]
  up: boolean
  readonly lives: Life<Message, Observation>[]
  /** Links to other machines, by name. */
  readonly links: Map<string, Link>
  readonly stream: Random
}

/** Where the datagrams of a process to another one go. */
export interface Route<Message, Observation> {
  readonly target: Life<Message, Observation>
  /** Null: the same machine. */
  readonly link: Link | null
}

/** A process through all its incarnations. */
export interface Life<Message, Observation> {
  readonly name: string
  readonly index: number
  readonly machine: Machine<Message, Observation>
  readonly program: (host: Host<Message, Observation>) => Process<Message>
  process: Process<Message> | null
  /** By the name of the process at the other end. */
  readonly routes: Map<string, Route<Message, Observation>>
  incarnation: number
  paused: boolean
  /** Deliveries that wait for the end of a pause. */
  readonly held: WorldEvent<Message, Observation>[]
  readonly disk: DiskState
  lastSyncMs: number
  /** Said its last word in this incarnation: it ends when the event in progress has been handled. */
  silenced: boolean
  ending: { readonly reason: string; readonly restartMs: number | null } | null
  /** Armed faults that strike at a moment of its own doing. */
  trap: ((message: Message, unsynced: boolean) => boolean) | null
  trapRestartMs: number
  /** Strikes again after each restart, until it is disarmed. */
  trapStays: boolean
}
