/** What one kind of workload brings into suite `workloads`: the objects that come first, and what its users do then. */
import type fc from 'fast-check'
import type { ClusterShape, Manifest, UserAction } from '../../model/state/plan.ts'

export interface Workload {
  /** In the order in which they are applied, all in namespace default. */
  readonly manifests: readonly Manifest[]
  readonly users: fc.Arbitrary<UserAction>
  /** How its programs end, by image, where it matters. */
  readonly programs?: ClusterShape['programs']
}

/** Draws a workload whose objects have this name, so that several of one kind stand side by side. */
export type WorkloadGenerator = (name: string) => fc.Arbitrary<Workload>

/** A template of small pods that all carry the label `app`. */
export const template = (name: string, { cpu = '100m', graceSeconds = 5, tag = 1, ...spec }: TemplateKnobs = {}) => ({
  metadata: { labels: { app: name } },
  spec: {
    terminationGracePeriodSeconds: graceSeconds,
    containers: [{ name: 'main', image: `registry.example/${name}:${tag}`, resources: { requests: { cpu, memory: '64Mi' } } }],
    ...spec,
  },
})

export interface TemplateKnobs {
  readonly cpu?: string
  readonly graceSeconds?: number
  /** Of the image. */
  readonly tag?: number
  /** Further fields of the pod's spec. */
  readonly [field: string]: unknown
}
