/**
 * The reference implementation in the simulated world, as a subject: a plan in, a history out, always the same.
 *
 * A run ends when the cluster has converged and stayed quiet for as long as the plan asks, or when its time is up.
 */
import { Cluster, type Operator } from '../../impl/cluster.ts'
import type { Message, Sighting } from '../../impl/wire.ts'
import { endingOf } from '../../model/ending.ts'
import { Fold } from '../../model/fold.ts'
import type { Pending } from '../../model/invariant.ts'
import { isOpen, pending } from '../../model/pending.ts'
import type { ApiCall, Observation } from '../../model/state/history.ts'
import type { EtcdRequest } from '../../model/state/keyspace.ts'
import type { Action, EtcdClientAction, Fault, Plan } from '../../model/state/plan.ts'
import { podRecurs } from '../../model/components/cronjob.ts'
import { isHeartbeat, writesMost } from '../../model/quiet.ts'
import type { Cluster as State } from '../../model/state/cluster.ts'
import { prefixOf } from '../../model/state/resources.ts'
import { FaultDriver, type FaultReport, type Group, type WorldFault } from '../../sim/faults.ts'
import { World } from '../../sim/world.ts'
import { CALM_WEATHER, isFault } from '../generators/plan.ts'
import { pendingOf } from '../plugin/claims.ts'
import { Activity, guarded } from '../plugin/guard.ts'
import type { LoadedPlugin } from '../plugin/load.ts'
import { ends, HANG_MS } from '../plugin/watchdog.ts'
import { Recorder } from './recorder.ts'
import type { Run, Subject } from './subject.ts'

/** Faults that are of the processes' own making, or take more than one step. */
type OfProcesses = 'FreezeCache' | 'BreakConnections' | 'ExpireWatches' | 'TimeTravel' | 'DeposeElected' | 'Outage'

/** What no request to the API tells of. */
const THROUGH: ReadonlySet<Action['kind']> = new Set<Action['kind']>(['Connect', 'SetLoad', 'ExitContainer', 'HangContainer'])
/** How often the calm phase looks whether anything still waits. */
const LOOK_MS = 1_000
const READ_ALL: EtcdClientAction = { kind: 'Range', key: '\0', rangeEnd: '\0' }

export const simulated = (own: LoadedPlugin | null = null, hangMs: number = HANG_MS): Subject => ({
  name: 'the reference implementation, simulated',
  run: (plan) => new Simulation(plan, own, hangMs).run(),
})

/** A user's own controller gave up: nothing that follows would say more. */
class Stopped extends Error {}

class Simulation {
  private readonly plan: Plan
  private readonly own: LoadedPlugin | null
  private readonly hangMs: number
  private readonly activity = new Activity()
  private readonly recorder = new Recorder()
  private readonly fold = new Fold()
  private readonly world: World<Message, Sighting>
  private readonly cluster: Cluster
  private readonly faults: FaultDriver<Message, Sighting>
  /** There are CronJobs, or were: only then does it have to be found out whose each container is. */
  private recurring = false
  /** When something other than a heartbeat was last written. */
  private lastWriteMs = 0
  /** Since the calm began. */
  private writes = 0
  private convergedMs: number | null = null
  private failed: { readonly error: unknown } | null = null
  private readonly strikes = new Set<() => void>()
  /** Whom a fault waits for: told of each election among the etcd members. */
  private readonly electionWatchers = new Set<(member: string) => void>()
  /** Told of each entry that a member comes to know committed. */
  private readonly commitWatchers = new Set<(member: string) => void>()
  /** Told of each process that asks the API to change more than a status or its lease. */
  private readonly writeWatchers = new Set<(process: string) => void>()

  constructor(plan: Plan, own: LoadedPlugin | null, hangMs: number) {
    this.plan = plan
    this.own = own
    this.hangMs = hangMs
    const { weather } = plan
    this.world = new World<Message, Sighting>({
      seed: plan.seed,
      network: weather,
      tornWrites: weather.tornWrites,
      observe: (atMs, sighting) => this.see(atMs, sighting),
      lifeChanged: (atMs, process, machine, started, reason) =>
        this.see(atMs, { kind: started ? 'ProcessStarted' : 'ProcessEnded', process, machine, reason }),
    })
    const operator: Operator | null =
      own === null ? null : { name: own.plugin.name, controllers: (process) => guarded(process, own.plugin.controllers, this.activity) }
    this.cluster = new Cluster(this.world, plan.cluster, weather, operator)
    this.faults = new FaultDriver(this.world, this.budget(), isWrite, isSaying)
  }

