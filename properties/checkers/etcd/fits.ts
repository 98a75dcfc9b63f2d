/**
 * Whether an open write can be what made a revision, by what was seen of it: all that was seen is its work, and all of its
 * work that somebody would have seen was. Which branch a transaction took is not known: either will do.
 */
import type { KvRequest } from '../../../model/state/keyspace.ts'
import { UNTOLD, type Records } from './records.ts'
import type { Truth } from './truth.ts'

/** A version of a key that somebody saw of the revision. */
export interface SeenChange {
  readonly key: number
  readonly deleted: boolean
  readonly value: number
}

export class Fits {
  private readonly truth: Truth
  private readonly records: Records
  /** Whether some stream was told of all that a revision changed of a key. */
  private readonly covered: (key: number, revision: number) => boolean

  constructor(truth: Truth, records: Records, covered: (key: number, revision: number) => boolean) {
    this.truth = truth
    this.records = records
    this.covered = covered
  }

  /** In the state right before the revision. */
  fits(request: KvRequest, seen: readonly SeenChange[], revision: number): boolean {
    return branchesOf(request).some((parts) => this.explains(parts, seen) && this.shows(parts, seen, revision))
  }

  private explains(parts: readonly KvRequest[], seen: readonly SeenChange[]): boolean {
    return seen.every(({ key, deleted, value }) =>
      parts.some((part) => {
        if (part.kind === 'DeleteRange') return deleted && this.truth.covers(part, key)
        return part.kind === 'Put' && !deleted && this.records.keys.known(part.key) === key && this.wrote(part, value)
      }),
    )
  }

  private wrote(put: KvRequest & { kind: 'Put' }, value: number): boolean {
    return value === UNTOLD || put.ignoreValue === true || this.records.valueNumber(put.value) === value
  }

  private shows(parts: readonly KvRequest[], seen: readonly SeenChange[], revision: number): boolean {
    const told = (key: number): boolean => seen.some((change) => change.key === key) || !this.covered(key, revision)
    return parts.every((part) => {
      if (part.kind === 'Put') return told(this.records.keys.number(part.key))
      return part.kind !== 'DeleteRange' || this.truth.aliveIn(...this.truth.places(part)).every(told)
    })
  }
}

/** What a request may do: the parts of one branch after another, inner transactions unfolded. */
const branchesOf = (request: KvRequest): readonly (readonly KvRequest[])[] => {
  if (request.kind !== 'Txn') return [[request]]
  const unfold = (parts: readonly KvRequest[]): readonly (readonly KvRequest[])[] =>
    parts.reduce<readonly (readonly KvRequest[])[]>(
      (found, part) => found.flatMap((before) => branchesOf(part).map((own) => [...before, ...own])),
      [[]],
    )
  return [...unfold(request.success), ...unfold(request.failure)]
}
