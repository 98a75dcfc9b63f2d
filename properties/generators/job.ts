/** Jobs of every sort: whose programs succeed, fail or do now this now that; suspended, resumed and deleted midway. */
import fc from 'fast-check'
import type { Manifest, ProgramShape, UserAction } from '../../model/state/plan.ts'
import { template, type WorkloadGenerator } from './workload.ts'

const END = fc.constantFrom<readonly number[]>([0], [0], [0, 0, 1], [0, 1], [1], [0, 42], [0, 0, 7], [1, 42], [0, 7, 42])

const policyThat = (fails: 'FailJob' | 'FailIndex') => ({
  rules: [
    { action: fails, onExitCodes: { operator: 'In', values: [42] } },
    { action: 'Ignore', onExitCodes: { operator: 'In', values: [7] } },
    { action: 'Ignore', onPodConditions: [{ type: 'DisruptionTarget' }] },
  ],
})

const knobs = fc.record({
  sort: fc.constantFrom('NonIndexed' as const, 'limits' as const, 'Indexed' as const, 'queue' as const),
  completions: fc.integer({ min: 1, max: 4 }),
  parallelism: fc.integer({ min: 1, max: 3 }),
  /** What its user wants instead a moment after: its controller has not seen its first pods by then. */
  instead: fc.constantFrom(undefined, undefined, 1, 4),
  backoffLimit: fc.constantFrom(3, 2, 1, 0),
  restartPolicy: fc.constantFrom('Never' as const, 'Never' as const, 'OnFailure' as const),
  policy: fc.constantFrom(true, true, false),
  /** Of an Indexed Job: which of its first two indexes are enough. */
  success: fc.constantFrom(
    undefined,
    undefined,
    { succeededIndexes: '1' },
    { succeededCount: 1 },
    { succeededIndexes: '0-1', succeededCount: 1 },
  ),
  replacement: fc.constantFrom('TerminatingOrFailed' as const, 'Failed' as const),
  deadlineSeconds: fc.constantFrom(undefined, undefined, undefined, 15, 60),
  ttlSeconds: fc.constantFrom(undefined, undefined, undefined, 0, 30),
  graceSeconds: fc.constantFrom(1, 5, 30),
  runsMs: fc.constantFrom<readonly [number, number]>([1_000, 6_000], [100, 500], [5_000, 30_000]),
  exitCodes: END,
})
type Knobs = typeof knobs extends fc.Arbitrary<infer T> ? T : never

const image = (name: string): string => `registry.example/${name}:1`

export const jobSpec = (name: string, drawn: Knobs) => {
  const { sort, completions, parallelism, backoffLimit, policy, success, deadlineSeconds, ttlSeconds } = drawn
  // An Indexed Job, each index with a limit of its own.
  const limits = sort === 'limits'
  const indexed = limits || sort === 'Indexed'
  const restartPolicy = limits ? 'Never' : drawn.restartPolicy
  const rules = policy && restartPolicy === 'Never'
  return {
    parallelism,
    ...(sort === 'queue' ? {} : { completions }),
    ...(indexed ? { completionMode: 'Indexed' } : {}),
    ...(indexed && completions > 1 && success !== undefined ? { successPolicy: { rules: [success] } } : {}),
    ...(limits
      ? { backoffLimitPerIndex: Math.min(backoffLimit, 2), ...(completions > 2 ? { maxFailedIndexes: 1 } : {}) }
      : { backoffLimit }),
    ...(rules ? { podFailurePolicy: policyThat(limits ? 'FailIndex' : 'FailJob') } : { podReplacementPolicy: drawn.replacement }),
    ...(deadlineSeconds === undefined ? {} : { activeDeadlineSeconds: deadlineSeconds }),
    ...(ttlSeconds === undefined ? {} : { ttlSecondsAfterFinished: ttlSeconds }),
    template: template(name, { graceSeconds: drawn.graceSeconds, restartPolicy }),
  }
}

const manifest = (name: string, spec: object): Manifest => ({
  apiVersion: 'batch/v1',
  kind: 'Job',
  metadata: { name, namespace: 'default', labels: { app: name } },
  spec,
})

export const jobs: WorkloadGenerator = (name) =>
  knobs.map((drawn) => {
    const spec = jobSpec(name, drawn)
    const programs: Readonly<Record<string, ProgramShape>> = { [image(name)]: { runsMs: drawn.runsMs, exitCodes: drawn.exitCodes } }
    const { instead } = drawn
    const changed = instead === undefined ? [] : [manifest(name, { ...spec, parallelism: instead })]
    return { manifests: [manifest(name, spec), ...changed], programs, users: users(name, spec) }
  })

const users = (name: string, spec: object): fc.Arbitrary<UserAction> =>
  fc.oneof(
    // Suspends it, resumes it, changes how many run at a time, or makes it anew.
    {
      weight: 4,
      arbitrary: fc
        .record({ suspend: fc.boolean(), parallelism: fc.integer({ min: 0, max: 4 }) })
        .map((changed): UserAction => ({ kind: 'Apply', object: manifest(name, { ...spec, ...changed }) })),
    },
    {
      weight: 2,
      arbitrary: fc.constant<UserAction>({ kind: 'Apply', object: manifest(name, { ...spec, suspend: false, parallelism: 2 }) }),
    },
    {
      weight: 1,
      arbitrary: fc.record({
        kind: fc.constant('Delete'),
        resource: fc.constant('jobs'),
        name: fc.constant(`default/${name}`),
        propagation: fc.constantFrom('Background', 'Foreground', 'Orphan'),
      }),
    },
  )
