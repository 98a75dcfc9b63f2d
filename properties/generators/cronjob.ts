/** CronJobs that are due every minute or two: of each policy, suspended and resumed, with and without a deadline. */
import fc from 'fast-check'
import type { Manifest, UserAction } from '../../model/state/plan.ts'
import { template, type WorkloadGenerator } from './workload.ts'

const knobs = fc.record({
  schedule: fc.constantFrom('* * * * *', '* * * * *', '*/2 * * * *', '1-59/3 * * * THU,FRI'),
  timeZone: fc.constantFrom(undefined, 'Etc/GMT-3', 'Asia/Kolkata'),
  concurrencyPolicy: fc.constantFrom('Allow' as const, 'Forbid' as const, 'Replace' as const),
  startingDeadlineSeconds: fc.constantFrom(undefined, undefined, 20, 90),
  successfulJobsHistoryLimit: fc.constantFrom(undefined, 0, 1),
  ttlSecondsAfterFinished: fc.constantFrom(undefined, undefined, 0, 20),
  backoffLimit: fc.constantFrom(1, 0),
  runsMs: fc.constantFrom<readonly [number, number]>([500, 3_000], [50_000, 100_000], [50_000, 100_000]),
  exitCodes: fc.constantFrom<readonly number[]>([0], [0], [0, 1]),
})

export const cronJobs: WorkloadGenerator = (name) =>
  knobs.map(({ runsMs, exitCodes, backoffLimit, ttlSecondsAfterFinished, ...spec }) => {
    const jobTemplate = {
      spec: { backoffLimit, ttlSecondsAfterFinished, template: template(name, { restartPolicy: 'Never', graceSeconds: 1 }) },
    }
    const manifest = (suspend: boolean): Manifest => ({
      apiVersion: 'batch/v1',
      kind: 'CronJob',
      metadata: { name, namespace: 'default', labels: { app: name } },
      spec: told({ ...spec, suspend, jobTemplate }),
    })
    return {
      manifests: [manifest(false)],
      programs: { [`registry.example/${name}:1`]: { runsMs, exitCodes } },
      users: users(name, manifest),
    }
  })

/** Without what is not said. */
const told = (value: object): object => JSON.parse(JSON.stringify(value)) as object

const users = (name: string, manifest: (suspend: boolean) => Manifest): fc.Arbitrary<UserAction> =>
  fc.oneof(
    { weight: 3, arbitrary: fc.boolean().map((suspend): UserAction => ({ kind: 'Apply', object: manifest(suspend) })) },
    {
      weight: 1,
      arbitrary: fc.record({
        kind: fc.constant('Delete'),
        resource: fc.constant('cronjobs'),
        name: fc.constant(`default/${name}`),
        propagation: fc.constantFrom('Background', 'Foreground', 'Orphan'),
      }),
    },
  )
