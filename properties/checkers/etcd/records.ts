/**
 * What anybody was told of versions of keys: reads, previous values, watch events, commits.
 *
 * One row for each version of a key as somebody saw it. Two who saw the same share a row; two who saw it differently have
 * rows of their own, and at most one of them is right.
 */
import type { Stored } from '../../../model/state/keyspace.ts'
import { Integers, Names, Numbers } from './columns.ts'

/** A field that was not told. */
export const UNTOLD = -1

export interface Claim {
  readonly key: number
  readonly revision: number
  readonly deleted: boolean
  readonly createRevision: number
  readonly version: number
  readonly value: number
  readonly lease: number
}

export class Records {
  readonly keys = new Names()
  readonly values = new Names()
  private readonly heads = new Map<number, number>()
  private readonly nextOf = new Integers()
  private readonly keyOf = new Integers()
  private readonly revisionOf = new Numbers()
  private readonly deletedOf = new Integers()
  private readonly createOf = new Numbers()
  private readonly versionOf = new Numbers()
  private readonly valueOf = new Integers()
  private readonly leaseOf = new Numbers()
  private readonly committed = new Set<number>()

  get length(): number {
    return this.keyOf.length
  }

  valueNumber(value: unknown): number {
    return this.values.number(typeof value === 'string' ? value : `\0${JSON.stringify(value) ?? ''}`)
  }

  claimStored(key: string, stored: Stored, withValue: boolean): number {
    const { createRevision, modRevision, version, lease } = stored
    const value = withValue && stored.value !== undefined ? this.valueNumber(stored.value) : UNTOLD
    return this.claim({ key: this.keys.number(key), revision: modRevision, deleted: false, createRevision, version, value, lease })
  }

  claim(claim: Claim): number {
    const { key, revision, deleted, createRevision, version, value, lease } = claim
    const head = this.heads.get(revision) ?? -1
    for (let row = head; row >= 0; row = this.nextOf.at(row)) if (this.agrees(row, claim)) return this.complete(row, claim)
    this.keyOf.push(key)
    this.revisionOf.push(revision)
    this.deletedOf.push(deleted ? 1 : 0)
    this.createOf.push(createRevision)
    this.versionOf.push(version)
    this.valueOf.push(value)
    this.leaseOf.push(lease)
    const row = this.nextOf.push(head)
    this.heads.set(revision, row)
    return row
  }

  /** A commit is not a claim: it is what happened. */
  markCommitted(row: number): void {
    this.committed.add(row)
  }

  isCommitted(row: number): boolean {
    return this.committed.has(row)
  }

  private agrees(row: number, claim: Claim): boolean {
    const same = (held: number, told: number): boolean => held === told || held === UNTOLD || told === UNTOLD
    return (
      this.keyOf.at(row) === claim.key &&
      (this.deletedOf.at(row) === 1) === claim.deleted &&
      same(this.valueOf.at(row), claim.value) &&
      same(this.versionOf.at(row), claim.version) &&
      same(this.createOf.at(row), claim.createRevision) &&
      same(this.leaseOf.at(row), claim.lease)
    )
  }

  private complete(row: number, { createRevision, version, value, lease }: Claim): number {
    if (this.createOf.at(row) === UNTOLD) this.createOf.set(row, createRevision)
    if (this.versionOf.at(row) === UNTOLD) this.versionOf.set(row, version)
    if (this.valueOf.at(row) === UNTOLD) this.valueOf.set(row, value)
    if (this.leaseOf.at(row) === UNTOLD) this.leaseOf.set(row, lease)
    return row
  }

  get(row: number): Claim {
    return {
      key: this.keyOf.at(row),
      revision: this.revisionOf.at(row),
      deleted: this.deletedOf.at(row) === 1,
      createRevision: this.createOf.at(row),
      version: this.versionOf.at(row),
      value: this.valueOf.at(row),
      lease: this.leaseOf.at(row),
    }
  }

  key(row: number): number {
    return this.keyOf.at(row)
  }

  revision(row: number): number {
    return this.revisionOf.at(row)
  }

  deleted(row: number): boolean {
    return this.deletedOf.at(row) === 1
  }

  /** Rows of one revision, the latest claim first. */
  *at(revision: number): Iterable<number> {
    for (let row = this.heads.get(revision) ?? -1; row >= 0; row = this.nextOf.at(row)) yield row
  }

  revisions(): Float64Array {
    return Float64Array.from(this.heads.keys()).toSorted()
  }

  text(row: number): string {
    const { key, revision, deleted, value, version, createRevision } = this.get(row)
    const name = this.keys.text(key)
    if (deleted) return `${name} deleted at revision ${revision}`
    const shown = value === UNTOLD ? '' : `=${this.valueText(value)}`
    return `${name}${shown} (revision ${revision}, created ${createRevision}, version ${version})`
  }

  valueText(value: number): string {
    if (value === UNTOLD) return 'a value that nobody saw'
    const text = this.values.text(value)
    return text.startsWith('\0') ? text.slice(1) : JSON.stringify(text)
  }
}
