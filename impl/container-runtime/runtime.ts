/**
 * The container runtime of a node: sandboxes with an address, containers in them, signals and exits.
 *
 * Source: CRI v1 (k8s.io/cri-api); the states and their order are those of the OCI runtime specification.
 */
import type { Connection, ConnectionHandler } from '../../sim/host.ts'
import type { ClusterHost, ClusterProcess, Message } from '../wire.ts'
import type { ContainerState, CriMessage, CriReply, CriRequest } from './api.ts'
import type { MachineContainers, RunningProgram } from './containers.ts'

export interface RuntimeOptions {
  readonly node: string
  /** Its pods' addresses begin with it: '10.244.3'. */
  readonly subnet: string
  readonly machine: MachineContainers
}

const KILLED = 137
const TERMINATED = 143

export const containerRuntime =
  (options: RuntimeOptions) =>
  (host: ClusterHost): ContainerRuntime =>
    new ContainerRuntime(host, options)

export class ContainerRuntime implements ClusterProcess {
  private readonly host: ClusterHost
  private readonly options: RuntimeOptions
  private readonly clients = new Set<Connection<Message>>()

  constructor(host: ClusterHost, options: RuntimeOptions) {
    this.host = host
    this.options = options
  }

  /** The containers went on without it: what was to happen to them still does. */
  start(): void {
    for (const [id, program] of this.options.machine.programs) {
      if (program.exitsAtMs !== null) this.exitAt(id, program.exitsAtMs, program.program.exitCode ?? 0)
      if (program.stopping !== null) this.exitAt(id, program.stopping.atMs, program.stopping.killed ? KILLED : TERMINATED)
    }
  }

  /** From the environment: the n-th running program ends by itself, or hangs. */
  receive(_from: string, message: Message): void {
    const asked = message as CriMessage
    if (asked.kind !== 'ProgramEnds' && asked.kind !== 'ProgramHangs') return
    const { machine } = this.options
    const running = [...machine.containers.values()].filter((container) => container.state === 'RUNNING')
    const chosen = running[asked.nth % Math.max(1, running.length)]
    if (chosen === undefined) return
    if (asked.kind === 'ProgramEnds') this.exited(chosen.id, asked.exitCode, 'itself')
    else (machine.programs.get(chosen.id) as RunningProgram).hangsUntilMs = this.host.elapsed() + asked.forMs
  }

  accept(connection: Connection<Message>): ConnectionHandler<Message> {
    this.clients.add(connection)
    return {
      message: (message) => {
        const asked = message as CriMessage
        if (asked.kind !== 'CriRequest') return
        const { request } = asked
        const answer = (reply: CriReply): void => connection.send({ kind: 'CriReply', id: asked.id, reply })
        if (request.call === 'Probe') this.probe(request, answer)
        else if (request.call === 'Hook') this.runHook(request, answer)
        else answer(this.perform(request, connection.peer))
      },
      closed: () => this.clients.delete(connection),
    }
  }

  private perform(request: Exclude<CriRequest, { call: 'Probe' | 'Hook' }>, by: string): CriReply {
    const { machine } = this.options
    switch (request.call) {
      case 'RunPodSandbox': {
        const sandbox = machine.nextId(`sandbox-${this.options.node}`)
        const { pod, name, namespace, attempt } = request
        const ip = this.takeAddress()
        machine.sandboxes.set(sandbox, { sandbox, pod, name, namespace, attempt, state: 'READY', ip })
        this.host.observe({ kind: 'SandboxCreated', by, node: this.options.node, pod, sandbox, ip })
        return { ok: true, id: sandbox, ip }
      }
      case 'StopPodSandbox':
        this.stopSandbox(request.sandbox)
        return { ok: true }
      case 'RemovePodSandbox':
        this.stopSandbox(request.sandbox)
        for (const container of this.inSandbox(request.sandbox)) this.remove(container.id)
        machine.sandboxes.delete(request.sandbox)
        return { ok: true }
      case 'ListPodSandbox':
        return { ok: true, sandboxes: request.pod === undefined ? [...machine.sandboxes.values()] : machine.sandboxes.of(request.pod) }
      case 'ListContainers':
        return { ok: true, containers: this.listed(request.pod) }
      case 'CreateContainer':
        return this.create(request)
      case 'StartContainer':
        return this.startContainer(request.id, by)
      case 'StopContainer':
        this.stop(request.id, request.timeoutMs, request.reason)
        return { ok: true }
      case 'RemoveContainer':
        this.remove(request.id)
        return { ok: true }
    }
  }

