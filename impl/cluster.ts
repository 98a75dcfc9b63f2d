/**
 * Who runs where: a cluster laid out as kubeadm lays out a stacked control plane, one kubelet, runtime and proxy a node.
 */
import type { ClusterShape, EtcdClientAction, Fault, UserAction, Weather } from '../model/state/plan.ts'
import type { World } from '../sim/world.ts'
import { Apiserver } from './apiserver/server.ts'
import type { Client } from './client/client.ts'
import type { Controller } from './client/api.ts'
import { ControllersProcess, runControllers } from './client/controller.ts'
import { MachineContainers } from './container-runtime/containers.ts'
import { MachineMounts } from './kubelet/mounts.ts'
import { containerRuntime } from './container-runtime/runtime.ts'
import { controllerManager } from './controller-manager/manager.ts'
import { REMOVED } from './etcd/node.ts'
import { etcdMember } from './etcd/server.ts'
import { Workload, workload } from './etcd/workload.ts'
import { kubeProxy } from './kube-proxy/proxy.ts'
import { Kubectl, kubectl } from './kubectl/kubectl.ts'
import { Kubelet, kubelet } from './kubelet/kubelet.ts'
import { scheduler } from './scheduler/scheduler.ts'
import { StorageBackEnd } from './storage-back-end.ts'
import type { ClusterHost, ClusterProcess, Message, Program, Sighting } from './wire.ts'

export type ClusterWorld = World<Message, Sighting>

const WORKSTATION = 'workstation'
const USER = 'user-0'
const ZONE = 'zone:'

const numbered = (prefix: string, count: number): readonly string[] => Array.from({ length: count }, (_, index) => `${prefix}-${index}`)
/** Its own machine's first, then the others. */
const startingAt = <T>(items: readonly T[], index: number): readonly T[] => {
  const place = index % Math.max(1, items.length)
  return [...items.slice(place), ...items.slice(0, place)]
}

/** A controller of the user's own: its processes and their Lease are named after it. */
export interface Operator {
  readonly name: string
  /** Anew for each of its processes. */
  controllers(process: string): readonly Controller[]
}

export class Cluster {
  readonly members: readonly string[]
  /** Processes of etcd that wait to be added as members. */
  readonly spares: readonly string[]
  private readonly spareMachines: readonly string[]
  /** Members that were removed and were given empty disks. */
  private readonly wiped = new Set<string>()
  /** Members that have run, in whichever process. */
  private readonly begun = new Set<string>()
  readonly apiservers: readonly string[]
  /** Processes of the user's own controller. */
  readonly operators: readonly string[]
  readonly machinesOfControlPlane: readonly string[]
  private readonly world: ClusterWorld
  private readonly shape: ClusterShape
  private readonly weather: Weather
  /** The running incarnation of each process. */
  private readonly live = new Map<string, ClusterProcess>()
  private readonly containers = new Map<string, MachineContainers>()
  private readonly mounts = new Map<string, MachineMounts>()
  private readonly storage: StorageBackEnd
  private readonly boots = new Map<string, number>()
  /** What the pods of a workload have to do, in thousandths of a core; null: nobody measures it. */
  private readonly loads = new Map<string, number | null>()
  /** Process → the apiserver that it begins its next life with. */
  private readonly steered = new Map<string, string>()
  /** Who leads, as far as anybody has said: role → process. */
  private readonly leaders = new Map<string, string>()

