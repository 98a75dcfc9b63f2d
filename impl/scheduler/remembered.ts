/**
 * What local plugins said of a node for pods of one spec: it holds until the node changes, which its generation tells.
 */
import type { Cycle, Plugin, Status } from './framework.ts'
import type { NodeInfo, PodInfo } from './node-info.ts'

/** Of pods of one spec. */
export class Remembered {
  private readonly generations: number[] = []
  private readonly statuses: (Status | null)[] = []
  /** When a node was last scored, by its place; and by plugin what it was then. */
  private readonly scored: number[] = []
  private readonly scores = new Map<string, number[]>()

  /** Undefined: nothing is known of the node as it is now. */
  status({ place, generation }: NodeInfo): Status | null | undefined {
    return this.generations[place] === generation ? this.statuses[place] : undefined
  }

  remember({ place, generation }: NodeInfo, status: Status | null): void {
    while (this.generations.length <= place) {
      this.generations.push(0)
      this.statuses.push(null)
    }
    this.generations[place] = generation
    this.statuses[place] = status
  }

  /** Asks each of the plugins about the nodes that have changed. Always the same plugins. */
  score(plugins: readonly Plugin[], cycle: Cycle, pod: PodInfo, nodes: readonly NodeInfo[]): void {
    const columns = plugins.map(({ name }) => this.columnOf(name))
    for (const node of nodes) {
      const { place, generation } = node
      if (this.scored[place] === generation) continue
      while (this.scored.length <= place) {
        this.scored.push(0)
        for (const column of columns) column.push(0)
      }
      this.scored[place] = generation
      for (let index = 0; index < plugins.length; index++)
        (columns[index] as number[])[place] = plugins[index]?.score?.(cycle, pod, node) ?? 0
    }
  }

  /** What a plugin says of each node, in their order. */
  scoresOf(plugin: string, places: readonly number[]): number[] {
    const column = this.columnOf(plugin)
    return places.map((place) => column[place] as number)
  }

  private columnOf(plugin: string): number[] {
    let column = this.scores.get(plugin)
    if (column === undefined) {
      column = []
      this.scores.set(plugin, column)
    }
    return column
  }
}

const SPECS_MOST = 256

export class Memory {
  private readonly bySpec = new Map<number, Remembered>()

  /** The spec that was not asked about for longest makes room. */
  of(spec: number): Remembered {
    const held = this.bySpec.get(spec)
    const remembered = held ?? new Remembered()
    this.bySpec.delete(spec)
    this.bySpec.set(spec, remembered)
    if (this.bySpec.size > SPECS_MOST) {
      const [oldest] = this.bySpec.keys()
      if (oldest !== undefined) this.bySpec.delete(oldest)
    }
    return remembered
  }
}
