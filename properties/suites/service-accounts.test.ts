/**
 * What users see of service accounts: a token is filled, goes with its account, and pods get what their account gives them.
 *
 * Method: a plan of a few commands; the secret's versions, and the pods as they were made.
 */
import { expect, test } from 'vitest'
import { claimsOf } from '../../model/components/service-account-tokens.ts'
import type { Pod } from '../../model/state/objects.ts'
import type { Action, Manifest, Plan } from '../../model/state/plan.ts'
import type { Secret } from '../../model/state/service-account.ts'
import { accounts } from '../generators/owners.ts'
import { CALM_WEATHER } from '../generators/plan.ts'
import { nodes, standardShape } from '../generators/shapes.ts'
import { simulated } from '../subjects/simulated.ts'

const [robot, token] = accounts as [Manifest, Manifest]
const pod = (name: string, spec: object = {}): Action => ({
  kind: 'Apply',
  object: {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: 'default' },
    spec: { containers: [{ name: 'main', image: 'registry.example/main:1' }], ...spec },
  },
})
const apply = (object: Manifest): Action => ({ kind: 'Apply', object })

const run = (actions: readonly Action[]) => {
  const plan: Plan = {
    format: 1,
    suite: 'service-accounts',
    seed: 'service-accounts',
    cluster: standardShape(nodes(1)),
    weather: CALM_WEATHER,
    actions: actions.map((act, index) => ({ atMs: 10_000 + 2_000 * index, do: act })),
    stormMs: 10_000 + 2_000 * actions.length,
    calmMs: 120_000,
    quietMs: 20_000,
  }
  const { history } = simulated().run(plan)
  const commits = history.flatMap((seen) => (seen.kind === 'Commit' ? [seen] : []))
  return {
    tokens: commits
      .filter(({ key }) => key === '/registry/secrets/default/robot-token')
      .map(({ after }) => (after?.value ?? null) as Secret | null),
    made: commits.flatMap(({ key, before, after }) =>
      key.startsWith('/registry/pods/default/') && before === null ? [after?.value as Pod] : [],
    ),
    said: history.flatMap((seen) => (seen.kind === 'UserActed' ? [seen.detail] : [])),
  }
}

test('a token is filled, and deleted when its account is another one of the same name', () => {
  const { tokens } = run([apply(robot), apply(token), { kind: 'Replace', object: robot }])
  expect(tokens).toHaveLength(3)
  const [asked, filled, gone] = tokens
  expect(asked).toMatchObject({ type: 'kubernetes.io/service-account-token' })
  expect(Object.keys(filled?.data ?? {})).toEqual(['ca.crt', 'namespace', 'token'])
  expect(claimsOf(filled as Secret)).toMatchObject({
    sub: 'system:serviceaccount:default:robot',
    'kubernetes.io/serviceaccount/service-account.uid': filled?.metadata.annotations?.['kubernetes.io/service-account.uid'],
  })
  expect(gone).toBeNull()
})

test('a token for nobody is not kept, and none is taken without a name', () => {
  const unnamed = { ...token, metadata: { ...token.metadata, annotations: {} } }
  const { tokens, said } = run([apply(unnamed), apply(token)])
  expect(said.find((line) => line.includes('refused'))).toContain('Required value')
  expect(tokens.at(-1)).toBeNull()
})

test('a pod gets the token of its account, unless one of them says no, and is refused without an account', () => {
  const silent = { ...robot, automountServiceAccountToken: false, imagePullSecrets: [{ name: 'registry' }] }
  const { made, said } = run([
    apply(silent),
    pod('plain'),
    pod('robots', { serviceAccountName: 'robot' }),
    pod('asks', { serviceAccountName: 'robot', automountServiceAccountToken: true }),
    pod('nobodys', { serviceAccountName: 'nobody' }),
  ])
  const facts = made.map(({ metadata, spec }) => ({
    name: metadata.name,
    account: spec.serviceAccountName,
    volumes: (spec.volumes ?? []).map(({ name }) => name.replace(/-[a-z0-9]{5}$/, '')),
    mounts: spec.containers.flatMap(({ volumeMounts = [] }) => volumeMounts.map(({ mountPath }) => mountPath)),
    pull: (spec.imagePullSecrets ?? []).map(({ name }) => name),
  }))
  expect(facts).toMatchInlineSnapshot(`
    [
      {
        "account": "default",
        "mounts": [
          "/var/run/secrets/kubernetes.io/serviceaccount",
        ],
        "name": "plain",
        "pull": [],
        "volumes": [
          "kube-api-access",
        ],
      },
      {
        "account": "robot",
        "mounts": [],
        "name": "robots",
        "pull": [
          "registry",
        ],
        "volumes": [],
      },
      {
        "account": "robot",
        "mounts": [
          "/var/run/secrets/kubernetes.io/serviceaccount",
        ],
        "name": "asks",
        "pull": [
          "registry",
        ],
        "volumes": [
          "kube-api-access",
        ],
      },
    ]
  `)
  expect(said.at(-1)).toContain('serviceaccount "nobody" not found')
})
