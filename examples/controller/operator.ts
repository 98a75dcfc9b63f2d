/**
 * The controller of Databases. It looks at what is there and at what should be, and takes a step: whatever it was told or not
 * told, and wherever an earlier one stopped.
 *
 * It never writes from a view of a Database that is older than the one somebody has written from before.
 */
import type { Controller, ControllerContext, Creation, Informer, Result, WorkQueue } from '../../impl/client/api.ts'
import type { Task } from '../../impl/task.ts'
import type { ApiObject, Service } from '../../model/state/objects.ts'
import type { PodDisruptionBudget } from '../../model/state/policy.ts'
import type { StatefulSet } from '../../model/state/stateful.ts'
import { childrenOf, DATABASES, generationOf, isRolledOut, ownerOf, type Child, type Database, type Wanted } from './database.ts'

const WORKERS = 2
type Outcome = 'done' | 'retry'

export const databaseOperator: Controller = (context) => {
  const operator = new DatabaseOperator(context)
  return { name: 'databases', start: () => operator.start() }
}

class DatabaseOperator {
  private readonly context: ControllerContext
  private readonly databases: Informer<Database>
  private readonly sets: Informer<StatefulSet>
  private readonly children: Readonly<Record<Wanted['resource'], Informer<Child>>>
  private readonly queue: WorkQueue

  constructor(context: ControllerContext) {
    this.context = context
    this.databases = context.informer(DATABASES)
    this.sets = context.informer('statefulsets')
    this.children = {
      statefulsets: this.sets,
      services: context.informer<Service>('services'),
      poddisruptionbudgets: context.informer<PodDisruptionBudget>('poddisruptionbudgets'),
    }
    this.queue = context.queue(WORKERS, (key) => this.reconcile(key))
  }

  start(): void {
    this.databases.onChange((before, after) => this.wake(after ?? before))
    for (const informer of Object.values(this.children)) informer.onChange((before, after) => this.childChanged(before, after))
  }

  private wake(database: ApiObject | null): void {
    if (database !== null) this.queue.add(`${database.metadata.namespace}/${database.metadata.name}`)
  }

  private childChanged(before: Child | null, after: Child | null): void {
    const child = after ?? before
    const owner = child === null ? undefined : ownerOf(child)
    if (child !== null && owner?.kind === 'Database') this.queue.add(`${child.metadata.namespace}/${owner.name}`)
  }

  private *reconcile(key: string): Task<Outcome> {
    const database = this.databases.get(key)
    // What belonged to it is the garbage collector's.
    if (database === undefined || database.metadata.deletionTimestamp !== undefined) return 'done'
    const wanted = childrenOf(database)
    for (const child of wanted) {
      const outcome = yield* this.ensure(key, database, child)
      if (outcome !== 'as wanted') return outcome
    }
    return yield* this.report(key, database)
  }

  /** One object as it should be. 'done': it is not, but what is on its way will bring this Database back. */
  private *ensure(key: string, database: Database, { resource, object }: Wanted): Task<Outcome | 'as wanted'> {
    const held = this.children[resource].get(key)
    if (held === undefined) return yield* this.make(database, resource, object)
    // Of a Database of the same name that is gone: it will go too.
    if (ownerOf(held)?.uid !== database.metadata.uid || held.metadata.deletionTimestamp !== undefined) return 'done'
    const { generation = 1 } = database.metadata
    // Somebody has seen more of this Database than this process has.
    if (generationOf(held) > generation) return 'done'
    if (generationOf(held) === generation && !differs(held, object)) return 'as wanted'
    const { labels, annotations } = object.metadata
    const metadata = { ...held.metadata, ...(labels && { labels }), ...(annotations && { annotations }) }
    const next = { ...held, metadata, spec: { ...held.spec, ...(object.spec as object) } } as Child
    // With the version it was made from: who wrote meanwhile is not overwritten.
    return outcomeOf(yield* this.context.client.update<Child>(resource, next))
  }

  /** Nothing is made for a Database that a look at the API itself does not show. */
  private *make(database: Database, resource: Wanted['resource'], object: Creation<Child>): Task<Outcome | 'as wanted'> {
    const { namespace, name, uid } = database.metadata
    const live = yield* this.context.client.get<Database>({ resource: DATABASES, namespace, name })
    if (!live.ok) return live.status.code === 404 ? 'done' : 'retry'
    if (live.value.metadata.uid !== uid || live.value.metadata.deletionTimestamp !== undefined) return 'done'
    return outcomeOf(yield* this.context.client.create<Child>(resource, object))
  }

  private *report(key: string, database: Database): Task<Outcome> {
    const set = this.sets.get(key)
    if (set === undefined) return 'done'
    const { generation = 1 } = database.metadata
    const isWhole = generationOf(set) === generation && isRolledOut(set)
    const version = isWhole ? database.spec.version : database.status?.version
    const status = { observedGeneration: generation, ready: set.status.readyReplicas ?? 0, ...(version === undefined ? {} : { version }) }
    const told = database.status
    if (told?.observedGeneration === generation && told.ready === status.ready && told.version === version) return 'done'
    const reply = yield* this.context.client.updateStatus<Database>(DATABASES, { ...database, status })
    return reply.ok ? 'done' : 'retry'
  }
}

/** In conflict with what is there: this process has not seen it yet, and will. */
const outcomeOf = (reply: Result<Child>): Outcome | 'as wanted' => {
  if (reply.ok) return 'as wanted'
  return reply.status.code === 409 ? 'done' : 'retry'
}

/** Whether what a Database decides of an object is otherwise than it should be. */
const differs = (held: Child, object: Creation<Child>): boolean => {
  const wanted = object.spec as Child['spec'] & StatefulSet['spec'] & PodDisruptionBudget['spec']
  switch (held.kind) {
    case 'StatefulSet': {
      const image = held.spec.template.spec.containers[0]?.image
      return held.spec.replicas !== wanted.replicas || image !== wanted.template.spec.containers[0]?.image
    }
    case 'PodDisruptionBudget':
      return held.spec.minAvailable !== wanted.minAvailable
    default:
      return false
  }
}
