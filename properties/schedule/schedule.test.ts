import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { profilesOf, type SchedulerConfiguration } from '../../impl/scheduler/config.ts'
import { explanationLines, placementLines } from '../../reports/schedule.ts'
import { annotated } from './annotations.ts'
import { placePending, type Placement } from './place.ts'
import { readCluster } from './read.ts'
import { Recorder } from './record.ts'

const file = (text: string, name = 'cluster.yaml'): string => {
  const path = join(mkdtempSync(join(tmpdir(), 'schedule-')), name)
  writeFileSync(path, text)
  return path
}

const node = (name: string, more = '') => `
apiVersion: v1
kind: Node
metadata: { name: ${name}, labels: { kubernetes.io/hostname: ${name} }, managedFields: [{ manager: kubelet }] }
${more}
status: { allocatable: { cpu: "4", memory: 8Gi, pods: 110 }, conditions: null, unheardOf: 1 }
---`
const pod = (name: string, cpu: number, more = '') => `
apiVersion: v1
kind: Pod
metadata: { name: ${name} }
spec: { ${more} containers: [{ name: main, image: web, resources: { requests: { cpu: "${cpu}" } } }] }
---`
const TAINTED = 'spec: { taints: [{ key: gpu, effect: NoSchedule }] }'

const placed = (text: string, configuration: SchedulerConfiguration = {}): readonly Placement[] => {
  const recorder = new Recorder()
  return placePending(readCluster([file(text)]), profilesOf(configuration, recorder.registry), recorder)
}

test('a pod that fits nowhere hears why of every node, in the words of Kubernetes', () => {
  const placements = placed(`${node('a')}${node('b')}${node('c', TAINTED)}${pod('large', 40)}`)
  expect([...placementLines(placements), ...placements.flatMap(explanationLines)].join('\n')).toMatchInlineSnapshot(`
    "pod            node
    default/large  –     0/3 nodes are available: 1 node(s) had untolerated taint(s), 2 Insufficient cpu.

    default/large → no node
      0/3 nodes are available: 1 node(s) had untolerated taint(s), 2 Insufficient cpu.
      filtered: 0 of 3 nodes examined would do
          a, b  NodeResourcesFit  Insufficient cpu
          c     TaintToleration   node(s) had untolerated taint(s)"
  `)
})

test('scores are shown raw, normalized and weighted, and the best total is taken', () => {
  const strategy = { name: 'NodeResourcesFit', args: { scoringStrategy: { type: 'MostAllocated' } } }
  const plugins = { score: { enabled: [{ name: 'NodeResourcesFit', weight: 5 }] } }
  const [web] = placed(`${node('a')}${node('b')}${pod('there', 2, 'nodeName: b,')}${pod('web', 1)}`, {
    profiles: [{ plugins, pluginConfig: [strategy] }],
  })
  expect(web?.node).toBe('b')
  const annotations = annotated(web as Placement).metadata.annotations ?? {}
  const said = (name: string): unknown => JSON.parse(annotations[`kube-scheduler-simulator.sigs.k8s.io/${name}`] as string)
  expect(said('filter-result')).toMatchObject({ a: { NodeResourcesFit: 'passed' }, b: { NodeResourcesFit: 'passed' } })
  expect(said('score-result')).toMatchObject({ a: { NodeResourcesFit: '13' }, b: { NodeResourcesFit: '39' } })
  expect(said('finalscore-result')).toMatchObject({ a: { NodeResourcesFit: '65' }, b: { NodeResourcesFit: '195' } })
  expect(annotations['kube-scheduler-simulator.sigs.k8s.io/selected-node']).toBe('b')
})

test('who is more important preempts, is nominated, and is placed when the victims have gone', () => {
  const [urgent] = placed(`${node('a')}${pod('low', 3, 'nodeName: a,')}${pod('urgent', 2, 'priority: 10,')}`)
  expect(
    urgent?.attempts.map(({ preemption, node: to }) => [preemption?.node, preemption?.victims.map(({ metadata }) => metadata.name), to]),
  ).toEqual([
    ['a', ['low'], null],
    [undefined, undefined, 'a'],
  ])
  expect(annotated(urgent as Placement).status.nominatedNodeName).toBe('a')
})

test('a pod that another one has to be there for is tried again once it is', () => {
  const term = '{ labelSelector: { matchLabels: { app: db } }, topologyKey: kubernetes.io/hostname }'
  const wants = `priority: 5, affinity: { podAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [${term}] } },`
  const database = pod('db', 1).replace('{ name: db }', '{ name: db, labels: { app: db } }')
  const placements = placed(`${node('a')}${pod('near', 1, wants)}${database}`)
  expect(placements.map(({ node: to, attempts }) => [to, attempts.length])).toEqual([
    ['a', 2],
    ['a', 1],
  ])
})

