/** All that is claimed of scheduling. SEMANTICS 2.9. */
import type { Invariant } from '../../invariant.ts'
import { BINDINGS } from './bindings.ts'
import { PREEMPTIONS } from './preemption.ts'
import { QUEUES } from './queue.ts'
import { WORLD } from './world.ts'

export const SCHEDULING: readonly Invariant[] = [...BINDINGS, ...WORLD, ...PREEMPTIONS, ...QUEUES]