  run(): Run {
    const { plan, world } = this
    if (this.own === null) this.phases()
    else if (!ends(() => this.phases(), this.hangMs)) this.hung()
    if (this.failed !== null) throw this.failed.error
    return {
      history: this.recorder.history,
      hash: this.recorder.hash,
      simulatedMs: world.now,
      events: world.eventCount,
      convergedAfterMs: this.convergedMs === null ? null : this.convergedMs - plan.stormMs,
      pending: this.asksConvergence ? this.waiting() : [],
    }
  }

  private phases(): void {
    try {
      this.stormAndCalm()
    } catch (error) {
      if (!(error instanceof Stopped)) throw error
    }
  }

  /** It was in the middle of something that has no end. */
  private hung(): void {
    const { current } = this.activity
    if (current === null) throw new Error(`a run did not come to its end within ${this.hangMs} ms`)
    const machine = this.world.machineOf(current.process)
    const reason = `hang: ${current.doing}: it did not come to its end`
    this.see(this.world.now, { kind: 'ProcessEnded', process: current.process, machine, reason })
  }

  private stormAndCalm(): void {
    const { plan, world } = this
    this.see(0, { kind: 'PhaseBegan', phase: 'storm' })
    this.cluster.start()
    for (const { atMs, do: action, atRest } of plan.actions)
      if (atRest !== true) world.at(Math.min(atMs, plan.stormMs), () => this.act(action))
    world.runUntil(plan.stormMs)
    this.calm()
    this.compare()
    this.rest()
    this.see(world.now, { kind: 'PhaseBegan', phase: 'end' })
  }

  /** With the same users on a calm day, if both come to rest with nothing that waits. */
  private compare(): void {
    const { plan } = this
    if (plan.compared !== true || !this.isLevel) return
    const actions = plan.actions.filter(({ do: action, atRest }) => !isFault(action) && atRest !== true)
    const { compared: _compared, ...rest } = plan
    const calmDay = new Simulation({ ...rest, actions, weather: CALM_WEATHER }, this.own, this.hangMs)
    calmDay.run()
    if (calmDay.isLevel) this.see(this.world.now, { kind: 'Compared', ...endingOf(calmDay.fold.context) })
  }

  private get isLevel(): boolean {
    return this.isQuiet && this.waiting().length === 0
  }

  /** What is done to a cluster that has come to rest, and another calm. */
  private rest(): void {
    const { plan, world } = this
    const actions = plan.actions.filter(({ atRest }) => atRest === true)
    const levelMs = this.convergedMs
    if (actions.length === 0 || levelMs === null || !this.isQuiet) return
    this.see(world.now, { kind: 'PhaseBegan', phase: 'rest' })
    const beganMs = world.now
    for (const { atMs, do: action } of actions) world.at(beganMs + atMs, () => this.act(action))
    world.runUntil(beganMs + Math.max(...actions.map((entry) => entry.atMs + lastsMs(entry.do))))
    this.lastWriteMs = world.now
    this.calm()
    if (this.convergedMs !== null) this.convergedMs = levelMs
  }

  private get asksConvergence(): boolean {
    return this.plan.cluster.apiservers > 0
  }

  private waiting(): readonly Pending[] {
    const { cluster } = this.fold.context
    const others = pending(cluster)
    return this.own === null ? others : [...pendingOf(this.own, cluster, others), ...others]
  }

  private get isQuiet(): boolean {
    return this.world.now - Math.max(this.lastWriteMs, this.convergedMs ?? Infinity) >= this.plan.quietMs
  }

  private isOpen(): boolean {
    return this.own === null ? isOpen(this.fold.context.cluster) : this.waiting().some((one) => !one.blocked)
  }

