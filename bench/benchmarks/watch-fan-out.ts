/** One API server's watch cache with many watchers: every change of a pod is a message to each of them. */
import { WatchCache, type CacheWatcher } from '../../impl/apiserver/watch-cache.ts'
import { EtcdClient } from '../../impl/etcd/client.ts'
import { etcdMember } from '../../impl/etcd/server.ts'
import { spawn, type Task } from '../../impl/task.ts'
import type { ClusterHost, ClusterProcess, Message, Sighting } from '../../impl/wire.ts'
import type { Pod } from '../../model/state/objects.ts'
import { keyOf, prefixOf, resourceNamed, type Resource } from '../../model/state/resources.ts'
import { CALM_WEATHER } from '../../properties/generators/plan.ts'
import { World } from '../../sim/world.ts'
import type { Benchmark } from '../benchmark.ts'
import { podOf } from '../objects.ts'

const WATCHERS = 1_000
const PODS = 100
const WRITES = 2_000
const SIMULATED_MS = 60_000
const TIMEOUT_MS = 5_000
const MEMBER = 'etcd-0'
const SERVER = 'kube-apiserver-0'

class FanOut implements ClusterProcess {
  sent = 0
  private readonly host: ClusterHost
  private readonly etcd: EtcdClient
  private readonly cache: WatchCache

  constructor(host: ClusterHost) {
    this.host = host
    this.etcd = new EtcdClient(host, [MEMBER], TIMEOUT_MS)
    this.cache = new WatchCache(host, this.etcd, resourceNamed('pods') as Resource)
  }

  start(): void {
    this.cache.start()
    this.cache.whenFresh(0, SIMULATED_MS, () => {
      for (let watcher = 0; watcher < WATCHERS; watcher++) this.cache.watch(this.watcher(), null)
      spawn(this.write())
    })
  }

  private watcher(): CacheWatcher {
    const send = (_type: string, object: Pod): void => {
      if (object.kind === 'Pod') this.sent++
    }
    return { prefix: prefixOf('pods'), matches: null, bookmarks: false, after: 0, send, end: () => {} }
  }

  private *write(): Task<void> {
    for (let write = 0; write < WRITES; write++) {
      const name = `pod-${write % PODS}`
      yield* this.etcd.request({ kind: 'Put', key: keyOf('pods', 'default', name), value: podOf(name) }, this.host.name)
    }
  }

  receive(): void {}

  accept(): never {
    throw new Error('nobody connects')
  }
}

/** Returns how many messages the watchers were sent. */
const fanOut = (): number => {
  const world = new World<Message, Sighting>({
    seed: '1',
    network: CALM_WEATHER,
    tornWrites: false,
    observe: () => {},
    lifeChanged: () => {},
  })
  let server: FanOut | null = null
  world.addMachine('control-plane-0', { offsetMs: 0, driftPpm: 0, diskSyncMs: [1, 1] })
  world.addProcess(MEMBER, 'control-plane-0', etcdMember({ members: [MEMBER], timings: {} }))
  world.addProcess(SERVER, 'control-plane-0', (host) => (server = new FanOut(host)))
  world.start(MEMBER)
  world.start(SERVER)
  world.runUntil(SIMULATED_MS)
  const { sent } = server as unknown as FanOut
  if (sent !== WRITES * WATCHERS) throw new Error(`${sent} of ${WRITES * WATCHERS} messages were sent`)
  return sent
}

/** The same number of calls, with nothing to decide. */
const callAll = (): number => {
  let sent = 0
  const watchers = Array.from({ length: WATCHERS }, () => (object: Pod): void => {
    if (object.kind === 'Pod') sent++
  })
  for (let write = 0; write < WRITES; write++) {
    const pod = podOf(`pod-${write % PODS}`)
    for (const watcher of watchers) watcher(pod)
  }
  return sent
}

export const watchFanOut: Benchmark = {
  name: 'watch-fan-out',
  sentence: `${WRITES} writes of pods through etcd and the watch cache of an API server to ${WATCHERS} watchers`,
  units: 'messages',
  baseline: 'a plain loop over as many functions',
  prepare: () => ({ subject: fanOut, baseline: callAll }),
}
