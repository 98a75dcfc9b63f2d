/**
 * The world: machines, processes, links and one event queue. A run is a function of its seed and what is asked of it.
 */
import { Clock } from './clock.ts'
import { End } from './connection.ts'
import { DiskState } from './disk.ts'
import { RunningHash } from './hash.ts'
import type { Connection, ConnectionHandler, Disk, Host, Process } from './host.ts'
import { WorldEvent, type EventKind, type Life, type Machine, type MachineOptions, type Route } from './life.ts'
import { KEEPALIVE_MS, Link, type NetworkWeather } from './network.ts'
import { EventQueue } from './queue.ts'
import { Streams, type Random } from './random.ts'

export interface WorldOptions<Observation> {
  readonly seed: string
  readonly network: NetworkWeather
  readonly tornWrites: boolean
  observe(atMs: number, observation: Observation): void
  /** Told when a process started or ended. */
  lifeChanged(atMs: number, process: string, machine: string, started: boolean, reason: string): void
}

/** How long a supervisor waits before it starts a process again that died by its own fault. */
const PANIC_RESTART_MS = 1_000

export class World<Message, Observation> {
  now = 0
  eventCount = 0
  /** Of the events: datagrams, and messages of connections. */
  messageCount = 0
  weather: NetworkWeather
  private readonly options: WorldOptions<Observation>
  private readonly streams: Streams
  private readonly queue = new EventQueue<WorldEvent<Message, Observation>>()
  private sequence = 0
  private readonly machines = new Map<string, Machine<Message, Observation>>()
  private readonly lives = new Map<string, Life<Message, Observation>>()
  private readonly ends = new Set<End<Message, Observation>>()
  private connections = 0
  private readonly running = new RunningHash()

  constructor(options: WorldOptions<Observation>) {
    this.options = options
    this.weather = options.network
    this.streams = new Streams(options.seed)
  }

  // Building

  addMachine(name: string, options: MachineOptions): void {
    if (this.machines.has(name)) throw new Error(`two machines are named ${name}`)
    this.machines.set(name, {
      name,
      clock: new Clock(options.offsetMs, options.driftPpm),
      diskSyncMs: options.diskSyncMs,
      stalls: [],
      up: true,
      lives: [],
      links: new Map(),
      stream: this.streams.stream('machine', name),
    })
  }

  addProcess(name: string, machine: string, program: (host: Host<Message, Observation>) => Process<Message>): void {
    if (this.lives.has(name)) throw new Error(`two processes are named ${name}`)
    const life: Life<Message, Observation> = {
      name,
      index: this.lives.size,
      machine: this.machineNamed(machine),
      program,
      process: null,
      routes: new Map(),
      incarnation: 0,
      paused: false,
      held: [],
      disk: new DiskState(),
      lastSyncMs: 0,
      silenced: false,
      ending: null,
      trap: null,
      trapRestartMs: 0,
      trapStays: false,
    }
    this.lives.set(name, life)
    life.machine.lives.push(life)
  }

  private machineNamed(name: string): Machine<Message, Observation> {
    const machine = this.machines.get(name)
    if (machine === undefined) throw new Error(`no machine ${name}`)
    return machine
  }

  private lifeNamed(name: string): Life<Message, Observation> {
    const life = this.lives.get(name)
    if (life === undefined) throw new Error(`no process ${name}`)
    return life
  }

  get machineNames(): readonly string[] {
    return [...this.machines.keys()]
  }

  hasProcess(name: string): boolean {
    return this.lives.has(name)
  }

  hasMachine(name: string): boolean {
    return this.machines.has(name)
  }

  machineOf(process: string): string {
    return this.lifeNamed(process).machine.name
  }

  processesOf(machine: string): readonly string[] {
    return this.machineNamed(machine).lives.map((life) => life.name)
  }

  isUp(process: string): boolean {
    return this.lifeNamed(process).process !== null
  }

  isPaused(process: string): boolean {
    return this.lifeNamed(process).paused
  }

  isMachineUp(machine: string): boolean {
    return this.machineNamed(machine).up
  }

  /** A stream for whoever drives the world. */
  random(...name: readonly string[]): Random {
    return this.streams.stream('driver', ...name)
  }

  /** 16 hex digits over every event delivered so far. */
  get hash(): string {
    return this.running.hex
  }

  // Running

  /** Runs `run` at a time of the world; not stopped by anything. */
  at(atMs: number, run: () => void): void {
    this.push('call', Math.max(atMs, this.now), null).run = run
  }

  /** Notes what happened in the world outside all processes. */
  observe(observation: Observation): void {
    this.options.observe(this.now, observation)
  }

