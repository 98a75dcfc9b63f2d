/** The suites that need nothing from the user, in the order they are reported. */
import { containers } from './containers.ts'
import { convergence } from './convergence.ts'
import { etcd } from './etcd.ts'
import { nodesSuite } from './nodes.ts'
import { gangs } from './gangs.ts'
import { rollout } from './rollout.ts'
import { scheduling } from './scheduling.ts'
import type { Suite } from './suite.ts'
import { workloads } from './workloads.ts'

export const SUITES: readonly Suite[] = [etcd, scheduling, gangs, rollout, workloads, containers, nodesSuite, convergence]
export const suiteNamed = (name: string): Suite | undefined => SUITES.find((suite) => suite.name === name)
