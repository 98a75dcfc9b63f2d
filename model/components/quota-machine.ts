/**
 * Quotas: what users create is charged first and made then, as two steps; their controller counts anew what it sees.
 *
 * A count may come at any time, also between the two: it then misses what has been charged, and is put right by a later one.
 * Left out: several quotas of a namespace, and that what controllers create is charged too.
 * Source: k8s.io/apiserver pkg/admission/plugin/resourcequota/controller.go, kubernetes pkg/controller/resourcequota
 */
import type { ApiObject, ResourceList } from '../state/objects.ts'
import type { ResourceQuota } from '../state/policy.ts'
import { thousandths } from '../state/quantity.ts'
import { RESOURCES, resourceOfKind } from '../state/resources.ts'
import type { AdmissionAction, Asked, Component, Request, System } from '../state/system.ts'
import { serve } from './apiserver.ts'
import { sameValue } from './objects.ts'
import { inScope, usageOf } from './quota.ts'
import { asks, client, MANAGER, refOf } from './request.ts'
import { seen, stored, type Held } from './view.ts'

export const SERVER = 'kube-apiserver-0'
const QUOTAS = 'resourcequotas'
const NAMESPACED = RESOURCES.filter(({ namespaced }) => namespaced)

const quantity = (amount: number): string => (amount % 1_000 === 0 ? String(amount / 1_000) : `${amount}m`)

/** The quota that a creation has to be charged to. */
export const quotaOf = (quotas: readonly Held<ResourceQuota>[], object: ApiObject): Held<ResourceQuota> | undefined =>
  quotas.find(({ value }) => value.metadata.namespace === object.metadata.namespace && inScope(value, object))

// The server that lets it in

/** The quota with the object on it; null: there is no room. */
const charged = ({ value: quota }: Held<ResourceQuota>, object: ApiObject): ResourceQuota | null => {
  const { hard = {}, used = {} } = quota.status
  const usage = usageOf(resourceOfKind(object.kind)?.resource ?? '', object)
  const after = Object.keys(hard).map((name) => [name, thousandths(used[name] ?? '0') + (usage.get(name) ?? 0)] as const)
  if (after.some(([name, amount]) => amount > thousandths(hard[name] ?? '0'))) return null
  return { ...quota, status: { ...quota.status, used: Object.fromEntries(after.map(([name, amount]) => [name, quantity(amount)])) } }
}

/** Charging by a given copy of the quotas; guarded: only if nobody else has changed it meanwhile. */
export const admittingBy = (copies: (system: System) => readonly Held<ResourceQuota>[], guarded: boolean): Admission => ({
  name: 'admission',

  enabled: (system) =>
    system.asked.map(({ process, value, isCharged }, nth): AdmissionAction => {
      const quota = quotaOf(copies(system), value)
      if (isCharged || quota === undefined) return { kind: 'Admit', nth, process, request: { verb: 'create', value } }
      const after = charged(quota, value)
      if (after === null) return { kind: 'Admit', nth, process, request: null }
      return { kind: 'Admit', nth, process: SERVER, request: { verb: 'status', value: after, version: guarded ? quota.version : null } }
    }),

  next(system, { nth, process, request }) {
    const after = request === null ? system : serve(system, { process, request, remembered: false })
    const isLeft = ({ isCharged }: Asked): boolean => request?.verb === 'status' && !isCharged
    const asked = after.asked.flatMap((one, index) => (index !== nth ? [one] : isLeft(one) ? [{ ...one, isCharged: true }] : []))
    return { ...after, asked }
  },
})
type Admission = Component<System, AdmissionAction>

export const admission = admittingBy((system) => stored<ResourceQuota>(system, QUOTAS), true)

// Their controller

const countOf = (system: System, quota: ResourceQuota, name: string, counts: (object: ApiObject) => boolean): number => {
  let sum = 0
  for (const { resource } of NAMESPACED)
    for (const { value } of seen<ApiObject>(system, MANAGER, resource)) {
      const isIn = value.metadata.namespace === quota.metadata.namespace && inScope(quota, value)
      if (isIn && counts(value)) sum += usageOf(resource, value).get(name) ?? 0
    }
  return sum
}

/** By a controller to whom only some objects count. */
export const countingOnly = (counts: (object: ApiObject) => boolean): ReturnType<typeof client> =>
  client('resource-quotas', (system) =>
    seen<ResourceQuota>(system, MANAGER, QUOTAS).flatMap(({ value: quota, version }): readonly Request[] => {
      const hard = quota.spec.hard ?? {}
      const names = Object.keys(hard)
      const used: ResourceList = Object.fromEntries(names.map((name) => [name, quantity(countOf(system, quota, name, counts))]))
      if (sameValue({ hard, used }, quota.status)) return []
      const value = { ...quota, status: { hard, used } }
      return [asks(MANAGER, { kind: 'CountQuota', quota: refOf(quota) }, { verb: 'status', value, version })]
    }),
  )

export const resourceQuotas = countingOnly(() => true)
