/** Pods that the API server refuses to make: whoever wants them waits until somebody changes what they ask for. */
import { inScope, unmet, usageIn, usageOf } from '../components/quota.ts'
import { isLeaving } from '../components/namespace.ts'
import { brokenBy } from '../components/limit-range.ts'
import type { CronJob } from '../state/batch.ts'
import type { ApiObject, Pod, PodTemplateSpec } from '../state/objects.ts'
import type { LimitRange, ResourceQuota } from '../state/policy.ts'
import { keyOf, resourceOfKind } from '../state/resources.ts'
import { thousandths } from '../state/quantity.ts'
import type { Pending } from '../invariant.ts'
import { all, isEnding, isLost, isTerminal, podsOf, type Picture } from './picture.ts'

const DEFAULT_ACCOUNT = 'default'

/** Null: nothing here has to be there first, or to go. */
export const refused = (picture: Picture, template: PodTemplateSpec, owner: ApiObject): string | null => {
  const { cluster } = picture
  const { priorityClassName = '' } = template.spec
  if (priorityClassName !== '' && !cluster.store.has(keyOf('priorityclasses', undefined, priorityClassName)))
    return `the PriorityClass ${priorityClassName}, which is not there: its pods are refused`
  const namespace = owner.metadata.namespace ?? ''
  if (isLeaving(cluster.store, namespace)) return `the end of its namespace ${namespace}, which is being deleted: its pods are refused`
  const account = template.spec.serviceAccountName || template.spec.serviceAccount || DEFAULT_ACCOUNT
  // The default one comes by itself.
  if (account !== DEFAULT_ACCOUNT && !cluster.store.has(keyOf('serviceaccounts', namespace, account)))
    return `the ServiceAccount ${namespace}/${account}, which is not there: its pods are refused`
  const ranges = all<LimitRange>(picture, 'limitranges').filter(({ metadata }) => metadata.namespace === namespace)
  const { pod, broken } = brokenBy(ranges, podOf(template, owner))
  if (broken !== null) return `the LimitRange of ${namespace} to allow its pods: ${broken}`
  return overQuota(picture, namespace, pod, owner)
}

/**
 * What CronJobs start again and again counts as there: in between there is room for a moment, and whoever was refused may try
 * again only much later, after up to 1,000 s (client-go util/workqueue/default_rate_limiters.go).
 */
const comingAgain = (picture: Picture, quota: ResourceQuota, owner: ApiObject): readonly Pod[] => {
  const { namespace } = quota.metadata
  const inIt = ({ metadata }: ApiObject): boolean => metadata.namespace === namespace
  const ranges = all<LimitRange>(picture, 'limitranges').filter(inIt)
  return all<CronJob>(picture, 'cronjobs').flatMap((cronJob) => {
    const isOf = (name: string): boolean => name.startsWith(`${cronJob.metadata.name}-`)
    const runs = picture.pods.some(
      (pod) => inIt(pod) && !isTerminal(pod) && (pod.metadata.ownerReferences ?? []).some(({ name }) => isOf(name)),
    )
    if (!inIt(cronJob) || cronJob.spec.suspend || runs || isOf(owner.metadata.name)) return []
    const { pod } = brokenBy(ranges, podOf(cronJob.spec.jobTemplate.spec.template, cronJob))
    return inScope(quota, pod) ? [pod] : []
  })
}

const podOf = ({ metadata, spec }: PodTemplateSpec, owner: ApiObject): Pod => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { ...owner.metadata, ...metadata, ownerReferences: [] },
  spec,
  status: { phase: 'Pending' },
})

const overQuota = (picture: Picture, namespace: string, pod: Pod, owner: ApiObject): string | null => {
  const quotas = all<ResourceQuota>(picture, 'resourcequotas').filter(({ metadata }) => metadata.namespace === namespace)
  for (const quota of quotas.filter((one) => inScope(one, pod))) {
    const { hard = {} } = quota.spec
    const name = `the quota ${namespace}/${quota.metadata.name}`
    const silent = unmet(quota, pod)
    if (silent !== null) return `${name} to allow its pods: they have to say their ${silent}`
    const more = usageOf('pods', pod)
    const recurring = comingAgain(picture, quota, owner).map((one) => usageOf('pods', one))
    const over = Object.keys(hard).find((resource) => {
      const asked = more.get(resource) ?? 0
      const soon = recurring.reduce((sum, one) => sum + (one.get(resource) ?? 0), 0)
      return asked > 0 && usageIn(picture.cluster.store, quota, resource) + soon + asked > thousandths(hard[resource] ?? '0')
    })
    if (over === undefined) {
      const miscounted = Object.keys(hard).find((resource) => {
        const used = thousandths(quota.status.used?.[resource] ?? '0')
        const asked = more.get(resource) ?? 0
        return asked > 0 && used + asked > thousandths(hard[resource] ?? '0') && used > usageIn(picture.cluster.store, quota, resource)
      })
      if (miscounted !== undefined) return `${name} to be counted right: it has room for its pods, and says that it has not`
      continue
    }
    // What is on its way out gives back what it has.
    const leaving = picture.pods.some(
      (one) => one.metadata.namespace === namespace && isEnding(one) && !isLost(picture, one.spec.nodeName ?? ''),
    )
    if (!leaving) return `${name} to allow its pods: ${hard[over]} ${over} are used up`
  }
  return null
}

interface Templated extends ApiObject {
  readonly spec: { readonly template: PodTemplateSpec; readonly replicas?: number }
}

/** Of those that do not look themselves: what they wait for is that their pods are let in. */
export const lettingIn =
  (picture: Picture) =>
  (row: Pending): Pending => {
    const [, kind = '', namespace, name = ''] = /^(StatefulSet|DaemonSet) ([^/ ]+)\/(\S+)$/.exec(row.object) ?? []
    const key = keyOf(resourceOfKind(kind)?.resource ?? '', namespace, name)
    const owner = picture.cluster.store.get(key)?.value as Templated | undefined
    if (row.blocked || owner === undefined) return row
    const own = podsOf(picture, owner).filter((pod) => !isTerminal(pod) && !isEnding(pod))
    if (own.length >= (owner.spec.replicas ?? Infinity)) return row
    const why = refused(picture, owner.spec.template, owner)
    return why === null ? row : { ...row, waitsFor: why, blocked: true }
  }
