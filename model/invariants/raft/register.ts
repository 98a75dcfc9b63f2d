/** What Raft promises, of elections, logs, majorities and progress. SEMANTICS 2.1; Ongaro's thesis. */
import type { Invariant } from '../../invariant.ts'
import { ELECTIONS } from './elections.ts'
import { LIVENESS } from './liveness.ts'
import { LOGS } from './logs.ts'
import { QUORUMS } from './quorums.ts'

export const RAFT: readonly Invariant[] = [...ELECTIONS, ...LOGS, ...QUORUMS, ...LIVENESS]