  /** Delivers all events up to and including `untilMs`. */
  runUntil(untilMs: number): void {
    for (;;) {
      const next = this.queue.next
      if (next === undefined || next.at > untilMs) break
      this.step()
    }
    this.now = Math.max(this.now, untilMs)
  }

  /** Delivers the next event. False: there is none. */
  step(): boolean {
    const event = this.queue.pop()
    if (event === undefined) return false
    if (event.cancelled) return true
    this.now = event.at
    const { life } = event
    if (life === null) {
      event.run?.()
      return true
    }
    if (life.incarnation !== event.incarnation || life.process === null) return true
    if (life.paused) {
      // The kernel goes on writing; the process only hears of it later.
      if (event.kind === 'synced') life.disk.syncedUpTo(event.position)
      life.held.push(event)
      return true
    }
    try {
      this.deliver(event, life, life.process)
    } catch (error) {
      // What a process asserts about itself does not hold: it dies as a real one would, and is started again.
      if (!(error instanceof Error)) throw error
      life.silenced = true
      life.ending = { reason: `panic: ${error.message}`, restartMs: PANIC_RESTART_MS }
    }
    if (life.ending !== null) this.finish(life)
    return true
  }

  private deliver(event: WorldEvent<Message, Observation>, life: Life<Message, Observation>, process: Process<Message>): void {
    this.eventCount++
    this.running.number(event.at)
    this.running.number(life.index * 8 + event.kind.length)
    switch (event.kind) {
      case 'datagram':
        this.messageCount++
        // What is under way when its link is cut does not arrive either.
        if (event.link?.blocked !== true) process.receive(event.text, event.message as Message)
        break
      case 'timer':
      case 'call':
        event.run?.()
        break
      case 'synced':
        life.disk.syncedUpTo(event.position)
        event.run?.()
        break
      case 'message':
        this.messageCount++
        if (event.end?.open === true) event.end.handler?.message(event.message as Message)
        break
      case 'accept':
        this.accepted(event.end as End<Message, Observation>, process)
        break
      case 'opened':
        if (event.end?.open === true) event.end.handler?.opened?.()
        break
      case 'closed':
        this.closed(event.end as End<Message, Observation>, event.text)
        break
    }
  }

  private finish(life: Life<Message, Observation>): void {
    const ending = life.ending
    if (ending === null) return
    this.end(life, ending.reason)
    const { restartMs } = ending
    if (restartMs !== null) this.at(this.now + restartMs, () => this.restart(life.name))
  }

  /** What its kind needs beside is filled in by the caller. */
  private push(kind: EventKind, at: number, life: Life<Message, Observation> | null): WorldEvent<Message, Observation> {
    const event = new WorldEvent<Message, Observation>(at, this.sequence++, kind, life)
    this.queue.push(event)
    return event
  }

  // Life and death

  start(name: string): void {
    this.begin(this.lifeNamed(name), 'start')
  }

  private begin(life: Life<Message, Observation>, reason: string): void {
    if (life.process !== null || !life.machine.up) return
    life.incarnation++
    life.silenced = false
    life.ending = null
    if (!life.trapStays) life.trap = null
    life.paused = false
    life.held.length = 0
    life.lastSyncMs = this.now
    this.options.lifeChanged(this.now, life.name, life.machine.name, true, reason)
    const process = life.program(this.hostOf(life))
    life.process = process
    this.push('call', this.now, life).run = () => process.start()
  }

  restart(name: string): void {
    this.begin(this.lifeNamed(name), 'restart')
  }

  crash(name: string, reason = 'crash'): void {
    this.end(this.lifeNamed(name), reason)
  }

  private end(life: Life<Message, Observation>, reason: string): void {
    if (life.process === null) return
    life.process = null
    life.incarnation++
    life.ending = null
    life.disk.crash(life.machine.stream, this.options.tornWrites)
    for (const end of this.ends) {
      if (end.life !== life || !end.open) continue
      end.open = false
      this.ends.delete(end)
      if (life.machine.up) end.tellPeer('reset')
      else if (end.other !== null) end.other.breakAt(this.now + KEEPALIVE_MS, 'timed out')
    }
    this.options.lifeChanged(this.now, life.name, life.machine.name, false, reason)
  }

  /** Power loss: peers are told nothing. */
  crashMachine(name: string): void {
    const machine = this.machineNamed(name)
    if (!machine.up) return
    machine.up = false
    for (const life of machine.lives) this.end(life, 'machine crash')
  }

  startMachine(name: string): void {
    const machine = this.machineNamed(name)
    if (machine.up) return
    machine.up = true
    for (const end of this.ends) {
      // Its kernel answers what comes for connections it no longer knows.
      if (end.other?.life.machine === machine && !end.other.open) end.breakAt(this.now + 1, 'reset')
    }
    for (const life of machine.lives) this.begin(life, 'machine start')
  }