  constructor(world: ClusterWorld, shape: ClusterShape, weather: Weather, operator: Operator | null = null) {
    this.world = world
    this.shape = shape
    this.weather = weather
    this.storage = new StorageBackEnd(world)
    this.members = numbered('etcd', shape.members)
    const processes = numbered('etcd', shape.members + (shape.spareMembers ?? 0))
    this.spares = processes.slice(shape.members)
    this.spareMachines = this.spares.map((_, index) => `spare-${index}`)
    this.apiservers = numbered('kube-apiserver', shape.apiservers)
    const planes = Math.max(shape.members, shape.apiservers, shape.controllerManagers, shape.schedulers)
    this.machinesOfControlPlane = numbered('control-plane', planes)
    this.operators = operator === null ? [] : numbered(operator.name, shape.operators ?? 0)
    this.layOutControlPlane()
    if (operator !== null) this.layOutOperators(operator)
    this.layOutNodes()
    if (shape.apiservers > 0) {
      this.machine(WORKSTATION)
      this.process(USER, WORKSTATION, kubectl({ endpoints: this.apiservers }))
    }
    for (const [index, name] of numbered('etcd-client', shape.etcdClients).entries()) {
      this.machine(`client-${index}`)
      this.process(name, `client-${index}`, workload({ members: startingAt(this.members, index) }))
    }
  }

  private layOutControlPlane(): void {
    const { shape, members, apiservers } = this
    const { timings } = shape
    for (const [index, machine] of this.spareMachines.entries()) {
      this.machine(machine)
      this.etcd(`etcd-${shape.members + index}`, machine)
    }
    for (const [index, machine] of this.machinesOfControlPlane.entries()) {
      this.machine(machine)
      if (index < shape.members) this.etcd(`etcd-${index}`, machine)
      if (index < shape.apiservers)
        this.process(`kube-apiserver-${index}`, machine, (host) => new Apiserver(host, { etcd: startingAt(members, index), timings }))
      const endpoints = apiservers
      if (index < shape.controllerManagers)
        this.process(
          `kube-controller-manager-${index}`,
          machine,
          controllerManager({ endpoints, timings, usage: (uid) => this.usage(uid), storage: this.storage }),
        )
      if (index < shape.schedulers)
        this.process(
          `kube-scheduler-${index}`,
          machine,
          scheduler({ endpoints, timings, configuration: shape.schedulerConfiguration ?? {} }),
        )
    }
  }

  /** As pods would, they run on machines of the control plane, each elected among its peers. */
  private layOutOperators(operator: Operator): void {
    const { apiservers: endpoints, shape, machinesOfControlPlane: machines } = this
    for (const [index, process] of this.operators.entries()) {
      this.process(process, machines[index % machines.length] as string, (host) => {
        const options = { endpoints, timings: shape.timings, lease: operator.name, controllers: operator.controllers(process) }
        return runControllers(host, options)
      })
    }
  }

  private etcd(name: string, machine: string): void {
    const { members, spares } = this
    const joins = (): boolean => spares.includes(name) || this.wiped.has(name)
    const isNew = (member: string): boolean => !this.begun.has(member)
    const { timings } = this.shape
    this.process(name, machine, etcdMember({ members, peers: [...members, ...spares], joins, isNew, timings }))
  }

  private layOutNodes(): void {
    const { shape, apiservers } = this
    for (const [index, node] of shape.nodes.entries()) {
      const { name } = node
      const containers = new MachineContainers()
      this.containers.set(name, containers)
      const mounts = new MachineMounts()
      this.mounts.set(name, mounts)
      this.machine(name)
      this.process(`container-runtime-${name}`, name, containerRuntime({ node: name, subnet: `10.244.${index}`, machine: containers }))
      const bootId = (): string => `boot-${name}-${this.boots.get(name) ?? 0}`
      const options = {
        endpoints: apiservers,
        shape: node,
        timings: shape.timings,
        hostIP: `192.168.1.${10 + index}`,
        bootId,
        mounts,
        programs: shape.programs ?? {},
      }
      this.process(`kubelet-${name}`, name, kubelet(options))
      const answers = (address: string): boolean => this.answers(address)
      this.process(`kube-proxy-${name}`, name, kubeProxy({ endpoints: apiservers, node: name, answers }))
    }
  }

  private machine(name: string): void {
    const { clockOffsetMs, clockDriftPpm, diskSyncMs } = this.weather
    const random = this.world.random('clock', name)
    const offsetMs = random.between(-clockOffsetMs, clockOffsetMs)
    this.world.addMachine(name, { offsetMs, driftPpm: random.between(-clockDriftPpm, clockDriftPpm), diskSyncMs })
  }