  /** Faults are healed, users rest. */
  private calm(): void {
    const { plan, world } = this
    for (const end of [...this.strikes]) end()
    this.faults.healAll()
    this.cluster.settle()
    this.see(world.now, { kind: 'PhaseBegan', phase: 'calm' })
    const endMs = world.now + plan.calmMs
    if (!this.asksConvergence) {
      for (const ms of PROBES_MS) world.at(plan.stormMs + ms, () => this.probe())
      world.runUntil(Math.min(endMs, plan.stormMs + CALM_WITHOUT_API_MS))
      return
    }
    this.writes = 0
    const most = writesMost(this.fold.context.cluster.store.size)
    let lookedAtMs = -1
    while (world.now < endMs && this.writes <= most) {
      world.runUntil(Math.min(endMs, world.now + LOOK_MS))
      if (this.lastWriteMs > lookedAtMs) {
        lookedAtMs = world.now
        if (this.isOpen()) this.convergedMs = null
        else this.convergedMs ??= world.now
      }
      if (this.isQuiet) return
    }
  }

  /** Whether the store still does what it is asked, and remembers all. */
  private probe(): void {
    const asked: readonly EtcdClientAction[] = [READ_ALL, { kind: 'Put', key: 'probe', value: 'calm' }, { kind: 'HashKv', back: 0 }]
    for (const request of asked) this.cluster.act({ kind: 'Etcd', client: 'each', request })
  }

  /** What goes wrong here is the harness's own fault, whoever made the sighting: it is not to pass for a panic of that process. */
  private see(atMs: number, sighting: Sighting): void {
    try {
      this.take(atMs, sighting)
    } catch (error) {
      if (!(error instanceof Stopped)) this.failed ??= { error }
      throw error
    }
  }

  private take(atMs: number, sighting: Sighting): void {
    this.cluster?.heed(sighting)
    const seen = this.recorder.record(atMs, sighting)
    if (seen === null) return
    this.fold.observe(seen)
    this.recurring ||= seen.kind === 'Commit' && seen.key.startsWith(CRON_JOBS)
    if (changesState(seen, this.fold.context.cluster, this.recurring)) {
      this.lastWriteMs = atMs
      if (seen.kind === 'Commit') this.writes++
    }
    if (sighting.kind === 'Elected') for (const watcher of this.electionWatchers) watcher(this.cluster.processOf(sighting.member))
    if (sighting.kind === 'Committed') for (const watcher of this.commitWatchers) watcher(this.cluster.processOf(sighting.member))
    if (sighting.kind === 'Invoke' && isChange(sighting.request)) for (const watcher of this.writeWatchers) watcher(sighting.process)
    if (sighting.kind !== 'ProcessEnded') return
    if (sighting.reason.startsWith('panic') && this.cluster.operators.includes(sighting.process)) throw new Stopped()
    if (sighting.reason === 'machine crash') this.powerLost(atMs, sighting.machine)
  }

  private powerLost(atMs: number, machine: string): void {
    for (const { id, pod, container } of this.cluster.powerLost(machine)) {
      this.see(atMs, { kind: 'ContainerExited', node: machine, pod, container, id, exitCode: 137, by: 'crash' })
    }
  }

  // Actions

  private act(action: Action): void {
    if (isFault(action)) {
      this.strike(action)
      return
    }
    const problem = this.cluster.act(action)
    if (action.kind === 'SetLoad') {
      const { workload, milliCpu } = action
      this.see(this.world.now, { kind: 'LoadSet', workload, milliCpu })
    }
    if (problem !== null || THROUGH.has(action.kind))
      this.see(this.world.now, { kind: 'UserActed', action: action.kind, detail: problem ?? '' })
  }

  private strike(fault: Fault): void {
    const report = (outcome: 'begun' | 'ended' | 'skipped', detail: string): void =>
      this.see(this.world.now, { kind: 'FaultChanged', fault, outcome, detail })
    if (fault.kind === 'Outage') {
      for (const one of this.outage(fault)) this.faults.apply(one, (outcome, detail) => report(outcome, detail || targetOf(one)))
      return
    }
    if (fault.kind === 'DeposeElected') {
      this.until(fault.forMs, this.depose(fault, report))
      return
    }
    if (fault.kind === 'TimeTravel') {
      this.travel(fault, report)
      return
    }
    if (fault.kind === 'BreakConnections' && fault.afterWrites !== undefined) {
      this.until(TRAP_MS, this.breakAfterWrites(fault, fault.afterWrites, report))
      return
    }
    if (fault.kind === 'FreezeCache' || fault.kind === 'BreakConnections' || fault.kind === 'ExpireWatches') {
      const end = this.cluster.strike(fault)
      if (end === null) {
        report('skipped', `no ${fault.target} now`)
        return
      }
      report('begun', '')
      this.until(fault.kind === 'BreakConnections' ? 0 : fault.forMs, () => {
        end()
        report('ended', '')
      })
      return
    }
    const resolved = this.resolve(fault)
    if (resolved.length === 0) report('skipped', 'no such process or machine now')
    for (const one of resolved) this.faults.apply(one, (outcome, detail) => report(outcome, detail || targetOf(one)))
  }