  /** What has not started yet refuses at once; what hangs answers when it goes on, if that is in time. */
  private probe({ id, probe, timeoutMs }: CriRequest & { call: 'Probe' }, answer: (reply: CriReply) => void): void {
    const { machine, node } = this.options
    const hangsMs = Math.max(0, (machine.programs.get(id)?.hangsUntilMs ?? 0) - this.host.elapsed())
    this.later(Math.min(hangsMs, timeoutMs), () => {
      const container = this.running(id)
      if (container === null) {
        answer(notRunning(id))
        return
      }
      const { readyAtMs } = machine.programs.get(id) as RunningProgram
      const passed = hangsMs < timeoutMs && readyAtMs <= this.host.elapsed()
      this.host.observe({ kind: 'Probed', node, pod: container.pod, container: container.container, id, probe, passed })
      answer({ ok: true, passed })
    })
  }

  private runHook({ id, hook }: CriRequest & { call: 'Hook' }, answer: (reply: CriReply) => void): void {
    const { machine, node } = this.options
    const container = this.running(id)
    const shape = machine.programs.get(id)?.program.hooks?.[hook]
    if (container === null || shape === undefined) {
      answer(notRunning(id))
      return
    }
    const seen = { kind: 'HookChanged' as const, node, pod: container.pod, container: container.container, id, hook }
    this.host.observe({ ...seen, outcome: 'begun' })
    this.later(this.host.random('hooks').between(...shape.takesMs), () => {
      const passed = shape.succeeds && this.running(id) !== null
      this.host.observe({ ...seen, outcome: passed ? 'succeeded' : 'failed' })
      answer({ ok: true, passed })
    })
  }

  private running(id: string): ContainerState | null {
    const container = this.options.machine.containers.get(id)
    return container?.state === 'RUNNING' ? container : null
  }

  private later(ms: number, run: () => void): void {
    if (ms <= 0) run()
    else this.host.after(ms, run)
  }

  private inSandbox(id: string): readonly ContainerState[] {
    const { sandboxes, containers } = this.options.machine
    return containers.of(sandboxes.get(id)?.pod ?? '').filter(({ sandbox }) => sandbox === id)
  }

  /** The lowest that is free. */
  private takeAddress(): string {
    const { machine, subnet } = this.options
    let last = 2
    while (machine.addresses.has(last)) last++
    machine.addresses.add(last)
    return `${subnet}.${last}`
  }

  private stopSandbox(id: string): void {
    const { machine, node } = this.options
    const sandbox = machine.sandboxes.get(id)
    if (sandbox === undefined || sandbox.state === 'NOTREADY') return
    for (const container of this.inSandbox(id)) this.exited(container.id, KILLED, 'stop')
    machine.sandboxes.set(id, { ...sandbox, state: 'NOTREADY' })
    machine.addresses.delete(Number(sandbox.ip.slice(this.options.subnet.length + 1)))
    this.host.observe({ kind: 'SandboxRemoved', node, pod: sandbox.pod, sandbox: id, ip: sandbox.ip })
  }

  private create(request: CriRequest & { call: 'CreateContainer' }): CriReply {
    const { machine } = this.options
    const sandbox = machine.sandboxes.get(request.sandbox)
    if (sandbox?.state !== 'READY') return { ok: false, message: `sandbox ${request.sandbox} is not ready` }
    const id = machine.nextId(`container-${this.options.node}`)
    const { container, attempt, init, program } = request
    const state = { id, sandbox: sandbox.sandbox, pod: sandbox.pod, container, attempt, init, state: 'CREATED' as const }
    machine.containers.set(id, { ...state, startedAtMs: 0, finishedAtMs: 0, exitCode: 0 })
    machine.programs.set(id, { program, exitsAtMs: null, readyAtMs: Infinity, hangsUntilMs: 0, stopping: null })
    return { ok: true, id }
  }

