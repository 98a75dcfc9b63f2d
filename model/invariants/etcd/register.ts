/** What etcd promises of its keys, to clients that read, write and transact. SEMANTICS 2.1. */
import type { Invariant } from '../../invariant.ts'
import { ALARMS } from './alarms.ts'
import { AUTH } from './auth.ts'
import { MAINTENANCE } from './maintenance.ts'
import { MEMBERSHIP } from './membership.ts'
import { READS } from './reads.ts'
import { REVISIONS } from './revisions.ts'
import { TRANSACTIONS } from './transactions.ts'

/** Of those that one answer violates the first is named: what is said of transactions alone comes before what is said of all. */
export const ETCD: readonly Invariant[] = [...TRANSACTIONS, ...READS, ...REVISIONS, ...ALARMS, ...AUTH, ...MAINTENANCE, ...MEMBERSHIP]
