/**
 * Pods that a life of a controller has asked for and not seen yet: what it still expects.
 *
 * It counts how many new pods of an owner it sees, not which: one that its former life, or somebody else, had made passes for
 * one of its own (kubernetes pkg/controller/controller_utils.go, CreationObserved). Where that may have happened nothing
 * can be said of what it does next.
 */
import { controllerOf } from '../components/objects.ts'
import type { Seen } from '../state/history.ts'
import type { Pod } from '../state/objects.ts'
import { resourceOfKey } from '../state/resources.ts'
import { objectOf } from './define.ts'

/** After this time nothing is expected any more. */
const EXPECTATION_MS = 300_000

interface Asked {
  readonly place: string
  /** What the controller had seen of pods when it asked. */
  readonly viewed: number
}
interface Made extends Asked {
  readonly revision: number
  readonly atMs: number
}

/** A place: where pods of an owner are made for, such as a node. */
export class Expected {
  /** process/owner → what it asked for and is not made yet; pods it made. */
  private readonly asked = new Map<string, readonly Asked[]>()
  private readonly made = new Map<string, readonly Made[]>()
  /** Owner → revisions at which pods of it were made, by whomever. */
  private readonly all = new Map<string, readonly number[]>()

  /** What it expects is lost with it, and what it still had asked for is not its next life's own. */
  ends({ process }: { readonly process: string }): void {
    for (const notes of [this.asked, this.made]) for (const key of notes.keys()) if (key.startsWith(`${process}/`)) notes.delete(key)
  }

  asks(process: string, owner: string, viewed: number, place = ''): void {
    const own = `${process}/${owner}`
    this.asked.set(own, [...(this.asked.get(own) ?? []), { place, viewed }])
  }

  commits({ key, before, after, author, revision, atMs }: Seen<'Commit'>, placeOf: (pod: Pod) => string = () => ''): void {
    const pod = before === null && resourceOfKey(key) === 'pods' ? objectOf<Pod>(after) : undefined
    const owner = pod === undefined ? undefined : controllerOf(pod)
    if (pod === undefined || owner === undefined) return
    this.all.set(owner, [...(this.all.get(owner) ?? []), revision])
    const own = `${author}/${owner}`
    const asked = this.asked.get(own) ?? []
    const index = asked.findIndex(({ place }) => place === placeOf(pod))
    if (index < 0) return
    this.asked.set(own, asked.toSpliced(index, 1))
    this.made.set(own, [...(this.made.get(own) ?? []), { ...(asked[index] as Asked), revision, atMs }])
  }

  /** How many it has made there and not seen; null: it may take others for them, or expects them no longer. */
  unseen(process: string, owner: string, viewed: number, nowMs: number, place = ''): number | null {
    const made = this.made.get(`${process}/${owner}`) ?? []
    const unseen = made.filter((one) => one.place === place && one.revision > viewed)
    if (unseen.some(({ atMs }) => nowMs - atMs >= EXPECTATION_MS)) return null
    const since = Math.min(...unseen.map((one) => one.viewed))
    const isOther = (revision: number): boolean => !made.some((one) => one.revision === revision)
    const shown = (this.all.get(owner) ?? []).filter((revision) => revision > since && revision <= viewed)
    return shown.some(isOther) ? null : unseen.length
  }
}
