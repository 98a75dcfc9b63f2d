/** Success policies of Indexed Jobs: when some of the indexes are enough. SEMANTICS 2.7. */
import { isEndingUp, meetsPolicy, succeededOf } from '../components/job.ts'
import type { Invariant } from '../invariant.ts'
import { deciding, safety } from './define.ts'
import { nameOf, scene } from './jobs.ts'

const enoughOfThem = deciding(
  {
    id: 'JOB-S9',
    sentence:
      'a Job succeeds by its success policy when a rule of it is met by the indexes that have succeeded, not before; from then on it makes no more pods',
    source: 'KEP-3998 (https://github.com/kubernetes/enhancements/tree/master/keps/sig-apps/3998-job-success-completion-policy)',
    sometimes: 'it succeeds before all of its indexes have',
    ...safety,
  },
  ['FinishJob', 'CreateJobPod'],
  (next, { history }) => {
    const { choice, process } = next
    const seen = scene(next, history)
    if (seen === null) return 'vacuous'
    const { job, ends } = seen
    const met = meetsPolicy(job, ends)
    if (choice.kind === 'CreateJobPod') {
      if (job.spec.successPolicy === undefined || isEndingUp(job)) return 'vacuous'
      return met ? { why: `${process} makes a pod for ${nameOf(job)}, which has succeeded by its success policy` } : 'holds'
    }
    if (choice.outcome !== 'Complete' || choice.reason !== 'SuccessPolicy') return 'vacuous'
    if (!met)
      return { why: `${nameOf(job)} succeeds by its success policy with ${succeededOf(job, ends)} indexes, which meet no rule of it` }
    return succeededOf(job, ends) < (job.spec.completions ?? 0) ? 'notable' : 'holds'
  },
)

export const JOB_SUCCESS: readonly Invariant[] = [enoughOfThem]
