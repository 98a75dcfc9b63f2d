/** The specification as a machine. */
import { answer, EMPTY, type StoreRequest } from '../../model/components/etcd-store.ts'
import { eventsAt, startOf, startsTooEarly, watchesNothing } from '../../model/components/etcd-watch.ts'
import type { Revision, WatchCreateRequest, WatchEvent } from '../../model/state/keyspace.ts'
import type { Keyspace } from '../../model/state/system.ts'
import type { Answer, Machine, Stream } from './machine.ts'

interface Open {
  readonly request: WatchCreateRequest
  readonly start: Revision
  readonly events: WatchEvent[]
}

export const BASE: Keyspace = { ...EMPTY, compacted: 1 }

const close = (): void => undefined
const settle = (): Promise<void> => Promise.resolve()
const ended = (reason: string, compactRevision: Revision): Stream => ({ events: [], ended: { reason, compactRevision }, settle, close })

export class ModelMachine implements Machine {
  readonly name: string = 'specification'
  keyspace: Keyspace = BASE
  spaceLeft = true
  private open: Open[] = []

  reset(): Promise<Revision> {
    this.keyspace = BASE
    this.spaceLeft = true
    this.open = []
    return Promise.resolve(this.keyspace.revision)
  }

  ask(request: StoreRequest): Answer {
    const { keyspace, response } = answer(this.keyspace, request, this.spaceLeft)
    const changed = keyspace.revision > this.keyspace.revision
    this.keyspace = keyspace
    if (changed) for (const watch of this.open) this.deliver(watch, keyspace.revision)
    return response
  }

  alarm(raised: boolean): Promise<void> {
    this.spaceLeft = !raised
    return Promise.resolve()
  }

  watch(request: WatchCreateRequest): Promise<Stream> {
    const { keyspace } = this
    if (watchesNothing(request)) return Promise.resolve(ended('mvcc: watcher range is empty', 0))
    if (startsTooEarly(keyspace, request)) return Promise.resolve(ended('compacted', keyspace.compacted))
    const watch: Open = { request, start: startOf(keyspace, request), events: [] }
    for (let revision = watch.start; revision <= keyspace.revision; revision++) this.deliver(watch, revision)
    this.open.push(watch)
    return Promise.resolve({ events: watch.events, ended: null, settle, close })
  }

  stop(): Promise<void> {
    return Promise.resolve()
  }

  private deliver({ request, start, events }: Open, revision: Revision): void {
    if (revision >= start) events.push(...eventsAt(this.keyspace, request, revision))
  }
}
