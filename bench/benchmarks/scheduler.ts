/** Scheduling cycles of the default profile on a hundred nodes: filter all, score all, choose, assume. */
import { SchedulerCache } from '../../impl/scheduler/cache.ts'
import { profilesOf, type Profile } from '../../impl/scheduler/config.ts'
import { choose, search } from '../../impl/scheduler/cycle.ts'
import { listersOf } from '../../impl/scheduler/listers.ts'
import { podInfoOf } from '../../impl/scheduler/node-info.ts'
import { Streams } from '../../sim/random.ts'
import type { Benchmark } from '../benchmark.ts'
import { CPU_MILLI, MEMORY_MEBI, nodeOf, podOf } from '../objects.ts'

const NODES = 100
const PODS = 1_000
const NODE_CPU = 4
const NODE_MEMORY_MEBI = 8_192
const NODE_PODS = 110

const schedule = (): number => {
  const [profile] = profilesOf({})
  const cache = new SchedulerCache(
    listersOf(
      () => undefined,
      () => [],
    ),
  )
  const random = new Streams('1').stream('ties')
  for (let node = 0; node < NODES; node++) cache.setNode(nodeOf(`node-${node}`, NODE_CPU, NODE_MEMORY_MEBI, NODE_PODS))
  let start = 0
  for (let pod = 0; pod < PODS; pod++) {
    const info = podInfoOf(podOf(`pod-${pod}`))
    const found = search(profile as Profile, cache, info, start, random)
    start = (start + found.examined) % NODES
    cache.assume(info, choose(profile as Profile, found, info, 'random').name)
  }
  return PODS
}

/** Least allocated by two sums of numbers for each node: the least that filter and score can be. */
const scheduleByHand = (): number => {
  const cpu = Array.from({ length: NODES }, () => 0)
  const memory = Array.from({ length: NODES }, () => 0)
  for (let pod = 0; pod < PODS; pod++) {
    let best = -1
    let most = -1
    for (let node = 0; node < NODES; node++) {
      const cpuLeft = NODE_CPU * 1_000 - (cpu[node] as number) - CPU_MILLI
      const memoryLeft = NODE_MEMORY_MEBI - (memory[node] as number) - MEMORY_MEBI
      if (cpuLeft < 0 || memoryLeft < 0) continue
      const score = Math.floor(((cpuLeft / (NODE_CPU * 1_000) + memoryLeft / NODE_MEMORY_MEBI) * 100) / 2)
      if (score <= most) continue
      most = score
      best = node
    }
    if (best < 0) throw new Error('no node is left')
    cpu[best] = (cpu[best] as number) + CPU_MILLI
    memory[best] = (memory[best] as number) + MEMORY_MEBI
  }
  return PODS
}

export const scheduler: Benchmark = {
  name: 'scheduler',
  sentence: `${PODS} pods on ${NODES} nodes by every plugin of the default profile, without binding`,
  units: 'pods',
  baseline: 'the least allocated node by two sums for each, in plain arrays',
  prepare: () => ({ subject: schedule, baseline: scheduleByHand }),
}