  /** The request is on its way, or there, or answered, and the answer is not. */
  private breakAfterWrites(fault: Fault & { kind: 'BreakConnections' }, writes: number, report: FaultReport): () => void {
    const { world, cluster } = this
    const target = cluster.processFor(fault.target)
    const [, most] = this.plan.weather.latencyMs
    let left = writes
    let over = false
    const written = (process: string): void => {
      if (process !== target || --left !== 0) return
      world.at(world.now + world.random('break').between(0, BREAK_TRIPS * most), () => {
        if (over) return
        const end = cluster.strike({ kind: 'BreakConnections', target: process })
        report(end === null ? 'skipped' : 'begun', process)
        if (end !== null) report('ended', '')
      })
    }
    this.writeWatchers.add(written)
    return () => {
      over = true
      this.writeWatchers.delete(written)
    }
  }

  /** Calls `end` after that time, or when the storm ends if that comes first. */
  private until(forMs: number, end: () => void): void {
    const finish = (): void => {
      if (this.strikes.delete(finish)) end()
    }
    this.strikes.add(finish)
    this.world.at(this.world.now + forMs, finish)
  }

  private travel({ target, resource = null, afterMs, restartMs, forMs }: Fault & { kind: 'TimeTravel' }, report: FaultReport): void {
    const { cluster } = this
    const process = cluster.processFor(target)
    const apiserver = process === null ? null : cluster.unusedApiserver(process)
    const thaw = apiserver === null ? null : cluster.strike({ kind: 'FreezeCache', target: apiserver, resource, forMs })
    if (process === null || thaw === null) {
      report('skipped', `no ${target} now, or no other apiserver`)
      return
    }
    report('begun', `${process}, ${apiserver}`)
    let over = false
    this.until(forMs, () => {
      over = true
      cluster.steer(process, null)
      thaw()
      report('ended', `${process}, ${apiserver}`)
    })
    this.world.at(this.world.now + afterMs, () => {
      if (over) return
      cluster.steer(process, apiserver)
      this.strike({ kind: 'CrashProcess', target: process, restartMs })
    })
  }

  /** Each one it cuts off is a fault begun; the next one elected ends it. */
  private depose(fault: Fault & { kind: 'DeposeElected' }, report: FaultReport): () => void {
    const { world } = this
    let over = false
    let mend: (() => void) | null = null
    const cut = (member: string): void => {
      if (over) return
      mend?.()
      mend = this.faults.apply(
        { kind: 'Partition', side: [world.machineOf(member)], direction: 'both', forMs: fault.forMs, ...this.among(fault) },
        (outcome, detail) => report(outcome, detail || member),
      )
    }
    const random = world.random('depose')
    const trips = fault.afterTripsMost
    let leader: string | null = null
    let commitsLeft = 0
    const elected = (member: string): void => {
      leader = member
      commitsLeft = random.between(1, 1 + trips)
      if (fault.asked === true) world.at(world.now, () => this.cluster.readAtOnce(READ_ALL))
      if (fault.atCommit === true) return
      // Half of them at once: their first entry reaches nobody.
      const most = trips * this.plan.weather.latencyMs[1]
      world.at(world.now + Math.max(0, random.between(-most, most)), () => cut(member))
    }
    const committed = (member: string): void => {
      if (member !== leader || fault.atCommit !== true) return
      commitsLeft--
      if (commitsLeft === 0) cut(member)
    }
    this.electionWatchers.add(elected)
    this.commitWatchers.add(committed)
    const now = this.cluster.processFor('etcd:leader')
    if (now !== null) elected(now)
    return () => {
      over = true
      this.electionWatchers.delete(elected)
      this.commitWatchers.delete(committed)
      mend?.()
    }
  }

