/** All benchmarks, in the order they are printed. */
import type { Benchmark } from './benchmark.ts'
import { checkers } from './benchmarks/checkers.ts'
import { etcdCluster } from './benchmarks/etcd-cluster.ts'
import { eventQueue } from './benchmarks/event-queue.ts'
import { largeClusters } from './benchmarks/large-cluster.ts'
import { modelStates } from './benchmarks/model-states.ts'
import { raftStep } from './benchmarks/raft-step.ts'
import { scheduler } from './benchmarks/scheduler.ts'
import { schedulerPerf } from './benchmarks/scheduler-perf.ts'
import { sixtyPods, standardCluster } from './benchmarks/standard-cluster.ts'
import { suites } from './benchmarks/suites.ts'
import { watchFanOut } from './benchmarks/watch-fan-out.ts'

export const BENCHMARKS: readonly Benchmark[] = [
  eventQueue,
  standardCluster,
  sixtyPods,
  ...largeClusters,
  ...suites,
  etcdCluster,
  raftStep,
  watchFanOut,
  scheduler,
  ...schedulerPerf,
  modelStates,
  ...checkers,
]
