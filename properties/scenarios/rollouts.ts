/** What there is to see of rollouts: each scenario is a small cluster on a calm day, and what its user types. */
import type { UserAction } from '../../model/state/plan.ts'
import { deployment, type DeploymentKnobs } from '../generators/manifests.ts'

export interface Scenario {
  readonly name: string
  /** What is being shown. */
  readonly sentence: string
  /** `get` and `history` only look. */
  readonly steps: readonly { readonly atSeconds: number; readonly do: UserAction | 'get' | 'history' }[]
  readonly untilSeconds: number
}

type Rolling = Extract<DeploymentKnobs['strategy'], { readonly type: 'RollingUpdate' }>['rollingUpdate']

const web = (replicas: number, rollingUpdate: Rolling, more: Partial<DeploymentKnobs> = {}): UserAction => ({
  kind: 'Apply',
  object: deployment('web', {
    replicas,
    cpu: '100m',
    graceSeconds: 5,
    minReadySeconds: 0,
    strategy: { type: 'RollingUpdate', rollingUpdate },
    podReplacementPolicy: 'TerminationStarted',
    ...more,
  }),
})
const image = (tag: number): UserAction => ({ kind: 'SetImage', deployment: 'default/web', image: `registry.example/web:${tag}` })
const scale = (replicas: number): UserAction => ({ kind: 'Scale', resource: 'deployments', name: 'default/web', replicas })
const pause = (paused: boolean): UserAction => ({ kind: 'Pause', deployment: 'default/web', paused })
const undo = (revision: number): UserAction => ({ kind: 'Rollback', deployment: 'default/web', revision })

const ONE_ABOVE: Rolling = { maxSurge: 1, maxUnavailable: 0 }
const AS_IN_THE_DOCUMENTATION: Rolling = { maxSurge: 3, maxUnavailable: 2 }

export const ROLLOUTS: readonly Scenario[] = [
  {
    name: 'update',
    sentence: 'A rolling update of three pods, one above and none below.',
    steps: [
      { atSeconds: 10, do: web(3, ONE_ABOVE) },
      { atSeconds: 30, do: 'get' },
      { atSeconds: 31, do: image(2) },
      { atSeconds: 60, do: 'get' },
    ],
    untilSeconds: 61,
  },
  {
    name: 'no-surge',
    sentence: 'Without a surge a pod goes before one comes: never more than three, one short at times.',
    steps: [
      { atSeconds: 10, do: web(3, { maxSurge: 0, maxUnavailable: 1 }) },
      { atSeconds: 30, do: image(2) },
      { atSeconds: 70, do: 'get' },
    ],
    untilSeconds: 71,
  },
  {
    name: 'percent',
    sentence: 'A quarter of five is two above, rounded up, and one below, rounded down: up to seven pods, at least four of them available.',
    steps: [
      { atSeconds: 10, do: web(5, { maxSurge: '25%', maxUnavailable: '25%' }) },
      { atSeconds: 30, do: image(2) },
      { atSeconds: 60, do: 'get' },
    ],
    untilSeconds: 61,
  },
  {
    name: 'recreate',
    sentence: 'Recreate: all old pods end, then the new ones come.',
    steps: [
      { atSeconds: 10, do: web(2, ONE_ABOVE, { strategy: { type: 'Recreate' } }) },
      { atSeconds: 30, do: image(2) },
      { atSeconds: 60, do: 'get' },
    ],
    untilSeconds: 61,
  },
  {
    name: 'stuck',
    sentence:
      'A template that cannot start misses its deadline of 20 seconds: it is said to be late, the old pods go on, and undo brings all back.',
    steps: [
      { atSeconds: 10, do: web(3, ONE_ABOVE, { deadlineSeconds: 20 }) },
      { atSeconds: 30, do: web(3, ONE_ABOVE, { deadlineSeconds: 20, broken: true }) },
      { atSeconds: 60, do: 'get' },
      { atSeconds: 61, do: undo(0) },
      { atSeconds: 90, do: 'get' },
    ],
    untilSeconds: 91,
  },
  {
    name: 'pause',
    sentence: 'Paused, a new template changes nothing and only the number of pods is kept; resumed, it is rolled out at once.',
    steps: [
      { atSeconds: 10, do: web(2, ONE_ABOVE) },
      { atSeconds: 30, do: pause(true) },
      { atSeconds: 35, do: image(2) },
      { atSeconds: 40, do: scale(3) },
      { atSeconds: 50, do: 'get' },
      { atSeconds: 51, do: pause(false) },
      { atSeconds: 80, do: 'get' },
    ],
    untilSeconds: 81,
  },
  {
    name: 'undo',
    sentence: 'Back to revision 1: its set comes back into use, with a new number.',
    steps: [
      { atSeconds: 10, do: web(2, ONE_ABOVE) },
      { atSeconds: 30, do: image(2) },
      { atSeconds: 60, do: image(3) },
      { atSeconds: 90, do: 'history' },
      { atSeconds: 91, do: undo(1) },
      { atSeconds: 120, do: 'history' },
      { atSeconds: 121, do: 'get' },
    ],
    untilSeconds: 122,
  },
  {
    name: 'scale-during-rollout',
    sentence: 'Five more pods in the middle of a rollout that is stuck are shared among both templates, in proportion to what they have.',
    steps: [
      { atSeconds: 10, do: web(10, AS_IN_THE_DOCUMENTATION) },
      { atSeconds: 30, do: web(10, AS_IN_THE_DOCUMENTATION, { broken: true }) },
      { atSeconds: 59, do: 'get' },
      { atSeconds: 60, do: scale(15) },
      { atSeconds: 80, do: 'get' },
    ],
    untilSeconds: 81,
  },
]
