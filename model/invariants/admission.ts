/** What the API server makes of objects before they go into the store. SEMANTICS 2.3. */
import type { Invariant } from '../invariant.ts'
import type { Pod, PriorityClass } from '../state/objects.ts'
import { keyOf } from '../state/resources.ts'
import { eachCommit, objectOf, safety } from './define.ts'

const SAME = ['priorityClassName', 'priority', 'preemptionPolicy'] as const

const priorityOfClass = eachCommit(
  {
    id: 'PRI-S1',
    sentence: "a pod's priority is that of its class when it is made, 0 without one, and never changes",
    source: 'KEP-268',
    sometimes: 'a pod of a class is made',
    ...safety,
  },
  'pods',
  ({ key, before, after, author }, { history }) => {
    const [was, is] = [objectOf<Pod>(before), objectOf<Pod>(after)]
    if (is === undefined) return 'vacuous'
    if (was !== undefined && was.metadata.uid === is.metadata.uid) {
      const changed = SAME.find((field) => was.spec[field] !== is.spec[field])
      return changed === undefined ? 'holds' : { why: `${author} changes ${changed} of ${key}` }
    }
    const { priorityClassName = '', priority = 0, preemptionPolicy = 'PreemptLowerPriority' } = is.spec
    if (priorityClassName === '') return priority === 0 ? 'holds' : { why: `${key} has priority ${priority} and no class` }
    // A cache that lags may still show a class that was made anew since.
    const classes = history
      .versions(keyOf('priorityclasses', undefined, priorityClassName))
      .flatMap(({ after: stored }) => objectOf<PriorityClass>(stored) ?? [])
    const agrees = classes.some((one) => one.value === priority && (one.preemptionPolicy ?? 'PreemptLowerPriority') === preemptionPolicy)
    return agrees
      ? 'notable'
      : { why: `${key} has priority ${priority} (${preemptionPolicy}), which its class ${priorityClassName} never had` }
  },
)

export const ADMISSION: readonly Invariant[] = [priorityOfClass]