  private process(name: string, machine: string, program: Program): void {
    this.world.addProcess(name, machine, (host: ClusterHost) => {
      const process = program(host)
      const apiserver = this.steered.get(name)
      if (apiserver !== undefined) clientOf(process)?.prefer(apiserver)
      this.live.set(name, process)
      return process
    })
  }

  start(): void {
    for (const machine of this.world.machineNames) {
      for (const process of this.world.processesOf(machine)) this.world.start(process)
    }
  }

  // What the world needs to know of it

  private answers(address: string): boolean {
    for (const machine of this.containers.values()) {
      const sandbox = [...machine.sandboxes.values()].find((one) => one.ip === address && one.state === 'READY')
      if (sandbox === undefined) continue
      return [...machine.containers.values()].some((container) => container.sandbox === sandbox.sandbox && container.state === 'RUNNING')
    }
    return false
  }

  /** What a pod uses of the CPU: its even share of the load, from when it runs. Null: there is no sample of it. */
  private usage(uid: string): number | null {
    const running = [...this.containers.values()].flatMap((machine) => {
      const runs = new Set([...machine.containers.values()].filter((one) => one.state === 'RUNNING').map((one) => one.sandbox))
      return [...machine.sandboxes.values()].filter((one) => runs.has(one.sandbox))
    })
    const own = running.find((one) => one.pod === uid)
    if (own === undefined) return null
    const ownName = `${own.namespace}/${own.name}`
    for (const [name, load] of this.loads) {
      if (!ownName.startsWith(`${name}-`)) continue
      const sharing = running.filter((one) => `${one.namespace}/${one.name}`.startsWith(`${name}-`)).length
      return load === null ? null : Math.floor(load / sharing)
    }
    return 0
  }

  /** Power loss on a node: its containers are gone. Returns what ran. */
  powerLost(machine: string): readonly { readonly id: string; readonly pod: string; readonly container: string }[] {
    this.boots.set(machine, (this.boots.get(machine) ?? 0) + 1)
    this.mounts.get(machine)?.wipe()
    return this.containers.get(machine)?.wipe() ?? []
  }

  /** The process that an etcd member runs in, whichever of those that ran there it is. */
  processOf(member: string): string {
    return member.split('.')[0] ?? member
  }

  /** Notes who leads, to find the target of a fault by its role; and does what an operator does with a member that was removed. */
  heed(sighting: Sighting): void {
    if (sighting.kind === 'Elected') this.leaders.set('etcd', this.processOf(sighting.member))
    else if (sighting.kind === 'Restored') this.begun.add(sighting.member)
    else if (sighting.kind === 'ProcessEnded' && sighting.reason === REMOVED) this.replaceDisk(sighting.process)
    else if (sighting.kind === 'Leading') this.leaders.set(sighting.lease, sighting.process)
  }

  /** It can only join again, as a member that nobody has known. */
  private replaceDisk(process: string): void {
    this.wiped.add(process)
    this.world.wipe(process)
  }

  /** The process a target means now; null: nobody has that role, or the shape has no such process. */
  processFor(target: string): string | null {
    const [role = '', which] = target.split(':')
    if (which === undefined) {
      if (this.world.hasProcess(target)) return target
      return null
    }
    const leader = this.leaders.get(role)
    if (which === 'leader') return leader ?? null
    return this.members.find((member) => member !== leader) ?? null
  }

  /** The machines a target means now: one, or those of all nodes in a zone. */
  machinesFor(target: string): readonly string[] {
    if (this.world.hasMachine(target)) return [target]
    const zone = target.startsWith(ZONE) ? target.slice(ZONE.length) : null
    if (zone !== null) return this.shape.nodes.filter((node) => node.zone === zone).map((node) => node.name)
    const process = this.processFor(target)
    return process === null ? [] : [this.world.machineOf(process)]
  }

