/**
 * The reference implementation as a machine: a cluster of members in a simulated world in calm weather, asked by a client
 * of its own. Time passes only while something is waited for.
 */
import { EtcdClient } from '../../impl/etcd/client.ts'
import { etcdMember } from '../../impl/etcd/server.ts'
import { spawn } from '../../impl/task.ts'
import type { ClusterProcess, Message, Sighting } from '../../impl/wire.ts'
import type { StoreRequest } from '../../model/components/etcd-store.ts'
import type { EtcdError, EtcdRequest, EtcdResponse, Revision, WatchCreateRequest, WatchEvent } from '../../model/state/keyspace.ts'
import { World } from '../../sim/world.ts'
import { CALM_WEATHER } from '../generators/plan.ts'
import type { Answer, Ended, Machine, Stream } from './machine.ts'

const CLIENT = 'client'
const TIMEOUT_MS = 20_000
const LOOK_MS = 100
const TRIES_MOST = 100
const STEPS_MOST = 200_000
const PATIENCE_MS = 2_000
/** Longer than any message takes. */
const UNDER_WAY_MS = 20

export class SimulatedMachine implements Machine {
  readonly name: string
  private readonly members: readonly string[]
  private world: World<Message, Sighting> | null = null
  private client: EtcdClient | null = null

  constructor(members: number) {
    this.name = `implementation of ${members} member${members === 1 ? '' : 's'}`
    this.members = Array.from({ length: members }, (_, index) => `etcd-${index}`)
  }

  /** A new world: the same one each time. */
  reset(): Promise<Revision> {
    this.world = this.build()
    // Until there is a leader nothing is done.
    for (let tries = 0; tries < TRIES_MOST; tries++) {
      this.world.runUntil(this.world.now + LOOK_MS)
      if (this.ask({ kind: 'Put', key: '~', value: '' }).kind === 'Error') continue
      const gone = this.ask({ kind: 'DeleteRange', key: '~' })
      if (gone.kind === 'Error') break
      this.ask({ kind: 'Compact', revision: gone.header.revision })
      return Promise.resolve(gone.header.revision)
    }
    throw new Error(`${this.name} does not come up`)
  }

  ask(request: StoreRequest): Answer {
    return this.askWith(undefined, request) as Answer
  }

  /** token: as whose the request is made; undefined: nobody's. */
  askWith(token: string | undefined, request: EtcdRequest): EtcdResponse | EtcdError {
    let answer: EtcdResponse | EtcdError | null = null
    this.do((client) => {
      client.authenticate(token)
      spawn(client.request(request, CLIENT), (response) => (answer = response))
    })
    this.until(() => answer !== null)
    return answer ?? { kind: 'Error', message: 'no answer', definite: false }
  }

  alarm(raised: boolean): Promise<void> {
    this.askWith(undefined, { kind: 'Alarm', action: raised ? 'ACTIVATE' : 'DEACTIVATE', memberId: 'etcd-0', alarm: 'NOSPACE' })
    return Promise.resolve()
  }

  watch(request: WatchCreateRequest): Promise<Stream> {
    const events: WatchEvent[] = []
    const stream = { stands: false, ended: null as Ended | null }
    this.do((client) => {
      client.watch(request, {
        created: () => (stream.stands = true),
        events: (_, more) => events.push(...more),
        ended: (reason, compactRevision) => {
          stream.ended = { reason, compactRevision: compactRevision ?? 0 }
          stream.stands = true
        },
      })
    })
    this.until(() => stream.stands)
    return Promise.resolve({
      events,
      get ended() {
        return stream.ended
      },
      settle: (count) => {
        const { world } = this
        const deadlineMs = (world?.now ?? 0) + PATIENCE_MS
        this.until(() => events.length >= count || stream.ended !== null || (world?.now ?? 0) >= deadlineMs)
        world?.runUntil(world.now + UNDER_WAY_MS)
        return Promise.resolve()
      },
      close: () => undefined,
    })
  }

  stop(): Promise<void> {
    this.world = null
    return Promise.resolve()
  }

  private build(): World<Message, Sighting> {
    const world = new World<Message, Sighting>({
      seed: this.name,
      network: CALM_WEATHER,
      tornWrites: false,
      observe: () => undefined,
      lifeChanged: () => undefined,
    })
    const { diskSyncMs } = CALM_WEATHER
    for (const member of this.members) {
      world.addMachine(member, { offsetMs: 0, driftPpm: 0, diskSyncMs })
      world.addProcess(member, member, etcdMember({ members: this.members, timings: {} }))
    }
    world.addMachine(CLIENT, { offsetMs: 0, driftPpm: 0, diskSyncMs })
    world.addProcess(CLIENT, CLIENT, (host): ClusterProcess => {
      const client = new EtcdClient(host, this.members, TIMEOUT_MS)
      this.client = client
      return { start: () => client.connect(), receive: () => undefined, accept: () => neverAsked() }
    })
    for (const process of [...this.members, CLIENT]) world.start(process)
    return world
  }

  private do(act: (client: EtcdClient) => void): void {
    this.world?.at(this.world.now, () => act(this.client as EtcdClient))
  }

  private until(done: () => boolean): void {
    for (let steps = 0; steps < STEPS_MOST && !done(); steps++) this.world?.step()
  }
}

const neverAsked = (): never => {
  throw new Error('nobody connects to a client')
}
