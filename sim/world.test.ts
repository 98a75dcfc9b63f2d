import { expect, test } from 'vitest'
import type { Host, Process } from './host.ts'
import { World } from './world.ts'

const CALM = { latencyMs: [1, 2], lossPerMille: 0, duplicatePerMille: 0, reorderPerMille: 0 } as const
const MACHINE = { offsetMs: 0, driftPpm: 0, diskSyncMs: [1, 2] } as const

interface Heard {
  readonly atMs: number
  readonly text: string
}

/** Two machines with a process each; what a process hears it observes. */
const pair = (seed: string, network: ConstructorParameters<typeof World<string, string>>[0]['network'] = CALM) => {
  const heard: Heard[] = []
  const hosts = new Map<string, Host<string, string>>()
  const world = new World<string, string>({
    seed,
    network,
    tornWrites: false,
    observe: (atMs, text) => heard.push({ atMs, text }),
    lifeChanged: () => {},
  })
  const listener = (host: Host<string, string>): Process<string> => {
    hosts.set(host.name, host)
    return {
      start: () => {},
      receive: (from, text) => {
        if (text === 'divide by zero') throw new Error(text)
        host.observe(`${host.name} hears ${text} from ${from}`)
      },
      accept: () => ({ message: (text) => host.observe(`${host.name} is told ${text}`), closed: () => {} }),
    }
  }
  for (const name of ['a', 'b']) {
    world.addMachine(`machine-${name}`, MACHINE)
    world.addProcess(name, `machine-${name}`, listener)
    world.start(name)
  }
  world.runUntil(0)
  const host = (name: string): Host<string, string> => hosts.get(name) as Host<string, string>
  return { world, heard, host, texts: () => heard.map(({ text }) => text) }
}

test('a datagram takes as long as the weather says', () => {
  const { world, heard, host } = pair('1')
  for (let count = 0; count < 50; count++) host('a').send('b', 'x')
  world.runUntil(100)
  expect(heard).toHaveLength(50)
  expect(new Set(heard.map(({ atMs }) => atMs))).toEqual(new Set([1, 2]))
})

test('a one-way cut stops one direction only, and what is under way when it begins', () => {
  const { world, host, texts } = pair('1')
  host('a').send('b', 'under way')
  world.cut('machine-a', 'machine-b')
  host('a').send('b', 'later')
  host('b').send('a', 'back')
  world.runUntil(100)
  expect(texts()).toEqual(['a hears back from b'])
  world.mend('machine-a', 'machine-b')
  host('a').send('b', 'again')
  world.runUntil(200)
  expect(texts()).toEqual(['a hears back from b', 'b hears again from a'])
})

test('a clogged link delivers everything once it is free', () => {
  const { world, host, texts } = pair('1')
  world.linkBetween('machine-a', 'machine-b').clog()
  host('a').send('b', 'x')
  world.runUntil(100)
  expect(texts()).toEqual([])
  world.unclog('machine-a', 'machine-b')
  world.runUntil(200)
  expect(texts()).toEqual(['b hears x from a'])
})

test('a connection keeps order and breaks when its peer crashes', () => {
  const { world, host, texts } = pair('1', { ...CALM, latencyMs: [1, 40], reorderPerMille: 500 })
  let closed = ''
  const connection = host('a').dial('b', { message: () => {}, closed: (reason) => (closed = reason) })
  for (const text of ['1', '2', '3', '4']) connection.send(text)
  world.runUntil(1_000)
  expect(texts()).toEqual(['1', '2', '3', '4'].map((text) => `b is told ${text}`))
  world.crash('b')
  world.runUntil(2_000)
  expect(closed).toBe('reset')
})

test('a paused process hears everything when it goes on, in order', () => {
  const { world, heard, host } = pair('1')
  world.pause('b')
  host('a').send('b', 'x')
  world.runUntil(50)
  expect(heard).toEqual([])
  world.resume('b')
  world.runUntil(60)
  expect(heard).toEqual([{ atMs: 50, text: 'b hears x from a' }])
})

test('a process that throws dies by a panic and is started again', () => {
  const { world, host } = pair('1')
  host('a').send('b', 'divide by zero')
  world.runUntil(10)
  expect(world.isUp('b')).toBe(false)
  world.runUntil(2_000)
  expect(world.isUp('b')).toBe(true)
})

test('a seed names one run: equal hashes twice, another for another seed', () => {
  const play = (seed: string): string => {
    const { world, host } = pair(seed, { ...CALM, latencyMs: [1, 90], lossPerMille: 100, duplicatePerMille: 100 })
    for (let count = 0; count < 40; count++) host('a').send('b', String(count))
    world.runUntil(1_000)
    return world.hash
  }
  expect(play('7')).toBe(play('7'))
  expect(play('7')).not.toBe(play('8'))
})
