/** Quotas: nothing beyond them is let in. SEMANTICS 2.3. */
import { inScope, usageIn, usageOf } from '../components/quota.ts'
import type { Context, Invariant, Judgement } from '../invariant.ts'
import type { Cluster, StoreHistory } from '../state/cluster.ts'
import type { Seen, View } from '../state/history.ts'
import type { Key } from '../state/keyspace.ts'
import type { ApiObject, ResourceList } from '../state/objects.ts'
import type { ResourceQuota } from '../state/policy.ts'
import { thousandths } from '../state/quantity.ts'
import { prefixOf, resourceOfKey } from '../state/resources.ts'
import { sameValue } from '../components/objects.ts'
import { had, isRegistry, keyOfRef, listed, objectOf, safety, settles, watching } from './define.ts'

const ADMISSION = 'k8s.io/apiserver pkg/admission/plugin/resourcequota/controller.go'
const QUOTA = 'resourcequotas'
/** A server's copy of a quota lags no longer than this: while it is frozen, and then to catch up. */
const LAG_MS = 60_000
/** What was charged for a request is used within its deadline. */
const DEADLINE_MS = 60_000

const amount = (list: ResourceList | undefined, name: string): number => thousandths(list?.[name] ?? '0')

interface Charge {
  readonly atMs: number
  readonly via: string
  readonly amounts: ReadonlyMap<string, number>
}

/** What admission charged: the status was changed by a server itself. */
const chargeIn = (seen: Seen<'Commit'>): { readonly is: ResourceQuota; readonly charge: Charge } | null => {
  if (resourceOfKey(seen.key) !== QUOTA || seen.author !== seen.via) return null
  const was = objectOf<ResourceQuota>(seen.before)
  const is = objectOf<ResourceQuota>(seen.after)
  if (was === undefined || is === undefined || sameValue(was.status, is.status)) return null
  const names = Object.keys(is.status.hard ?? {})
  const amounts = new Map(names.map((name) => [name, amount(is.status.used, name) - amount(was.status.used, name)]))
  return { is, charge: { atMs: seen.atMs, via: seen.via, amounts } }
}

/** Charges that no object has been made for yet, by quota. */
class Charges {
  private readonly open = new Map<Key, Charge[]>()

  add(key: Key, charge: Charge): void {
    this.open.set(key, [...this.left(key, charge.atMs), charge])
  }

  left(key: Key, nowMs: number): readonly Charge[] {
    return (this.open.get(key) ?? []).filter(({ atMs }) => nowMs - atMs < DEADLINE_MS)
  }

  /** The one for what this write made; false: there is none. */
  claim(key: Key, { atMs, via }: Seen<'Commit'>, usage: ReadonlyMap<string, number>): boolean {
    const left = this.left(key, atMs)
    const fits = (charge: Charge): boolean =>
      charge.via === via && [...charge.amounts].every(([name, held]) => held === (usage.get(name) ?? 0))
    const index = left.findIndex(fits)
    this.open.set(key, left.toSpliced(index, index < 0 ? 0 : 1))
    return index >= 0
  }

  sum(key: Key, nowMs: number, name: string): number {
    return this.left(key, nowMs).reduce((sum, charge) => sum + (charge.amounts.get(name) ?? 0), 0)
  }
}

const quotasOf = ({ store }: Cluster, object: ApiObject): readonly (readonly [Key, ResourceQuota])[] => {
  const prefix = prefixOf(QUOTA, object.metadata.namespace)
  return [...store].flatMap(([key, { value }]) =>
    key.startsWith(prefix) && inScope(value as ResourceQuota, object) ? [[key, value as ResourceQuota] as const] : [],
  )
}

/** The quota has had its limits for so long that every server has seen it. */
const isKnown = (history: StoreHistory, key: Key, quota: ResourceQuota, nowMs: number): boolean => {
  const last = history.versions(key).findLast(({ after, atMs }) => {
    const version = objectOf<ResourceQuota>(after)
    return nowMs - atMs >= LAG_MS && (version !== undefined || after === null)
  })
  const then = objectOf<ResourceQuota>(last?.after)
  return then?.metadata.uid === quota.metadata.uid && sameValue(then.spec, quota.spec) && sameValue(then.status.hard, quota.status.hard)
}

const counted = (quota: ResourceQuota, usage: ReadonlyMap<string, number>): readonly string[] =>
  Object.keys(quota.status.hard ?? {}).filter((name) => (usage.get(name) ?? 0) > 0)

