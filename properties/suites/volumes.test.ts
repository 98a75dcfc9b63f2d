/**
 * What users are told while a disk is on its way from one node to another, and how long that takes.
 *
 * Method: one pod with a disk; its node goes in each of three ways, or a second pod wants the disk, elsewhere or there.
 */
import { expect, test } from 'vitest'
import type { Action, Plan, TimedAction } from '../../model/state/plan.ts'
import { CALM_WEATHER } from '../generators/plan.ts'
import { nodes, standardShape } from '../generators/shapes.ts'
import { simulated } from '../subjects/simulated.ts'

const apply = (apiVersion: string, kind: string, name: string, rest: object): Action => {
  const metadata = kind === 'StorageClass' ? { name } : { name, namespace: 'default' }
  return { kind: 'Apply', object: { apiVersion, kind, metadata, ...rest } }
}
const labels = { app: 'store' }
const template = {
  metadata: { labels },
  spec: {
    terminationGracePeriodSeconds: 5,
    containers: [{ name: 'main', image: 'registry.example/store:1', resources: { requests: { cpu: '3' } } }],
    volumes: [{ name: 'data', persistentVolumeClaim: { claimName: 'data' } }],
  },
}
const deployment = (replicas: number): Action =>
  apply('apps/v1', 'Deployment', 'store', { spec: { replicas, selector: { matchLabels: labels }, template } })
const opening = (mode: string): readonly Action[] => [
  apply('storage.k8s.io/v1', 'StorageClass', 'disk', { provisioner: 'provisioner.example/disk' }),
  apply('v1', 'PersistentVolumeClaim', 'data', {
    spec: { accessModes: [mode], storageClassName: 'disk', resources: { requests: { storage: '1Gi' } } },
  }),
  deployment(1),
]
const SETTLED_MS = 90_000

const observed = (actions: readonly TimedAction[], calmMs: number) => {
  const plan: Plan = {
    format: 1,
    suite: 'volumes',
    seed: 'volumes',
    cluster: standardShape(nodes(2)),
    weather: CALM_WEATHER,
    actions,
    stormMs: Math.max(SETTLED_MS, ...actions.map(({ atMs }) => atMs)) + 1_000,
    calmMs,
    quietMs: 60_000,
  }
  return simulated().run(plan)
}

const at = (atMs: number, actions: readonly Action[]): readonly TimedAction[] => actions.map((act) => ({ atMs, do: act }))

const run = (later: readonly Action[], calmMs: number, mode = 'ReadWriteOnce') => {
  const { history, pending } = observed([...at(20_000, opening(mode)), ...at(SETTLED_MS, later)], calmMs)
  const started = history.flatMap((seen) => (seen.kind === 'ContainerStarted' ? [seen.node] : []))
  const said = pending.map(({ object, waitsFor, blocked }) => `${object}${blocked ? ' (blocked)' : ''}: ${waitsFor}`)
  return {
    started,
    said: said.map((line) => line.replaceAll(/pvc-[0-9a-z-]+/g, 'the disk').replaceAll(/store-[a-z0-9]+-[a-z0-9]+/g, 'store')),
  }
}
const [first = ''] = run([], 30_000).started
const other = first === 'node-0' ? 'node-1' : 'node-0'

test('a node that is gone is waited for, and its disk then taken elsewhere', () => {
  const away: Action = { kind: 'DeleteNode', node: first }
  expect(run([away], 150_000)).toMatchInlineSnapshot(`
    {
      "said": [
        "VolumeAttachment csi-2sp2z25kzq: the disk to be detached from node-1, which is gone: it may be mounted there for 6 min",
        "Pod default/store: volume the disk to be detached from node-1, which is gone: it may be mounted there for 6 min",
        "ReplicaSet default/store-cmjp8bhr8s: 1 pods to be ready: 0 are",
        "Deployment default/store: 1 replicas to be available: 0 are",
      ],
      "started": [
        "node-1",
      ],
    }
  `)
  expect(run([away], 900_000)).toEqual({ started: [first, other], said: [] })
})

test('a dead node that its user calls out of service is not waited for', () => {
  const dead: Action = { kind: 'CrashMachine', target: first, restartMs: null }
  const taints = [{ key: 'node.kubernetes.io/out-of-service', value: 'nodeshutdown', effect: 'NoExecute' as const }]
  const given = run([dead, { kind: 'Taint', node: first, taints, remove: false }], 150_000)
  expect(given).toMatchInlineSnapshot(`
    {
      "said": [],
      "started": [
        "node-1",
        "node-0",
      ],
    }
  `)
})

test('a second pod on another node is told who has the disk', () => {
  expect(run([deployment(2)], 120_000)).toMatchInlineSnapshot(`
    {
      "said": [
        "Pod default/store (blocked): volume the disk, which is for one node at a time: Pod default/store uses it on node-1",
        "ReplicaSet default/store-cmjp8bhr8s (blocked): 2 pods to be ready: 1 are",
        "Deployment default/store (blocked): 2 replicas to be available: 1 are",
      ],
      "started": [
        "node-1",
      ],
    }
  `)
})

test('a second pod that was put on the same node past the scheduler is told who has a disk that is for one pod', () => {
  const rival = { spec: { ...template.spec, nodeName: first, containers: [{ name: 'main', image: 'registry.example/store:1' }] } }
  const given = run([apply('v1', 'Pod', 'rival', rival)], 120_000, 'ReadWriteOncePod')
  expect(given).toMatchInlineSnapshot(`
    {
      "said": [
        "Pod default/rival (blocked): volume the disk, which is for one pod at a time: Pod default/store has it",
      ],
      "started": [
        "node-1",
      ],
    }
  `)
})

// Method: no cache shows what becomes of attachments, while a pod goes and another comes to its node.
test('a node is not told again that it has a disk that is on its way off', () => {
  const frozen = (target: string): Action => ({ kind: 'FreezeCache', target, resource: 'volumeattachments', forMs: 13_000 })
  const away: Action = { kind: 'Delete', resource: 'deployments', name: 'default/store', propagation: 'Background' }
  const back = apply('v1', 'Pod', 'back', { spec: { ...template.spec, nodeName: first } })
  const later = [...at(SETTLED_MS, [frozen('kube-apiserver-0'), frozen('kube-apiserver-1'), away]), ...at(SETTLED_MS + 9_000, [back])]
  const { history } = observed([...at(20_000, opening('ReadWriteOnce')), ...later], 120_000)
  const moved = history.flatMap((seen) => (seen.atMs > SETTLED_MS && seen.kind.startsWith('Volume') ? [seen.kind] : []))
  expect(moved).toEqual(['VolumeUnmounted', 'VolumeDetached', 'VolumeAttached', 'VolumeMounted'])
})