  pause(name: string): void {
    const life = this.lifeNamed(name)
    if (life.process !== null) life.paused = true
  }

  resume(name: string): void {
    const life = this.lifeNamed(name)
    if (!life.paused) return
    life.paused = false
    // Each keeps its place: what was held comes before what arrives at this very moment.
    for (const event of life.held) {
      event.at = this.now
      this.queue.push(event)
    }
    life.held.length = 0
  }

  /** Crashes it whenever it says something that counts while a write of its is not durable, until it is disarmed. */
  crashAtUnsynced(name: string, restartMs: number, counts: (message: Message) => boolean): void {
    this.setTrap(name, restartMs, true, (message, unsynced) => unsynced && counts(message))
  }

  /** Crashes it right after it has sent the n-th further message that counts. */
  crashAfterSends(name: string, restartMs: number, times: number, counts: (message: Message) => boolean): void {
    let left = times
    this.setTrap(name, restartMs, false, (message) => {
      if (counts(message)) left--
      return left <= 0
    })
  }

  private setTrap(name: string, restartMs: number, stays: boolean, trap: (message: Message, unsynced: boolean) => boolean): void {
    const life = this.lifeNamed(name)
    life.trap = trap
    life.trapRestartMs = restartMs
    life.trapStays = stays
  }

  disarm(name: string): void {
    const life = this.lifeNamed(name)
    life.trap = null
    life.trapStays = false
  }

  /** Called for each message as it leaves its process. */
  leaving(life: Life<Message, Observation>, message: Message): void {
    if (life.trap === null || !life.trap(message, life.disk.unsynced)) return
    if (!life.trapStays) life.trap = null
    life.silenced = true
    life.ending = { reason: 'crash at a bad moment', restartMs: life.trapRestartMs }
  }

  // The network

  private link(from: Machine<Message, Observation>, to: Machine<Message, Observation>): Link | null {
    if (from === to) return null
    let link = from.links.get(to.name)
    if (link === undefined) {
      link = new Link(this.streams.stream('net', from.name, to.name))
      from.links.set(to.name, link)
    }
    return link
  }

  linkBetween(from: string, to: string): Link {
    const link = this.link(this.machineNamed(from), this.machineNamed(to))
    if (link === null) throw new Error(`${from} has no link to itself`)
    return link
  }

  /** One direction of one pair of machines lets nothing through until it is mended as often as it was cut. */
  cut(from: string, to: string): void {
    const link = this.linkBetween(from, to)
    link.cut()
    this.at(this.now + KEEPALIVE_MS, () => {
      if (link.blocked) this.breakConnections(from, to)
    })
  }

  mend(from: string, to: string): void {
    const link = this.linkBetween(from, to)
    link.mend()
    if (link.blocked) return
    for (const end of this.ends) {
      if (end.life.machine.name === from && end.other?.life.machine.name === to) end.flush()
    }
  }

  private breakConnections(one: string, other: string): void {
    for (const end of this.ends) {
      const own = end.life.machine.name
      const peer = end.other?.life.machine.name
      if (own === one && peer === other) end.breakAt(this.now, 'timed out')
      else if (own === other && peer === one) end.breakAt(this.now + 1, 'timed out')
    }
  }

  unclog(from: string, to: string): void {
    for (const send of this.linkBetween(from, to).unclog()) send()
  }

  /** Undefined: there is no process of that name. */
  private routeTo(life: Life<Message, Observation>, to: string): Route<Message, Observation> | undefined {
    let route = life.routes.get(to)
    const target = route === undefined ? this.lives.get(to) : undefined
    if (target !== undefined) {
      route = { target, link: this.link(life.machine, target.machine) }
      life.routes.set(to, route)
    }
    return route
  }

  private datagram(life: Life<Message, Observation>, to: string, message: Message): void {
    const route = this.routeTo(life, to)
    if (route === undefined || life.silenced) return
    this.leaving(life, message)
    const { link } = route
    if (link === null) {
      this.comeIn(null, this.now, life.name, route.target, message)
      return
    }
    if (link.blocked || link.random.chance(this.weather.lossPerMille)) return
    this.travel(link, life.name, route.target, message)
    if (link.random.chance(this.weather.duplicatePerMille)) this.travel(link, life.name, route.target, message)
  }

  private travel(link: Link, from: string, target: Life<Message, Observation>, message: Message): void {
    if (link.clogged) link.hold(() => this.travel(link, from, target, message))
    else this.comeIn(link, this.now + link.datagramLatency(this.weather), from, target, message)
  }

