/**
 * What the API server does with one kind on its way in: fill in, set up, keep what may not change, refuse.
 *
 * Source: kubernetes/kubernetes pkg/registry/<group>/<kind>/strategy.go, pkg/apis/<group>/v1/defaults.go.
 */
import type { ApiObject } from '../../../model/state/objects.ts'

export type Loose = Readonly<Record<string, unknown>>

/** Throws Refusal: 422, the field and why. */
export type Refuse = (field: string, why: string) => never

export interface Kind {
  /** The spec with its defaults. Applying it twice changes nothing. Absent: the kind has no spec, or takes it as it is. */
  readonly defaults?: (spec: Loose) => Loose
  /** The status of a new object; what its creator says of it is given, and mostly ignored. */
  readonly initialStatus?: (given: Loose | undefined) => Loose
  /** What creation sets that depends on the whole object. */
  readonly create?: (object: ApiObject) => ApiObject
  /** What follows from the whole object as admission has left it. */
  readonly settle?: (object: ApiObject) => ApiObject
  /** What an update of the main resource leaves as it is. */
  readonly keep?: (held: ApiObject, updated: ApiObject, refuse: Refuse) => ApiObject
  /** What a request to delete it makes of it first. Throws Refusal. */
  readonly ending?: (held: ApiObject) => ApiObject
  /** Something else than finalizers of its metadata keeps it from being removed. */
  readonly heldBack?: (object: ApiObject) => boolean
  /** Judges the whole object, when it is made and whenever it changes. */
  readonly validate?: (object: ApiObject, refuse: Refuse) => void
}
