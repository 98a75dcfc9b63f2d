/** When there is no room left, or members differ, all refuse alike. SEMANTICS 2.1. */
import type { Invariant } from '../../invariant.ts'
import type { AlarmType } from '../../state/maintenance.ts'
import { watching } from '../define.ts'

const MAINTENANCE = 'https://etcd.io/docs/v3.6/op-guide/maintenance/#space-quota'
const safety = { kind: 'history', strength: 'safety' } as const
const NO_SPACE = 'database space exceeded'

const noRoom: Invariant = watching(
  {
    id: 'ETCD-S23',
    sentence: 'from the alarm that there is no space until it is disarmed nothing is put and no lease granted, by any member',
    source: MAINTENANCE,
    sometimes: 'a key is deleted meanwhile',
    ...safety,
  },
  ['Alarmed', 'Commit', 'LeaseGranted', 'PhaseBegan'],
  () => {
    let raised: ReadonlySet<AlarmType> = new Set()
    return {
      observe(next) {
        if (next.kind === 'Alarmed') raised = new Set(next.alarms.map(({ alarm }) => alarm))
        if (raised.size === 0) return 'vacuous'
        if (next.kind === 'LeaseGranted')
          return { why: `lease ${next.lease} was granted while the alarm ${[...raised].join(', ')} was raised` }
        if (next.kind !== 'Commit') return 'holds'
        if (raised.has('CORRUPT')) return { why: `${next.key} was changed at revision ${next.revision} though members are known to differ` }
        return next.after === null
          ? 'notable'
          : { why: `${next.key} was put at revision ${next.revision} while the alarm NOSPACE was raised` }
      },
    }
  },
)

const restGoesOn: Invariant = watching(
  {
    id: 'ETCD-S23b',
    sentence: 'for want of space no read, deletion or compaction is refused',
    source: MAINTENANCE,
    sometimes: 'one is answered while the alarm is raised',
    ...safety,
  },
  ['Invoke', 'Reply', 'Alarmed'],
  () => {
    const asked = new Map<string, string>()
    let raised = false
    return {
      observe(next) {
        if (next.kind === 'Alarmed') raised = next.alarms.some(({ alarm }) => alarm === 'NOSPACE')
        else if (next.kind === 'Invoke') {
          if (['Range', 'DeleteRange', 'Compact', 'Defragment'].includes(next.request.kind)) asked.set(next.call, next.request.kind)
        } else if (next.kind === 'Reply') {
          const request = asked.get(next.call)
          asked.delete(next.call)
          if (request === undefined || next.outcome.kind === 'unknown') return 'vacuous'
          if (next.outcome.kind === 'refused' && next.outcome.reason.includes(NO_SPACE))
            return { why: `call ${next.call}, a ${request}, was refused: ${next.outcome.reason}` }
          return raised ? 'notable' : 'holds'
        }
        return 'vacuous'
      },
    }
  },
)

export const ALARMS: readonly Invariant[] = [noRoom, restGoesOn]
