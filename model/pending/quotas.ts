/** Quotas: what they say is used has to agree with what there is. */
import { usageIn } from '../components/quota.ts'
import type { ResourceQuota } from '../state/policy.ts'
import { thousandths } from '../state/quantity.ts'
import { all, label, type Waiting } from './picture.ts'

export const quotasPending: Waiting = (picture) =>
  all<ResourceQuota>(picture, 'resourcequotas').flatMap((quota) => {
    const { hard = {} } = quota.spec
    const told = quota.status
    const object = label(quota)
    const unseen = Object.keys(hard).find((name) => told.hard?.[name] !== hard[name])
    if (unseen !== undefined) return [{ object, waitsFor: 'its controller to see its latest change', blocked: false }]
    const wrong = Object.keys(hard).find((name) => thousandths(told.used?.[name] ?? '-1') !== usageIn(picture.cluster.store, quota, name))
    return wrong === undefined
      ? []
      : [
          {
            object,
            waitsFor: `what it says is used to agree with what there is of ${wrong}, which is said to be ${told.used?.[wrong]}`,
            blocked: false,
          },
        ]
  })
