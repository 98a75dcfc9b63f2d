/** The bare world: five processes on five machines that send each other datagrams through lossy links. */
import type { Host, Process } from '../../sim/host.ts'
import { World } from '../../sim/world.ts'
import type { Benchmark } from '../benchmark.ts'
import { heapLoop } from '../heap-loop.ts'

const PROCESSES = 5
const PERIOD_MS = 20
const SIMULATED_MS = 400_000
const WEATHER = { latencyMs: [1, 8], lossPerMille: 10, duplicatePerMille: 10, reorderPerMille: 10 } as const

/** Pings all others now and then; answers every ping. */
const pinger =
  (names: readonly string[]) =>
  (host: Host<string, never>): Process<string> => {
    const others = names.filter((name) => name !== host.name)
    const round = (): void => {
      for (const other of others) host.send(other, 'ping')
      host.after(PERIOD_MS, round)
    }
    return {
      start: round,
      receive: (from, message) => {
        if (message === 'ping') host.send(from, 'pong')
      },
      accept: () => {
        throw new Error('nobody connects')
      },
    }
  }

const events = (): number => {
  const world = new World<string, never>({ seed: '1', network: WEATHER, tornWrites: false, observe: () => {}, lifeChanged: () => {} })
  const names = Array.from({ length: PROCESSES }, (_, index) => `process-${index}`)
  for (const name of names) {
    world.addMachine(`machine-of-${name}`, { offsetMs: 0, driftPpm: 0, diskSyncMs: [1, 2] })
    world.addProcess(name, `machine-of-${name}`, pinger(names))
    world.start(name)
  }
  world.runUntil(SIMULATED_MS)
  return world.eventCount
}

export const eventQueue: Benchmark = {
  name: 'event-queue',
  sentence: 'datagrams and timers of five processes; latency, loss, duplicates and reordering drawn from named streams',
  units: 'events',
  baseline: 'a hand-written heap loop',
  target: { ratio: 0.4 },
  prepare: () => {
    const count = events()
    return { subject: events, baseline: () => heapLoop(count) }
  },
}