test('workloads stand for the pods that are missing of them; what their owner makes is not made twice', () => {
  const template = 'template: { metadata: { labels: { app: web } }, spec: { containers: [{ name: main }] } }'
  const owned = 'ownerReferences: [{ apiVersion: apps/v1, kind: Deployment, name: web, uid: u, controller: true }]'
  const spec = `spec: { replicas: 3, selector: { matchLabels: { app: web } }, ${template} }`
  const there = pod('web-x', 1, 'nodeName: a,').replace('{ name: web-x }', '{ name: web-x, labels: { app: web } }')
  const text = `${node('a')}${node('b', TAINTED)}${there}
apiVersion: apps/v1
kind: Deployment
metadata: { name: web }
${spec}
---
apiVersion: apps/v1
kind: ReplicaSet
metadata: { name: web-1, ${owned} }
${spec}
---
apiVersion: apps/v1
kind: DaemonSet
metadata: { name: agent }
spec: { selector: { matchLabels: { app: agent } }, ${template.replace('web', 'agent')} }
`
  expect(placed(text).map(({ pod: { metadata }, node: to }) => [metadata.name, to])).toEqual([
    ['web-1', 'a'],
    ['web-2', 'a'],
    ['agent-a', 'a'],
  ])
})

const GANGS: SchedulerConfiguration = {
  profiles: [
    {
      plugins: {
        multiPoint: { enabled: [{ name: 'Coscheduling' }] },
        queueSort: { enabled: [{ name: 'Coscheduling' }], disabled: [{ name: '*' }] },
      },
    },
  ],
}
test('a group is placed as a whole or not at all, and what it gives back is had by others', () => {
  const group = (name: string, minMember: number): string =>
    `\napiVersion: scheduling.x-k8s.io/v1alpha1\nkind: PodGroup\nmetadata: { name: ${name} }\nspec: { minMember: ${minMember} }\n---`
  const member = (name: string, of: string): string =>
    pod(name, 2).replace(`{ name: ${name} }`, `{ name: ${name}, labels: { scheduling.x-k8s.io/pod-group: ${of} } }`)
  const large = ['l0', 'l1', 'l2'].map((name) => member(name, 'large')).join('')
  const small = ['s0', 's1'].map((name) => member(name, 'small')).join('')
  const placements = placed(`${node('a')}${group('large', 3)}${group('small', 2)}${large}${small}`, GANGS)
  expect(placements.map(({ pod: { metadata }, node: to }) => `${metadata.name} ${to}`)).toEqual([
    'l0 null',
    'l1 null',
    'l2 null',
    's0 a',
    's1 a',
  ])
  expect(placements[0]?.attempts[0]?.message).toBe('PodGroup large gets rejected due to Pod l2 is unschedulable even after PostFilter')
  const annotations = annotated(placements[3] as Placement).metadata.annotations ?? {}
  expect(annotations['kube-scheduler-simulator.sigs.k8s.io/permit-result']).toBe('{"Coscheduling":"wait"}')
})

test('two plugins that sort the queue are one too many', () => {
  const multiPoint = { enabled: [{ name: 'Coscheduling' }] }
  expect(() => profilesOf({ profiles: [{ plugins: { multiPoint } }] })).toThrow(
    /one plugin that sorts the queue, found PrioritySort, Coscheduling/,
  )
})

test('a list as kubectl prints it is read, whatever else its objects hold', () => {
  const items = [
    { metadata: { name: 'a', resourceVersion: '7' }, status: { allocatable: { cpu: '1', memory: '1Gi', pods: '5' }, nodeInfo: {} } },
  ]
  const cluster = readCluster([file(JSON.stringify({ apiVersion: 'v1', kind: 'NodeList', metadata: {}, items }), 'nodes.json')])
  expect(cluster.nodes.map(({ metadata }) => metadata.name)).toEqual(['a'])
})

// Each: what is wrong, and the one line it gives.
test.for<readonly [string, string, RegExp]>([
  ['no node', pod('web', 1), /cluster\.yaml: expected at least one Node, found none among 1 objects/],
  [
    'a node without allocatable',
    'kind: Node\nmetadata: { name: a }\n',
    /cluster\.yaml:1: Node a: status\.allocatable: expected what the node offers/,
  ],
  [
    'a quantity that is none',
    node('a') + pod('web', 1).replace('"1"', 'much'),
    /Pod default\/web: spec\.containers\.0\.resources\.requests\.cpu: expected a quantity such as 500m or 2Gi, found "much"/,
  ],
  [
    'a field of the wrong type',
    node('a') + pod('web', 1, 'priority: high,'),
    /cluster\.yaml:\d+: Pod default\/web: spec\.priority: expected an integer/,
  ],
  [
    'a priority class nobody knows',
    node('a') + pod('web', 1, 'priorityClassName: gold,'),
    /spec\.priorityClassName: expected a PriorityClass .* 'gold'/,
  ],
])('%s is one line with file, object and field', ([, text, expected]) => {
  expect(() => placed(text)).toThrow(expected)
})
