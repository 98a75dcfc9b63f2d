/**
 * A scenario as its user would see it: what was typed, what the controllers did, what `rollout status` says, and tables.
 *
 * Names that are drawn are told apart by number and letter instead, and messages and pods always take the same time, so that a
 * transcript changes only when what it shows does. Of counts that only rise the first is shown, as whoever waits reads them.
 * Source of the sentences: kubectl pkg/polymorphichelpers/rollout_status.go.
 */
import { Fold } from '../../model/fold.ts'
import type { Observation } from '../../model/state/history.ts'
import type { Deployment, Pod, ReplicaSet } from '../../model/state/objects.ts'
import type { Plan, UserAction } from '../../model/state/plan.ts'
import { prefixOf } from '../../model/state/resources.ts'
import { CALM_WEATHER } from '../generators/plan.ts'
import { nodes, standardShape } from '../generators/shapes.ts'
import { simulated } from '../subjects/simulated.ts'
import type { Scenario } from './rollouts.ts'

const REVISION = 'deployment.kubernetes.io/revision'
const MARGIN = ' '.repeat(9)

const planOf = ({ name, steps, untilSeconds }: Scenario): Plan => ({
  format: 1,
  suite: 'scenario',
  seed: name,
  cluster: {
    ...standardShape(nodes(2), { podStartMs: [1_000, 1_000], podStopMs: [2_000, 2_000] }),
    members: 1,
    apiservers: 1,
    controllerManagers: 1,
    schedulers: 1,
  },
  weather: { ...CALM_WEATHER, latencyMs: [1, 1], diskSyncMs: [1, 1] },
  actions: steps.flatMap(({ atSeconds, do: action }) => (typeof action === 'string' ? [] : [{ atMs: atSeconds * 1000, do: action }])),
  stormMs: untilSeconds * 1000,
  calmMs: 0,
  quietMs: 0,
})

/** As it is typed. */
const command = (action: UserAction | 'get' | 'history'): string => {
  if (action === 'get') return 'kubectl get deployments,replicasets,pods'
  if (action === 'history') return 'kubectl rollout history deployments/web'
  switch (action.kind) {
    case 'Apply':
      return `kubectl apply -f ${action.object.metadata.name}.yaml`
    case 'SetImage':
      return `kubectl set image deployments/web main=${action.image}`
    case 'Scale':
      return `kubectl scale deployments/web --replicas=${action.replicas}`
    case 'Pause':
      return `kubectl rollout ${action.paused ? 'pause' : 'resume'} deployments/web`
    case 'Rollback':
      return `kubectl rollout undo deployments/web${action.revision === 0 ? '' : ` --to-revision=${action.revision}`}`
    default:
      throw new Error(`no scenario does ${action.kind}`)
  }
}

export const transcript = (scenario: Scenario): string => {
  const session = new Session()
  const left = [...scenario.steps]
  for (const seen of simulated().run(planOf(scenario)).history) {
    while (left[0] !== undefined && seen.atMs >= left[0].atSeconds * 1000) session.type(left.shift() as Scenario['steps'][number])
    session.observe(seen)
  }
  return `# ${scenario.sentence}\n\n${session.lines.join('\n')}\n`
}

class Session {
  readonly lines: string[] = []
  private readonly fold = new Fold()
  private readonly sets = new Map<string, string>()
  private readonly pods = new Map<string, string>()
  /** What the last line of `rollout status` said, but for how many are available. */
  private status = ''
  /** The last thing shown was a table. */
  private looked = false

  type({ atSeconds, do: action }: Scenario['steps'][number]): void {
    this.lines.push(...(this.lines.length === 0 ? [] : ['']), `${String(atSeconds).padStart(5)} s  $ ${command(action)}`)
    this.looked = false
    if (action === 'get') this.say(...this.tables(atSeconds))
    if (action === 'history') this.say(...this.revisions())
    this.looked = typeof action === 'string'
  }

  observe(seen: Observation): void {
    this.fold.observe(seen)
    if (seen.kind !== 'Commit' || seen.after === null) return
    if (seen.key.startsWith(prefixOf('replicasets')))
      this.resized(seen.before?.value as ReplicaSet | undefined, seen.after.value as ReplicaSet)
    if (!seen.key.startsWith(prefixOf('deployments'))) return
    const status = rolloutStatus(seen.after.value as Deployment)
    const kind = status.replaceAll(/\d+ (?=of )/g, '')
    if (kind === this.status) return
    this.status = kind
    this.say(status)
  }

  /** In the words of the event that its controller records. */
  private resized(before: ReplicaSet | undefined, { metadata, spec }: ReplicaSet): void {
    const from = before?.spec.replicas
    const name = this.setName(metadata.name)
    if (from === undefined && spec.replicas > 0) this.say(`Scaled up replica set ${name} to ${spec.replicas}`)
    if (from === undefined || from === spec.replicas) return
    this.say(`Scaled ${spec.replicas > from ? 'up' : 'down'} replica set ${name} to ${spec.replicas} from ${from}`)
  }

  private say(...lines: readonly string[]): void {
    if (this.looked) this.lines.push('')
    this.looked = false
    this.lines.push(...lines.map((line) => (line === '' ? '' : MARGIN + line)))
  }

