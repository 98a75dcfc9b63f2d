/**
 * What every plugin said of a pod at every point: plugins are wrapped, and the scheduler knows nothing of it.
 *
 * The same idea as kube-scheduler-simulator's wrapped plugins.
 */
import { PLUGINS, type Registry } from '../../impl/scheduler/config.ts'
import { isSkip, type Plugin, type Status } from '../../impl/scheduler/framework.ts'

/** Node → plugin → what it said. */
export type ByNode<T> = ReadonlyMap<string, ReadonlyMap<string, T>>

/** Of one attempt to place one pod. Texts as kube-scheduler-simulator has them. */
export interface PluginRecord {
  readonly preFilter: ReadonlyMap<string, string>
  /** Plugins that named the only nodes worth a look. */
  readonly preFilterNodes: ReadonlyMap<string, readonly string[]>
  readonly filter: ByNode<string>
  readonly preScore: ReadonlyMap<string, string>
  /** As the plugin gave it, and from 0 to 100 before its weight. */
  readonly raw: ByNode<number>
  readonly normalized: ByNode<number>
  readonly reserve: ReadonlyMap<string, string>
  readonly permit: ReadonlyMap<string, { readonly status: string; readonly timeoutMs: number }>
}

const PASSED = 'passed'
const SUCCESS = 'success'

const put = <T>(byNode: Map<string, Map<string, T>>, node: string, plugin: string, value: T): void => {
  const own = byNode.get(node)
  if (own === undefined) byNode.set(node, new Map([[plugin, value]]))
  else own.set(plugin, value)
}

class Notes implements PluginRecord {
  readonly preFilter = new Map<string, string>()
  readonly preFilterNodes = new Map<string, readonly string[]>()
  readonly filter = new Map<string, Map<string, string>>()
  readonly preScore = new Map<string, string>()
  readonly raw = new Map<string, Map<string, number>>()
  readonly normalized = new Map<string, Map<string, number>>()
  readonly reserve = new Map<string, string>()
  readonly permit = new Map<string, { readonly status: string; readonly timeoutMs: number }>()
}

/** A skip says nothing. */
const messageOf = (status: Status | null, success: string): string => {
  if (status === null) return success
  return isSkip(status) ? '' : status.reasons.join(', ')
}

export class Recorder {
  /** Null: nobody wants to know. */
  private notes: Notes | null = null
  /** The plugins in the tree, wrapped: a registry to make profiles from. */
  readonly registry: Registry = Object.fromEntries(
    Object.entries(PLUGINS).map(([name, factory]) => [
      name,
      (args: unknown) => this.wrapped((factory as (given: unknown) => Plugin)(args)),
    ]),
  )

  begin(): void {
    this.notes = new Notes()
  }

  /** What was noted since `begin`. */
  end(): PluginRecord {
    const notes = this.notes ?? new Notes()
    this.notes = null
    return notes
  }

  /** What is tried for the sake of preemption is not what was decided. */
  aside<T>(work: () => T): T {
    const { notes } = this
    this.notes = null
    try {
      return work()
    } finally {
      this.notes = notes
    }
  }

  private wrapped(plugin: Plugin): Plugin {
    const { name } = plugin
    // What is remembered would not be asked again, and so not be heard.
    const { local: _local, ...asked } = plugin
    const own: { -readonly [member in keyof Plugin]: Plugin[member] } = { ...asked }
    if (plugin.preFilter !== undefined)
      own.preFilter = (cycle, pod) => {
        const result = plugin.preFilter?.(cycle, pod) ?? null
        const nodes = result !== null && 'nodeNames' in result ? [...result.nodeNames].toSorted() : null
        this.notes?.preFilter.set(name, messageOf(nodes === null ? (result as Status | null) : null, SUCCESS))
        if (nodes !== null) this.notes?.preFilterNodes.set(name, nodes)
        return result
      }
    if (plugin.filter !== undefined)
      own.filter = (cycle, pod, node) => {
        const status = plugin.filter?.(cycle, pod, node) ?? null
        if (this.notes !== null) put(this.notes.filter, node.name, name, messageOf(status, PASSED))
        return status
      }
    this.wrapScoring(plugin, own)
    if (plugin.reserve !== undefined)
      own.reserve = (cycle, pod, node) => {
        const status = plugin.reserve?.(cycle, pod, node) ?? null
        this.notes?.reserve.set(name, messageOf(status, SUCCESS))
        return status
      }
    if (plugin.permit !== undefined)
      own.permit = (cycle, pod, node) => {
        const answer = plugin.permit?.(cycle, pod, node) ?? { status: null, timeoutMs: 0 }
        const status = answer.status?.code === 'Wait' ? 'wait' : messageOf(answer.status, SUCCESS)
        this.notes?.permit.set(name, { status, timeoutMs: answer.timeoutMs })
        return answer
      }
    return own
  }

  private wrapScoring(plugin: Plugin, own: { -readonly [member in keyof Plugin]: Plugin[member] }): void {
    const { name } = plugin
    if (plugin.preScore !== undefined)
      own.preScore = (cycle, pod, nodes) => {
        const status = plugin.preScore?.(cycle, pod, nodes) ?? null
        this.notes?.preScore.set(name, messageOf(status, SUCCESS))
        return status
      }
    if (plugin.score === undefined) return
    own.score = (cycle, pod, node) => {
      const score = plugin.score?.(cycle, pod, node) ?? 0
      if (this.notes !== null) {
        put(this.notes.raw, node.name, name, score)
        put(this.notes.normalized, node.name, name, score)
      }
      return score
    }
    if (plugin.normalize === undefined) return
    own.normalize = (cycle, pod, scores, nodes) => {
      plugin.normalize?.(cycle, pod, scores, nodes)
      if (this.notes === null) return
      for (const [index, node] of nodes.entries()) put(this.notes.normalized, node.name, name, scores[index] as number)
    }
  }
}
