/**
 * The port between a process and the world it runs in.
 *
 * A process is sans-I/O: what is handed to it through `Process` is its only input, what it asks of its
 * `Host` is its only output. The world decides when, in which order and whether at all things arrive.
 * All times are milliseconds of virtual time.
 */
import type { Random } from './random.ts'

/** One run of one program. A crash drops it; a restart builds a new one from what the disk still holds. */
export interface Process<Message> {
  /** Called once, first. */
  start(): void
  /** A datagram: it may have been delayed, reordered, duplicated; others may have been lost. */
  receive(from: string, message: Message): void
  /** A peer opened a connection. Returns what is to be called on it. */
  accept(connection: Connection<Message>): ConnectionHandler<Message>
}

/** An ordered, exactly-once stream of messages that may break at any time (TCP). */
export interface Connection<Message> {
  /** Unique in a run. */
  readonly id: number
  /** Name of the process at the other end. */
  readonly peer: string
  /** Queued while the link is cut; lost, with all that was not delivered yet, when the connection breaks. */
  send(message: Message): void
  /** The peer hears `closed` once the link lets it through. This end hears nothing more. */
  close(): void
}

export interface ConnectionHandler<Message> {
  /** Only at the end that dialled: the peer has accepted. Messages may be sent before. */
  opened?(): void
  message(message: Message): void
  /** Refused, reset, timed out, or closed by the peer. Nothing follows. */
  closed(reason: string): void
}

/** A timer that was set, to cancel it by. */
export interface Timer {
  /** When it is due, in the world's time. */
  readonly at: number
}

export interface Host<Message, Observation> {
  /** The process's own name, such as 'etcd-0'. */
  readonly name: string
  /** The machine it runs on, such as 'control-plane-0'. Processes of one machine share clock, disk speed and fate. */
  readonly machine: string
  /** The machine's wall clock: offset and drift included, may jump. */
  now(): number
  /** The machine's monotonic clock: drift included, never jumps. */
  elapsed(): number
  /** A stream of its own for each name; the streams of an incarnation do not repeat those of the one before. */
  random(stream: string): Random
  /** Runs `run` once, `ms` of this machine's monotonic clock later, unless the process is gone or paused by then. */
  after(ms: number, run: () => void): Timer
  cancel(timer: Timer): void
  /** Sends a datagram. To a process of the same machine it is never lost. */
  send(to: string, message: Message): void
  dial(to: string, handler: ConnectionHandler<Message>): Connection<Message>
  readonly disk: Disk
  /** Tells the outside observer. Not an input of anything in the run. */
  observe(observation: Observation): void
  /** Ends this process as if it had crashed (a panic, os.Exit); the world restarts it after `restartMs`. */
  exit(reason: string, restartMs: number): void
}

/** Named append-only files of records. Records are immutable values, kept by reference. */
export interface Disk {
  append(file: string, record: unknown): void
  /** Keeps the first `length` records. Like an append, it is volatile until synced. */
  truncate(file: string, length: number): void
  /** All that was written before this call is durable when `done` runs. Syncs of one process complete in order. */
  sync(done: () => void): void
  /** The files that hold anything, in the order in which they were first written. */
  list(): readonly string[]
  /** What the file holds now: after a crash, what had been synced and a prefix of the rest, the last of it perhaps torn. */
  read(file: string): readonly StoredRecord[]
}

export interface StoredRecord {
  readonly record: unknown
  /** The write was cut short: a checksum over the record would not match. Only ever the last one of a file. */
  readonly torn: boolean
}