  private all<T>(resource: string): readonly T[] {
    const found: T[] = []
    for (const [key, { value }] of this.fold.context.cluster.store) if (key.startsWith(prefixOf(resource))) found.push(value as T)
    return found
  }

  private setName(name: string): string {
    const known = this.sets.get(name)
    if (known !== undefined) return known
    const given = `web-${this.sets.size + 1}`
    this.sets.set(name, given)
    return given
  }

  private podName({ metadata }: Pod): string {
    const known = this.pods.get(metadata.uid)
    if (known !== undefined) return known
    const given = `${this.setName(metadata.ownerReferences?.[0]?.name ?? '')}-${letters(this.pods.size)}`
    this.pods.set(metadata.uid, given)
    return given
  }

  private tables(atSeconds: number): readonly string[] {
    const age = ({ metadata }: Pod | ReplicaSet | Deployment): string => {
      const created = this.fold.context.history.versions(
        `${prefixOf(PLURAL[metadata.ownerReferences?.[0]?.kind ?? ''] ?? 'deployments')}default/${metadata.name}`,
      )
      return `${atSeconds - Math.floor((created[0]?.atMs ?? 0) / 1000)}s`
    }
    const deployments = this.all<Deployment>('deployments').map((one) => {
      const { readyReplicas = 0, updatedReplicas = 0, availableReplicas = 0 } = one.status
      return [`deployment.apps/${one.metadata.name}`, `${readyReplicas}/${one.spec.replicas}`, updatedReplicas, availableReplicas, age(one)]
    })
    const sets = this.all<ReplicaSet>('replicasets').map((one) => {
      const { replicas, readyReplicas = 0 } = one.status
      return [`replicaset.apps/${this.setName(one.metadata.name)}`, one.spec.replicas, replicas, readyReplicas, age(one)]
    })
    const pods = this.all<Pod>('pods')
      .toSorted((one, other) => (one.metadata.creationTimestamp < other.metadata.creationTimestamp ? -1 : 1))
      .map((one) => [`pod/${this.podName(one)}`, isReady(one) ? '1/1' : '0/1', podStatus(one), age(one)])
    const byName = (rows: readonly Row[]): readonly Row[] => rows.toSorted(([one], [other]) => (String(one) < String(other) ? -1 : 1))
    return [
      ...table(['NAME', 'READY', 'UP-TO-DATE', 'AVAILABLE', 'AGE'], deployments),
      '',
      ...table(['NAME', 'DESIRED', 'CURRENT', 'READY', 'AGE'], byName(sets)),
      '',
      ...table(['NAME', 'READY', 'STATUS', 'AGE'], byName(pods)),
    ]
  }

  private revisions(): readonly string[] {
    const rows = this.all<ReplicaSet>('replicasets').map((set) => [
      Number(set.metadata.annotations?.[REVISION]),
      this.setName(set.metadata.name),
      set.spec.template.spec.containers[0]?.image ?? '',
    ])
    return table(
      ['REVISION', 'REPLICASET', 'IMAGE'],
      rows.toSorted(([one], [other]) => Number(one) - Number(other)),
    )
  }
}

/** Of what a kind owns. */
const PLURAL: Readonly<Record<string, string>> = { Deployment: 'replicasets', ReplicaSet: 'pods' }

type Row = readonly (string | number)[]

const table = (head: readonly string[], rows: readonly Row[]): readonly string[] => {
  const cells = [head, ...rows.map((row) => row.map(String))]
  const widths = head.map((_, column) => Math.max(...cells.map((row) => (row[column] ?? '').length)))
  return cells.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('   ')
      .trimEnd(),
  )
}

/** 0 → 'a', 25 → 'z', 26 → 'aa' */
const letters = (index: number): string =>
  (index < 26 ? '' : letters(Math.floor(index / 26) - 1)) + String.fromCodePoint('a'.charCodeAt(0) + (index % 26))

const isReady = (pod: Pod): boolean => pod.status.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') === true

const podStatus = (pod: Pod): string => {
  if (pod.metadata.deletionTimestamp !== undefined) return 'Terminating'
  const waiting = pod.status.containerStatuses?.find(({ state }) => state.waiting !== undefined)?.state.waiting
  if (waiting !== undefined) return waiting.reason
  return pod.status.phase === 'Pending' && pod.spec.nodeName !== undefined ? 'ContainerCreating' : pod.status.phase
}

/** What `kubectl rollout status` would say now. */
const rolloutStatus = ({ metadata, spec, status }: Deployment): string => {
  const waits = `Waiting for deployment "${metadata.name}" rollout to finish:`
  const { replicas = 0, updatedReplicas = 0, availableReplicas = 0, observedGeneration = 0, conditions = [] } = status
  if ((metadata.generation ?? 0) > observedGeneration) return 'Waiting for deployment spec update to be observed...'
  if (conditions.some(({ reason }) => reason === 'ProgressDeadlineExceeded'))
    return `error: deployment "${metadata.name}" exceeded its progress deadline`
  if (updatedReplicas < spec.replicas) return `${waits} ${updatedReplicas} out of ${spec.replicas} new replicas have been updated...`
  if (replicas > updatedReplicas) return `${waits} ${replicas - updatedReplicas} old replicas are pending termination...`
  if (availableReplicas < updatedReplicas) return `${waits} ${availableReplicas} of ${updatedReplicas} updated replicas are available...`
  return `deployment "${metadata.name}" successfully rolled out`
}