  private comeIn(link: Link | null, at: number, from: string, target: Life<Message, Observation>, message: Message): void {
    const event = this.push('datagram', at, target)
    event.link = link
    event.text = from
    event.message = message
  }

  // Connections

  /** Something happens at one end of a connection. */
  arrive(at: number, end: End<Message, Observation>, kind: 'message' | 'closed', message: Message | null, text: string): void {
    if (end.life.incarnation !== end.incarnation) return
    const event = this.push(kind, at, end.life)
    event.end = end
    event.message = message
    event.text = text
  }

  forget(end: End<Message, Observation>): void {
    this.ends.delete(end)
  }

  private closed(end: End<Message, Observation>, reason: string): void {
    if (!end.open) return
    end.open = false
    this.ends.delete(end)
    end.handler?.closed(reason)
  }

  private dial(life: Life<Message, Observation>, to: string, handler: ConnectionHandler<Message>): Connection<Message> {
    const target = this.lives.get(to)
    if (target === undefined) throw new Error(`${life.name} dials ${to}, which does not exist`)
    const id = this.connections++
    const outward = this.link(life.machine, target.machine)
    const near = new End(this, id, life, outward)
    near.handler = handler
    this.ends.add(near)
    const back = this.link(target.machine, life.machine)
    if (outward?.blocked === true || back?.blocked === true || outward?.clogged === true || !target.machine.up) {
      near.breakAt(this.now + KEEPALIVE_MS, 'timed out')
      return near
    }
    const latency = outward === null ? 0 : outward.latency(this.weather)
    if (target.process === null) {
      near.breakAt(this.now + latency * 2, 'refused')
      return near
    }
    const far = new End(this, id, target, back)
    near.other = far
    far.other = near
    this.ends.add(far)
    this.push('accept', near.acceptArrival(), target).end = far
    return near
  }

  private accepted(far: End<Message, Observation>, process: Process<Message>): void {
    const near = far.other
    if (near === null || !far.open) return
    far.handler = process.accept(far)
    if (near.open && near.life.incarnation === near.incarnation) {
      this.push('opened', far.acceptArrival(), near.life).end = near
    }
  }

  // Hosts

  private hostOf(life: Life<Message, Observation>): Host<Message, Observation> {
    const { machine } = life
    const { clock } = machine
    const { incarnation } = life
    const alive = (): boolean => life.incarnation === incarnation && !life.silenced
    return {
      name: life.name,
      machine: machine.name,
      now: () => clock.now(this.now),
      elapsed: () => clock.elapsed(this.now),
      random: (stream) => this.streams.stream('process', life.name, String(incarnation), stream),
      after: (ms, run) => {
        const timer = this.push('timer', this.now + clock.worldSpan(Math.max(0, ms)), life)
        timer.run = run
        return timer
      },
      cancel: (timer) => {
        const event = timer as WorldEvent<Message, Observation>
        event.run = null
        this.queue.cancel(event)
      },
      send: (to, message) => this.datagram(life, to, message),
      dial: (to, handler) => this.dial(life, to, handler),
      disk: this.diskOf(life, alive),
      observe: (observation) => {
        if (alive()) this.options.observe(this.now, observation)
      },
      exit: (reason, restartMs) => {
        if (!alive()) return
        life.silenced = true
        life.ending = { reason, restartMs }
      },
    }
  }

  private diskOf(life: Life<Message, Observation>, alive: () => boolean): Disk {
    const { disk, machine } = life
    return {
      append: (file, record) => {
        if (alive()) disk.append(file, record)
      },
      truncate: (file, length) => {
        if (alive()) disk.truncate(file, length)
      },
      sync: (done) => {
        if (!alive()) return
        const takes = Math.max(machine.stream.between(machine.diskSyncMs[0], machine.diskSyncMs[1]), ...machine.stalls)
        life.lastSyncMs = Math.max(life.lastSyncMs, this.now) + takes
        const synced = this.push('synced', life.lastSyncMs, life)
        synced.run = done
        synced.position = disk.position
      },
      list: () => disk.list(),
      read: (file) => disk.read(file),
    }
  }

  // Faults of machines

  /** Replaces the disk of a process by an empty one; a process that runs is stopped first. */
  wipe(process: string): void {
    this.crash(process, 'disk replaced')
    this.lifeNamed(process).disk.wipe()
  }

  jumpClock(machine: string, deltaMs: number): void {
    this.machineNamed(machine).clock.jump(deltaMs)
  }

  /** Every sync takes at least this long until the stall is ended by the function returned. */
  stallDisk(machine: string, syncMs: number): () => void {
    const { stalls } = this.machineNamed(machine)
    stalls.push(syncMs)
    return () => {
      stalls.splice(stalls.indexOf(syncMs), 1)
    }
  }
}