const chargedFirst: Invariant = watching(
  {
    id: 'QUOTA-S1',
    sentence: 'what counts under a quota is charged to it before it is made, over all API servers, and no charge goes beyond what there is',
    source: ADMISSION,
    sometimes: 'what is made had been charged',
    allows: ['ALLOW-9'],
    ...safety,
    kind: 'history',
  },
  ['Commit'],
  () => {
    const charges = new Charges()
    let any = false
    return {
      observe(next, { cluster, history }) {
        const seen = next as Seen<'Commit'>
        const { key, before, after, atMs, revision } = seen
        const charged = chargeIn(seen)
        if (charged !== null) {
          const { is, charge } = charged
          charges.add(key, charge)
          const over = [...charge.amounts].find(([name, more]) => more > 0 && amount(is.status.used, name) > amount(is.status.hard, name))
          if (over !== undefined)
            return {
              why: `${seen.via} charges ${key} at revision ${revision} with ${is.status.used?.[over[0]]} ${over[0]}, ${is.status.hard?.[over[0]]} are allowed`,
            }
          const fewer = [...charge.amounts].find(([, more]) => more < 0)
          if (fewer !== undefined || ![...charge.amounts.values()].some((more) => more > 0))
            return { why: `${seen.via} charges ${key} at revision ${revision}, and nothing is added: what another had charged is lost` }
          return 'holds'
        }
        if (resourceOfKey(key) === QUOTA) any = true
        const object = objectOf(after)
        if (!any || !isRegistry(key) || before !== null || object?.metadata.namespace === undefined) return 'vacuous'
        const usage = usageOf(resourceOfKey(key) ?? '', object)
        let verdict = 'vacuous' as Judgement
        for (const [place, quota] of quotasOf(cluster, object)) {
          if (place === key || counted(quota, usage).length === 0) continue
          if (charges.claim(place, seen, usage)) verdict = 'notable'
          else if (isKnown(history, place, quota, atMs))
            return { why: `${seen.via} makes ${key} at revision ${revision}, which was not charged to ${place}` }
        }
        return verdict
      },
    }
  },
)

/** What counted under a quota in a view. */
const usageSeen = (history: StoreHistory, view: View, quota: ResourceQuota, name: string): number =>
  Object.keys(view).reduce((sum, resource) => {
    const objects = listed<ApiObject>(history, view, resource).filter(
      (object) => object.metadata.namespace === quota.metadata.namespace && inScope(quota, object),
    )
    return sum + objects.reduce((of, object) => of + (usageOf(resource, object).get(name) ?? 0), 0)
  }, 0)

const withinHard: Invariant = watching(
  {
    id: 'QUOTA-S2',
    sentence:
      'from a complete count on there is never more than a quota allows, unless it was counted anew from a view that had missed something',
    source: 'https://kubernetes.io/docs/concepts/policy/resource-quotas/',
    sometimes: 'all that it allows is there',
    // A count of an older view than the quota it replaces misses what was charged meanwhile.
    allows: ['ALLOW-9'],
    ...safety,
    kind: 'history',
  },
  ['Decision', 'Commit'],
  () => {
    const charges = new Charges()
    /** Quotas that have counted all there was, and all that was charged, ever since. */
    const right = new Set<Key>()
    /** process/quota → the view that it counts by. */
    const views = new Map<string, View>()
    const recount = ({ key, after, atMs, author }: Seen<'Commit'>, { cluster, history }: Context): void => {
      const quota = objectOf<ResourceQuota>(after)
      const { hard, used } = quota?.status ?? {}
      const complete =
        quota !== undefined &&
        hard !== undefined &&
        sameValue(hard, quota.spec.hard) &&
        Object.keys(hard).every((name) => amount(used, name) >= usageIn(cluster.store, quota, name) + charges.sum(key, atMs, name)) &&
        Object.keys(hard).every((name) => usageIn(cluster.store, quota, name) <= amount(hard, name))
      const view = views.get(`${author}/${key}`)
      const isMissing =
        quota !== undefined &&
        view !== undefined &&
        Object.keys(hard ?? {}).some((name) => amount(used, name) < usageSeen(history, view, quota, name))
      if (complete) right.add(key)
      // One that leaves out what was seen is no excuse.
      else if (!isMissing) right.delete(key)
    }
    return {
      observe(next, context) {
        if (next.kind === 'Decision') {
          const { choice, process, view } = next
          if (choice.kind === 'CountQuota') views.set(`${process}/${keyOfRef(choice.quota)}`, view)
          return 'vacuous'
        }
        const seen = next as Seen<'Commit'>
        const { key, before, after, atMs, revision } = seen
        const { cluster, history } = context
        if (resourceOfKey(key) === QUOTA) {
          const charged = chargeIn(seen)
          if (charged !== null) charges.add(key, charged.charge)
          else recount(seen, context)
          return 'vacuous'
        }
        const object = objectOf(after)
        if (right.size === 0 || !isRegistry(key) || before !== null || object?.metadata.namespace === undefined) return 'vacuous'
        const usage = usageOf(resourceOfKey(key) ?? '', object)
        let verdict = 'vacuous' as Judgement
        for (const [place, quota] of quotasOf(cluster, object)) {
          const names = counted(quota, usage)
          if (names.length === 0) continue
          const charged = charges.claim(place, seen, usage)
          // A server that had not seen the quota yet.
          if (!charged && !isKnown(history, place, quota, atMs)) right.delete(place)
          if (!right.has(place)) continue
          const full = names.map((name) => usageIn(cluster.store, quota, name) - amount(quota.status.hard, name))
          const over = names[full.findIndex((excess) => excess > 0)]
          if (over !== undefined)
            return {
              why: `with ${key} at revision ${revision} there is more ${over} than the ${quota.status.hard?.[over]} that ${place} allows`,
            }
          verdict = full.includes(0) || verdict === 'notable' ? 'notable' : 'holds'
        }
        return verdict
      },
    }
  },
)

export const QUOTAS: readonly Invariant[] = [
  chargedFirst,
  withinHard,
  settles(
    {
      id: 'QUOTA-L1',
      sentence: 'what a quota says is used comes to be what there is',
      source: 'kubernetes pkg/controller/resourcequota',
      sometimes: 'there was a quota',
      allows: ['ALLOW-9'],
    },
    (object) => object.startsWith('ResourceQuota '),
    had(QUOTA),
  ),
]