  private startContainer(id: string, by: string): CriReply {
    const { machine, node } = this.options
    const container = machine.containers.get(id)
    const prepared = machine.programs.get(id)
    if (container === undefined || prepared === undefined) return { ok: false, message: `no container ${id}` }
    if (container.state !== 'CREATED') return { ok: false, message: `container ${id} is ${container.state}` }
    const now = this.host.elapsed()
    const random = this.host.random('programs')
    const { program } = prepared
    const exitsAtMs = program.exitsAfterMs === undefined ? null : now + random.between(...program.exitsAfterMs)
    const readyAtMs = now + random.between(...program.readyAfterMs)
    machine.programs.set(id, { program, exitsAtMs, readyAtMs, hangsUntilMs: 0, stopping: null })
    machine.containers.set(id, { ...container, state: 'RUNNING', startedAtMs: this.host.now() })
    const podName = machine.sandboxes.get(container.sandbox)?.name ?? ''
    const { pod, init, sandbox } = container
    this.host.observe({ kind: 'ContainerStarted', by, node, pod, podName, container: container.container, id, init, sandbox })
    if (exitsAtMs !== null) this.exitAt(id, exitsAtMs, program.exitCode ?? 0)
    this.tell(pod)
    return { ok: true, id }
  }

  /** TERM now, KILL when the time is up. Asked again, it may only become sooner. */
  private stop(id: string, timeoutMs: number, reason: string): void {
    const { machine, node } = this.options
    const program = machine.programs.get(id)
    if (machine.containers.get(id)?.state !== 'RUNNING' || program === undefined) return
    const now = this.host.elapsed()
    const takesMs = this.host.random('programs').between(...program.program.stopMs)
    const killed = takesMs > timeoutMs
    const atMs = now + Math.min(takesMs, timeoutMs)
    if (program.stopping !== null && program.stopping.atMs <= atMs) return
    if (timeoutMs > 0) this.host.observe({ kind: 'StopSignal', node, id, signal: 'TERM', graceMs: timeoutMs, reason })
    program.stopping = { atMs, killed }
    this.exitAt(id, atMs, killed ? KILLED : TERMINATED)
  }

  private exitAt(id: string, atMs: number, exitCode: number): void {
    this.host.after(Math.max(0, atMs - this.host.elapsed()), () => {
      const program = this.options.machine.programs.get(id)
      if (program === undefined) return
      const { stopping } = program
      if (stopping !== null && stopping.atMs <= this.host.elapsed()) {
        if (stopping.killed) {
          this.host.observe({
            kind: 'StopSignal',
            node: this.options.node,
            id,
            signal: 'KILL',
            graceMs: 0,
            reason: 'the grace period is over',
          })
        }
        this.exited(id, exitCode, 'stop')
      } else if (program.exitsAtMs !== null && program.exitsAtMs <= this.host.elapsed()) this.exited(id, exitCode, 'itself')
    })
  }

  private exited(id: string, exitCode: number, by: 'itself' | 'stop'): void {
    const { machine, node } = this.options
    const container = machine.containers.get(id)
    if (container?.state !== 'RUNNING') return
    machine.containers.set(id, { ...container, state: 'EXITED', exitCode, finishedAtMs: this.host.now() })
    machine.programs.delete(id)
    this.host.observe({ kind: 'ContainerExited', node, pod: container.pod, container: container.container, id, exitCode, by })
    this.tell(container.pod)
  }

  private remove(id: string): void {
    this.exited(id, KILLED, 'stop')
    this.options.machine.containers.delete(id)
    this.options.machine.programs.delete(id)
  }

  private listed(pod: string | undefined): readonly ContainerState[] {
    const { containers } = this.options.machine
    return pod === undefined ? [...containers.values()] : containers.of(pod)
  }

  private tell(pod: string): void {
    for (const client of this.clients) client.send({ kind: 'CriEvent', pod })
  }
}

const notRunning = (id: string): CriReply => ({ ok: false, message: `container ${id} does not run` })
