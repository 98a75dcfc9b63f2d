/**
 * What local plugins said of a node for pods of one spec: it holds until the node changes, which its generation tells.
 */
import type { Cycle, Plugin, Status } from './framework.ts'
import type { NodeInfo, PodInfo } from './node-info.ts'

/** One plugin's scores, by the node's place. */
export class RememberedScores {
  private readonly generations: number[] = []
  private readonly scores: number[] = []

  /** What the plugin says of each node, in their order. */
  of(plugin: Plugin, cycle: Cycle, pod: PodInfo, nodes: readonly NodeInfo[]): number[] {
    const { generations, scores } = this
    const found: number[] = []
    for (const node of nodes) {
      const { place } = node
      if (generations[place] !== node.generation) {
        const score = plugin.score?.(cycle, pod, node) ?? 0
        this.fill(place)
        generations[place] = node.generation
        scores[place] = score
      }
      found.push(scores[place] as number)
    }
    return found
  }

  /** Without holes, which would make arrays slow. */
  private fill(place: number): void {
    while (this.generations.length <= place) {
      this.generations.push(0)
      this.scores.push(0)
    }
  }
}

/** Of pods of one spec. */
export class Remembered {
  private readonly generations: number[] = []
  private readonly statuses: (Status | null)[] = []
  private readonly scores = new Map<string, RememberedScores>()

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

  scoresOf(plugin: string): RememberedScores {
    let scores = this.scores.get(plugin)
    if (scores === undefined) {
      scores = new RememberedScores()
      this.scores.set(plugin, scores)
    }
    return scores
  }
}

const SPECS_MOST = 32

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
