/**
 * Writes whose outcome nobody was told, and what shows that they took effect: a value that only they wrote, a key that
 * only they deleted. Each takes effect at most once, and not before it was asked.
 */
import type { KeyRange, KvRequest } from '../../../model/state/keyspace.ts'
import { OPEN, type Calls } from './calls.ts'
import { UNTOLD, type Records } from './records.ts'

export const partsOf = (request: KvRequest): readonly KvRequest[] =>
  request.kind === 'Txn' ? [...request.success, ...request.failure].flatMap(partsOf) : [request]

export const writesSomething = (request: { readonly kind: string }): request is KvRequest =>
  request.kind === 'Put' ||
  request.kind === 'DeleteRange' ||
  (request.kind === 'Txn' && partsOf(request as KvRequest).some((part) => part.kind !== 'Range'))

export class OpenWrites {
  private readonly puts = new Map<string, number[]>()
  private readonly putsOfKey = new Map<number, { readonly call: number; readonly name: string; readonly value: number }[]>()
  private readonly keysOf = new Map<number, number[]>()
  private readonly seenTimes = new Map<string, number>()
  private readonly deletes: { readonly call: number; readonly range: KeyRange }[] = []
  /** Where each took effect. */
  readonly effect = new Map<number, number>()
  readonly all: number[] = []
  private readonly calls: Calls

  constructor(calls: Calls, records: Records) {
    this.calls = calls
    for (let call = 0; call < calls.length; call++) {
      const request = calls.requests[call]
      if (calls.outcome.at(call) !== OPEN || request === undefined || !writesSomething(request)) continue
      this.all.push(call)
      for (const part of partsOf(request)) {
        if (part.kind === 'Put') {
          const key = records.keys.number(part.key)
          // A put that keeps the value that was there has none of its own to be known by.
          const value = part.ignoreValue === true ? UNTOLD : records.valueNumber(part.value)
          const name = `${key}/${value}`
          append(this.puts, name, call)
          append(this.putsOfKey, key, { call, name, value })
          append(this.keysOf, call, key)
        } else if (part.kind === 'DeleteRange') this.deletes.push({ call, range: part })
      }
    }
    if (this.puts.size > 0) this.countSeen(records)
  }

  private countSeen(records: Records): void {
    for (let record = 0; record < records.length; record++) {
      const { key, value } = records.get(record)
      const name = `${key}/${value}`
      if (this.puts.has(name)) this.seenTimes.set(name, (this.seenTimes.get(name) ?? 0) + 1)
    }
  }

  /** One that put this value, may have done so at this revision, and fits; undefined: none. */
  putting(key: number, value: number, revision: number, fits: (call: number) => boolean = () => true): number | undefined {
    const able = (call: number): boolean => this.mayBe(call, revision) && fits(call)
    if (value === UNTOLD) return this.putsOfKey.get(key)?.find(({ call }) => able(call))?.call
    return this.puts.get(`${key}/${value}`)?.find(able) ?? this.puts.get(`${key}/${UNTOLD}`)?.find(able)
  }

  /** One that put something into a key that nobody ever saw, and may have done so at this revision. */
  puttingUnseen(key: number, revision: number): number | undefined {
    return (this.putsOfKey.get(key) ?? []).find(({ call, name }) => this.mayBe(call, revision) && this.unseen(name))?.call
  }

  private unseen(name: string): boolean {
    return (this.seenTimes.get(name) ?? 0) < (this.puts.get(name)?.length ?? 0)
  }

  /** The same for any key of which something holds, with what it put. */
  puttingUnseenIf(
    holds: (key: number) => boolean,
    revision: number,
  ): { readonly call: number; readonly key: number; readonly value: number } | undefined {
    for (const [key, puts] of this.putsOfKey) {
      const found = holds(key) ? puts.find(({ call, name }) => this.mayBe(call, revision) && this.unseen(name)) : undefined
      if (found !== undefined) return { call: found.call, key, value: found.value }
    }
    return undefined
  }

  keysPutBy(call: number): readonly number[] {
    return this.keysOf.get(call) ?? []
  }

  /** Whether any open write, whatever was made of it, changes a key without being seen. */
  mayChange(key: number, covers: (range: KeyRange) => boolean): boolean {
    return this.mayPutIn((other) => other === key) || this.deletes.some(({ range }) => covers(range))
  }

  mayPutIn(holds: (key: number) => boolean): boolean {
    for (const [key, puts] of this.putsOfKey) if (holds(key) && puts.some(({ name }) => this.unseen(name))) return true
    return false
  }

  /** One that deletes, and had better put nothing: whoever saw the deletion saw no put of that revision. */
  deleting(covers: (range: KeyRange) => boolean, revision: number, fits: (call: number) => boolean = () => true): number | undefined {
    const able = this.deletes.filter(({ call, range }) => this.mayBe(call, revision) && covers(range) && fits(call))
    return (able.find(({ call }) => this.keysPutBy(call).length === 0) ?? able[0])?.call
  }

  /** Not resolved yet, and asked before anybody had seen the revision. */
  mayBe(call: number, revision: number): boolean {
    return !this.effect.has(call) && this.calls.seen.at(call) < revision
  }

  resolve(call: number, revision: number): void {
    this.effect.set(call, revision)
  }

  left(): readonly number[] {
    return this.all.filter((call) => !this.effect.has(call))
  }
}

const append = <Key, Item>(map: Map<Key, Item[]>, key: Key, item: Item): void => {
  const list = map.get(key)
  if (list === undefined) map.set(key, [item])
  else list.push(item)
}