  // Doing things to it

  /** Null: done. Otherwise why there was nothing to do it to. */
  act(action: UserAction): string | null {
    switch (action.kind) {
      case 'Etcd':
        return this.askEtcd(action.client, action.request)
      case 'Connect':
        this.tell(`kube-proxy-${action.node}`, { kind: 'ConnectAll' })
        return null
      case 'SetLoad':
        this.loads.set(action.workload, action.milliCpu)
        return null
      case 'ExitContainer':
        return this.toProgram(action.nth, { kind: 'ProgramEnds', nth: action.nth, exitCode: action.exitCode })
      case 'HangContainer':
        return this.toProgram(action.nth, { kind: 'ProgramHangs', nth: action.nth, forMs: action.forMs })
      default: {
        const user = this.live.get(USER)
        if (user instanceof Kubectl) user.act(action)
        return user instanceof Kubectl ? null : 'this cluster has no API'
      }
    }
  }

  private askEtcd(client: number | 'each', request: EtcdClientAction): string | null {
    const { etcdClients } = this.shape
    if (client === 'each') {
      const reasons = numbered('', etcdClients).map((_, index) => this.askEtcd(index, request))
      return reasons.find((reason) => reason !== null) ?? null
    }
    const process = this.live.get(`etcd-client-${client % Math.max(1, etcdClients)}`)
    if (!(process instanceof Workload)) return 'this cluster has no etcd clients'
    process.act(request)
    return null
  }

  /** Each client of etcd does this before what else it was asked to do. */
  readAtOnce(request: EtcdClientAction): void {
    for (const process of this.live.values()) if (process instanceof Workload) process.act(request, true)
  }

  /** The storm is over: operators rest. */
  settle(): void {
    for (const process of this.live.values()) if (process instanceof Workload) process.settle()
  }

  private toProgram(nth: number, message: Message): string | null {
    const nodes = [...this.containers].filter(([, machine]) => [...machine.containers.values()].some((one) => one.state === 'RUNNING'))
    const chosen = nodes[nth % Math.max(1, nodes.length)]
    if (chosen === undefined) return 'nothing runs'
    this.tell(`container-runtime-${chosen[0]}`, message)
    return null
  }

  private tell(process: string, message: Message): void {
    if (this.world.isUp(process) && !this.world.isPaused(process)) this.live.get(process)?.receive('environment', message)
  }

  /** Faults that are of the processes' own making. Returns what ends it, or null when there is no such process. */
  strike(fault: Fault & { kind: 'FreezeCache' | 'BreakConnections' | 'ExpireWatches' }): (() => void) | null {
    const name = this.processFor(fault.target)
    const process = name === null || !this.world.isUp(name) ? undefined : this.live.get(name)
    if (fault.kind === 'FreezeCache') {
      if (!(process instanceof Apiserver)) return null
      process.freezeCaches(true, fault.resource ?? undefined)
      return () => {
        if (this.live.get(name as string) === process) process.freezeCaches(false, fault.resource ?? undefined)
      }
    }
    const client = clientOf(process)
    if (client === null) return null
    if (fault.kind === 'BreakConnections') client.breakConnection()
    else client.expireWatches(fault.forMs, fault.resource ?? null)
    return () => {}
  }

  /** An apiserver that the process does not use now. */
  unusedApiserver(process: string): string | null {
    const used = clientOf(this.live.get(process))?.endpoint
    return used === undefined ? null : (this.apiservers.find((name) => name !== used && this.world.isUp(name)) ?? null)
  }

  /** From now on the process begins each life with that apiserver; null: with any. */
  steer(process: string, apiserver: string | null): void {
    if (apiserver === null) this.steered.delete(process)
    else this.steered.set(process, apiserver)
  }
}

const clientOf = (process: ClusterProcess | undefined): Client | null =>
  process instanceof ControllersProcess || process instanceof Kubelet || process instanceof Kubectl ? process.client : null
