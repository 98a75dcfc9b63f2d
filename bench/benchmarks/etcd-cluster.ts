/** Five members under load: clients that read, write, compare and watch, one request after another, for some seconds. */
import { Cluster } from '../../impl/cluster.ts'
import type { Message, Sighting } from '../../impl/wire.ts'
import type { EtcdClientAction } from '../../model/state/plan.ts'
import { CALM_WEATHER } from '../../properties/generators/plan.ts'
import { Recorder } from '../../properties/subjects/recorder.ts'
import { World } from '../../sim/world.ts'
import type { Benchmark } from '../benchmark.ts'
import { heapLoop } from '../heap-loop.ts'

const MEMBERS = 5
const CLIENTS = 50
const REQUESTS = 200
const KEYS = 64
const SIMULATED_MS = 30_000
const ELECTED_BY_MS = 5_000

/** Of ten requests six write, three read, one compares and writes. */
const requestOf = (client: number, turn: number): EtcdClientAction => {
  const key = `key-${(client * 7 + turn * 13) % KEYS}`
  const value = `value-${turn}`
  if (turn % 10 < 6) return { kind: 'Put', key, value }
  if (turn % 10 < 9) return { kind: 'Range', key }
  const compare = [{ key, target: 'version', result: '>', operand: 0 }] as const
  return { kind: 'Txn', compare, success: [{ kind: 'Put', key, value }], failure: [{ kind: 'Range', key }] }
}

/** Returns how many messages were delivered. */
const underLoad = (): number => {
  const recorder = new Recorder()
  const world = new World<Message, Sighting>({
    seed: '1',
    network: CALM_WEATHER,
    tornWrites: false,
    observe: (atMs, sighting) => recorder.record(atMs, sighting),
    lifeChanged: () => {},
  })
  const shape = { members: MEMBERS, apiservers: 0, controllerManagers: 0, schedulers: 0, nodes: [], etcdClients: CLIENTS, timings: {} }
  const cluster = new Cluster(world, shape, CALM_WEATHER)
  cluster.start()
  world.runUntil(ELECTED_BY_MS)
  for (let client = 0; client < CLIENTS; client++) {
    if (client % 10 === 0) {
      cluster.act({ kind: 'Etcd', client, request: { kind: 'Watch', key: 'key-', rangeEnd: 'key.', startBack: 0, prevKv: false } })
    }
    for (let turn = 0; turn < REQUESTS; turn++) cluster.act({ kind: 'Etcd', client, request: requestOf(client, turn) })
  }
  world.runUntil(ELECTED_BY_MS + SIMULATED_MS)
  const replies = recorder.history.filter((seen) => seen.kind === 'Reply' && seen.outcome.kind === 'done').length
  if (replies !== CLIENTS * REQUESTS) throw new Error(`${replies} of ${CLIENTS * REQUESTS} requests were answered`)
  return world.messageCount
}

export const etcdCluster: Benchmark = {
  name: 'etcd-cluster',
  sentence: '5 etcd members under load of 50 clients that read, write, compare and watch; recorded, not judged',
  units: 'messages',
  baseline: 'a hand-written heap loop over as many messages',
  target: { perSecond: 300_000 },
  prepare: () => {
    const messages = underLoad()
    return { subject: underLoad, baseline: () => heapLoop(messages) }
  },
}
