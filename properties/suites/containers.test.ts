/**
 * Probes and hooks as a user meets them.
 *
 * Method: one pod in a calm cluster, whose program starts slowly, hangs for a while, or takes leave; what is seen of it.
 */
import { expect, test } from 'vitest'
import { INVARIANTS } from '../../model/register.ts'
import type { Action, Manifest, Plan, ProgramShape } from '../../model/state/plan.ts'
import type { Pod } from '../../model/state/objects.ts'
import { violatedIds } from '../examine.ts'
import { CALM_WEATHER } from '../generators/plan.ts'
import { service } from '../generators/manifests.ts'
import { nodes, standardShape } from '../generators/shapes.ts'
import { judge } from '../judge.ts'
import { notSimulated } from '../manifests/features.ts'
import { simulated } from '../subjects/simulated.ts'

const IMAGE = 'registry.example/web:1'

const podWith = (container: object): Manifest => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'web', namespace: 'default', labels: { app: 'web' } },
  spec: {
    terminationGracePeriodSeconds: 10,
    containers: [{ name: 'main', image: IMAGE, ports: [{ containerPort: 8080, name: 'http' }], ...container }],
  },
})

const runOf = (container: object, program: ProgramShape, actions: readonly (readonly [number, Action])[] = []) => {
  const plan: Plan = {
    format: 1,
    suite: 'containers',
    seed: 'containers',
    cluster: { ...standardShape(nodes(1)), programs: { [IMAGE]: program } },
    weather: CALM_WEATHER,
    actions: [
      { atMs: 5_000, do: { kind: 'Apply', object: podWith(container) } },
      { atMs: 5_000, do: { kind: 'Apply', object: service('web') } },
      ...actions.map(([atMs, action]) => ({ atMs, do: action })),
    ],
    stormMs: 90_000,
    calmMs: 900_000,
    quietMs: 10_000,
  }
  const run = simulated().run(plan)
  expect(violatedIds(judge(run.history, INVARIANTS))).toEqual([])
  return run
}

/** The pod's ready condition and the restarts of its container, each time they change. */
const told = ({ history }: ReturnType<typeof runOf>): readonly string[] => {
  const lines = history.flatMap((seen) => {
    if (seen.kind !== 'Commit' || seen.key !== '/registry/pods/default/web' || seen.after === null) return []
    const { conditions, containerStatuses } = (seen.after.value as Pod).status
    const ready = conditions?.find(({ type }) => type === 'Ready')?.status === 'True'
    return [`${ready ? 'ready' : 'not ready'}, ${containerStatuses?.[0]?.restartCount ?? 0} restarts`]
  })
  return lines.filter((line, index) => line !== lines[index - 1])
}

const often = { periodSeconds: 2, failureThreshold: 2 }

test('a program that hangs is taken out of its service, and started again by its liveness probe alone', () => {
  const program: ProgramShape = { startsMs: [[300, 300]] }
  const hang: readonly [number, Action] = [40_000, { kind: 'HangContainer', nth: 0, forMs: 20_000 }]
  expect(told(runOf({ readinessProbe: often }, program, [hang]))).toEqual([
    'not ready, 0 restarts',
    'ready, 0 restarts',
    'not ready, 0 restarts',
    'ready, 0 restarts',
  ])
  expect(told(runOf({ readinessProbe: often, livenessProbe: often }, program, [hang])).slice(2)).toEqual([
    'not ready, 0 restarts',
    'not ready, 1 restarts',
    'ready, 1 restarts',
  ])
})

test('a liveness probe that is too impatient for a slow start is named, and a startup probe helps', () => {
  const program: ProgramShape = { startsMs: [[30_000, 30_000]] }
  const { pending } = runOf({ livenessProbe: often }, program)
  expect(pending.map(({ object, waitsFor, blocked }) => `${object} waits for ${waitsFor}${blocked ? ' (blocked)' : ''}`)).toEqual([
    expect.stringMatching(
      /^Pod default\/web waits for container main to start within what its liveness probe allows: it was stopped \d+ times before it answered \(blocked\)$/,
    ),
  ])
  const patient = runOf({ livenessProbe: often, startupProbe: { periodSeconds: 5, failureThreshold: 12 } }, program)
  expect([patient.pending, told(patient)]).toEqual([[], ['not ready, 0 restarts', 'ready, 0 restarts']])
})

test('a preStop hook runs within the grace period, and a postStart hook that fails has the container started again', () => {
  const leave: readonly [number, Action] = [60_000, { kind: 'DeletePod', nth: 0, force: false }]
  const { history } = runOf({ lifecycle: { postStart: {}, preStop: { sleep: { seconds: 4 } } } }, { postStartFails: 1 }, [leave])
  const steps = history.flatMap((seen) =>
    seen.kind === 'HookChanged'
      ? [`${seen.hook} ${seen.outcome}`]
      : seen.kind === 'StopSignal'
        ? [`${seen.signal}, ${seen.graceMs} ms, ${seen.reason}`]
        : [],
  )
  expect(steps).toEqual([
    ...['postStart begun', 'postStart failed', 'preStop begun', 'preStop succeeded', 'TERM, 6000 ms, its postStart hook failed'],
    ...['postStart begun', 'postStart succeeded', 'preStop begun', 'preStop succeeded', 'TERM, 6000 ms, deleted'],
  ])
})

test('manifests: what cannot be known of probes and hooks is said', () => {
  expect(notSimulated(podWith({ livenessProbe: {}, lifecycle: { preStop: { exec: { command: ['sleep', '5'] } } } }))).toEqual([])
  expect(
    notSimulated(podWith({ livenessProbe: { periodSeconds: 1 }, lifecycle: { postStart: { exec: { command: ['warm-up'] } } } })),
  ).toEqual([
    'what its lifecycle hooks do is not known: but for a sleep in them they take a moment, and succeed',
    'the liveness probe of container main may give up 2 s after its start, and programs here take up to 3 s to start: it may be started again and again',
  ])
})
