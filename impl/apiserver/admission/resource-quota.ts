/**
 * What is created is charged to the quotas of its namespace first, by a guarded write: several API servers together admit
 * no more than there is. What is charged for a creation that then fails is given back when usage is counted anew.
 *
 * Source: k8s.io/apiserver/pkg/admission/plugin/resourcequota/controller.go
 */
import type { Container, Pod, ResourceList } from '../../../model/state/objects.ts'
import type { ResourceQuota } from '../../../model/state/policy.ts'
import { keyOf } from '../../../model/state/resources.ts'
import { milli } from '../../quantity.ts'
import { inScope, quantityOf, usageOf, type Usage } from '../../quota.ts'
import { forbidden, Refusal } from '../status.ts'
import type { AdmissionPlugin, Asked } from './plugin.ts'

const MUST_SAY = /^(requests\.|limits\.)?(cpu|memory|ephemeral-storage)$/

const refuse = ({ resource, object }: Asked, why: string): never => {
  throw new Refusal(forbidden(`${resource.resource} "${object.metadata.name}" is forbidden: ${why}`))
}

const listed = (names: readonly string[], amount: (name: string) => string): string =>
  names.map((name) => `${name}=${amount(name)}`).join(',')

/** Under a quota of cpu or memory every container has to say what it asks for. */
const mustSay = (asked: Asked, quota: ResourceQuota): void => {
  if (asked.object.kind !== 'Pod') return
  const { spec } = asked.object as Pod
  const silent = Object.keys(quota.status.hard ?? {})
    .filter((name) => MUST_SAY.test(name))
    .flatMap((name) => {
      const part = name.startsWith('limits.') ? 'limits' : 'requests'
      const compute = name.replace(/^(requests|limits)\./, '')
      const says = ({ resources }: Container): boolean => resources?.[part]?.[compute] !== undefined
      const lacking = [...spec.containers, ...(spec.initContainers ?? [])].filter((container) => !says(container))
      return lacking.length === 0 ? [] : [`${name} for: ${lacking.map((container) => container.name).join(',')}`]
    })
  if (silent.length > 0) refuse(asked, `failed quota: ${quota.metadata.name}: must specify ${silent.join('; ')}`)
}

/** The quota with what is asked for on it. */
const charged = (asked: Asked, quota: ResourceQuota, usage: Usage): ResourceQuota => {
  const { hard = {}, used = {} } = quota.status
  const names = Object.keys(hard).filter((name) => (usage.get(name) ?? 0) > 0)
  // Its controller has not seen it yet: so far it limits nothing.
  if (names.length === 0) return quota
  const unknown = names.filter((name) => used[name] === undefined)
  if (unknown.length > 0) refuse(asked, `status unknown for quota: ${quota.metadata.name}, resources: ${unknown.join(',')}`)
  const after = (name: string): number => milli(used[name] ?? '0') + (usage.get(name) ?? 0)
  const over = names.filter((name) => after(name) > milli(hard[name] ?? '0')).toSorted()
  if (over.length > 0) {
    const wanted = listed(over, (name) => quantityOf(name, usage.get(name) ?? 0))
    const has = listed(over, (name) => used[name] ?? '0')
    const limit = listed(over, (name) => hard[name] ?? '0')
    refuse(asked, `exceeded quota: ${quota.metadata.name}, requested: ${wanted}, used: ${has}, limited: ${limit}`)
  }
  const more: ResourceList = Object.fromEntries(names.map((name) => [name, quantityOf(name, after(name))]))
  return { ...quota, status: { ...quota.status, used: { ...used, ...more } } }
}

export const resourceQuota: AdmissionPlugin = {
  name: 'ResourceQuota',
  create: ({ object }) => object,
  *last(asked, neighbours) {
    const { object } = asked
    const { namespace } = object.metadata
    if (namespace === undefined) return
    yield* neighbours.ready('resourcequotas')
    const quotas = (neighbours.cachedList('resourcequotas', namespace) as readonly ResourceQuota[]).filter((quota) =>
      inScope(quota, object),
    )
    if (quotas.length === 0) return
    const usage = usageOf(asked.resource, object)
    for (const quota of quotas) {
      mustSay(asked, quota)
      if (!Object.keys(quota.spec.hard ?? {}).some((name) => (usage.get(name) ?? 0) > 0)) continue
      const key = keyOf('resourcequotas', namespace, quota.metadata.name)
      yield* neighbours.update(key, quota, (held) => charged(asked, held as ResourceQuota, usage))
    }
  },
}
