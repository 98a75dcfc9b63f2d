/**
 * A controller of one's own, as a module exports it under the name `plugin`: what it serves, runs, does and promises.
 *
 * The controllers are written against the same client, informers and work queues as those of Kubernetes' own controller
 * manager here (impl/client/api.ts). See examples/controller.
 */
import type fc from 'fast-check'
import type { Controller } from '../../impl/client/api.ts'
import type { Invariant, Pending } from '../../model/invariant.ts'
import type { Cluster } from '../../model/state/cluster.ts'
import type { CustomResourceDefinition, Schema } from '../../model/state/custom.ts'
import type { Manifest, UserAction } from '../../model/state/plan.ts'
import type { ResourceName } from '../../model/state/resources.ts'

/** A kind of one's own. Its resource is called '<plural>.<group>'. */
export interface CustomKind {
  readonly group: string
  readonly version: string
  readonly kind: string
  readonly plural: string
  readonly namespaced: boolean
  /** Has a status subresource. */
  readonly status: boolean
  /** OpenAPI v3 schema of the spec: what the API server fills in and refuses. Absent: any. */
  readonly spec?: Schema
}

export interface ControllerPlugin {
  /** Lower case: names its processes, '<name>-0' and '<name>-1', and the Lease they are elected by. */
  readonly name: string
  readonly kinds: readonly CustomKind[]
  readonly controllers: readonly Controller[]
  /** The resources it watches: those whose events and caches faults are aimed at. */
  readonly watches: readonly ResourceName[]
  /** What is there to begin with, beside the definitions of its kinds. */
  readonly manifests: readonly Manifest[]
  /** What its users do: drawn from, again and again. */
  readonly actions: readonly UserAction[] | fc.Arbitrary<UserAction>
  readonly invariants: readonly Invariant[]
  readonly convergence: {
    /** Id and sentence under which it is reported. */
    readonly id: string
    readonly sentence: string
    /**
     * What still waits, for what, in words its users understand. Empty: it has converged. `others`: what Kubernetes' own
     * objects wait for; what waits for one of them that is blocked is blocked too.
     */
    pending(cluster: Cluster, others: readonly Pending[]): readonly Pending[]
  }
}

export const resourceOf = ({ plural, group }: CustomKind): ResourceName => `${plural}.${group}`

/** The definition that makes the API servers serve a kind. */
export const definitionOf = (own: CustomKind): Manifest => {
  const { group, version, kind, plural, namespaced, status, spec } = own
  const open: Schema = { type: 'object', 'x-kubernetes-preserve-unknown-fields': true }
  const schema = { openAPIV3Schema: { type: 'object', properties: { spec: spec ?? open, status: open } } } as const
  const defined: CustomResourceDefinition['spec'] = {
    group,
    scope: namespaced ? 'Namespaced' : 'Cluster',
    names: { plural, kind },
    versions: [{ name: version, served: true, storage: true, schema, ...(status ? { subresources: { status: {} } } : {}) }],
  }
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: resourceOf(own) },
    spec: defined,
  }
}
