/**
 * The storage system outside the cluster: it keeps the record of what is attached to which machine, and does as it is told.
 *
 * It refuses nothing: that a volume for one machine is on one machine alone is what the controllers have to see to. What was
 * asked for is done in its order for each volume, and is done also when who asked for it is gone by then.
 */
import type { ClusterWorld } from './cluster.ts'
import { milli } from './quantity.ts'

export interface Attaching {
  readonly volume: string
  readonly node: string
  readonly attachment: string
  readonly by: string
}

export interface Expanding {
  readonly volume: string
  readonly size: string
  readonly by: string
}

const TAKES_MS: readonly [number, number] = [50, 8_000]

export class StorageBackEnd {
  private readonly world: ClusterWorld
  /** Volume → machines. */
  private readonly attached = new Map<string, Set<string>>()
  /** Volume → how large it was made, other than it was. */
  private readonly sizes = new Map<string, string>()
  /** Volume → when all that was asked for it will be done. */
  private readonly busyMs = new Map<string, number>()

  constructor(world: ClusterWorld) {
    this.world = world
  }

  isAttached(volume: string, node: string): boolean {
    return this.attached.get(volume)?.has(node) === true
  }

  has(volume: string, size: string): boolean {
    return milli(this.sizes.get(volume) ?? '0') >= milli(size)
  }

  /** Each returns for how long it will be at it. */
  attach(asked: Attaching): number {
    return this.perform(asked, () => {
      const nodes = this.attached.get(asked.volume) ?? new Set()
      if (nodes.has(asked.node)) return
      this.attached.set(asked.volume, nodes.add(asked.node))
      this.world.observe({ kind: 'VolumeAttached', ...asked })
    })
  }

  detach(asked: Attaching): number {
    return this.perform(asked, () => {
      if (this.attached.get(asked.volume)?.delete(asked.node) === true) this.world.observe({ kind: 'VolumeDetached', ...asked })
    })
  }

  /** It makes nothing smaller. */
  expand(asked: Expanding): number {
    return this.perform(asked, () => {
      if (this.has(asked.volume, asked.size)) return
      this.sizes.set(asked.volume, asked.size)
      this.world.observe({ kind: 'VolumeExpanded', ...asked })
    })
  }

  private perform({ volume }: Pick<Attaching, 'volume'>, run: () => void): number {
    const { world } = this
    const doneMs = Math.max(world.now, this.busyMs.get(volume) ?? 0) + world.random('storage', volume).between(...TAKES_MS)
    this.busyMs.set(volume, doneMs)
    world.at(doneMs, run)
    return doneMs - world.now
  }
}