  /** Where clients stay connected only the members' machines are cut from each other. */
  private among(fault: Fault): { readonly among?: readonly string[] } {
    const { cluster, world } = this
    return 'clientsStay' in fault && fault.clientsStay
      ? { among: [...cluster.members, ...cluster.spares].map((member) => world.machineOf(member)) }
      : {}
  }

  private outage({ of, forMs: restartMs }: Fault & { kind: 'Outage' }): readonly WorldFault[] {
    const { world, cluster } = this
    if (of === 'control plane')
      return cluster.machinesOfControlPlane.map((target) => ({ kind: 'CrashMachine', target, restartMs, beyondBudget: true }))
    const processes = world.machineNames.flatMap((machine) => world.processesOf(machine))
    return processes
      .filter((process) => OF_KUBERNETES.test(process))
      .map((target) => ({ kind: 'CrashProcess', target, restartMs, beyondBudget: true }))
  }

  /** One for each that is meant by it now. */
  private resolve(fault: Exclude<Fault, { kind: OfProcesses }>): readonly WorldFault[] {
    if (fault.kind === 'Partition') {
      const side = [...new Set(fault.side.flatMap((target) => this.cluster.machinesFor(target)))]
      return side.length === 0 ? [] : [{ ...fault, side, ...this.among(fault) }]
    }
    const ofProcess =
      fault.kind === 'CrashProcess' ||
      fault.kind === 'PauseProcess' ||
      fault.kind === 'CrashUnsynced' ||
      fault.kind === 'CrashBetweenWrites'
    const process = ofProcess ? this.cluster.processFor(fault.target) : null
    const targets = ofProcess ? (process === null ? [] : [process]) : this.cluster.machinesFor(fault.target)
    return targets.map((target) => ({ ...fault, target, ...this.among(fault) }))
  }

  /** What the protocols promise to survive. */
  private budget(): readonly Group[] {
    const { members, apiservers } = this.cluster
    // A single member that comes back with its disk has lost nothing: it may be out, only never all of several.
    const any = members.length === 1 || this.plan.weather.membersOut === 'any'
    const membersOut = any ? members.length : Math.floor((members.length - 1) / 2)
    return [
      { name: 'etcd members', processes: members, outMost: membersOut },
      ...(apiservers.length > 1 ? [{ name: 'apiservers', processes: apiservers, outMost: apiservers.length - 1 }] : []),
    ]
  }
}

/** Whatever keeps no truth of its own. */
const OF_KUBERNETES = /^kube(let|-)/

/** Until when something is heard of what was done: of a fault until it is healed. */
const lastsMs = (action: Action): number => {
  if ('forMs' in action) return action.forMs
  return 'restartMs' in action ? (action.restartMs ?? 0) : 0
}

/** After the storm the clients of a bare store finish what they began. */
const CALM_WITHOUT_API_MS = 30_000
/** When they are asked once more: after elections have had their time, and before the end by more than an answer may take. */
const PROBES_MS = [16_000, 19_000]

/** How long a trap waits, and within how many message times after the write it strikes. */
const TRAP_MS = 60_000
const BREAK_TRIPS = 4

/** Of what it asks for, what it does: not what it says, nor that it is there. */
const isChange = (request: EtcdRequest | ApiCall): boolean =>
  request.kind === 'Api' &&
  request.verb !== 'get' &&
  request.verb !== 'list' &&
  request.subresource !== 'status' &&
  request.resource !== 'leases'

const targetOf = (fault: WorldFault): string => (fault.kind === 'Partition' ? fault.side.join(', ') : fault.target)

/** That it is there a member of etcd says from the moment it starts, whatever its disk is at. */
const isSaying = (message: Message): boolean => message.kind !== 'Peer'

/** Requests that may change something: what a crash between two writes counts. */
const isWrite = (message: Message): boolean =>
  message.kind === 'ApiRequest' && message.request.verb !== 'get' && message.request.verb !== 'list'

const CRON_JOBS = prefixOf('cronjobs')

/** `recurring`: there are CronJobs, or were. */
const changesState = (seen: Observation, cluster: State, recurring: boolean): boolean => {
  switch (seen.kind) {
    case 'Commit':
      return !isHeartbeat(seen, cluster)
    case 'RulesSwapped':
      return true
    case 'ContainerStarted':
    case 'ContainerExited':
      return !recurring || !podRecurs(cluster, seen.pod)
    default:
      return false
  }
}
