/** The plugins in the order the API server runs them. Source: kubernetes/kubernetes pkg/kubeapiserver/options/plugins.go. */
import type { ApiObject } from '../../../model/state/objects.ts'
import type { Task } from '../../task.ts'
import { persistentVolumeClaimResize } from './claim-resize.ts'
import { defaultStorageClass } from './default-storage-class.ts'
import { defaultTolerationSeconds } from './default-tolerations.ts'
import { limitRanger } from './limit-ranger.ts'
import { namespaceLifecycle } from './namespace-lifecycle.ts'
import type { AdmissionPlugin, Asked, Neighbours } from './plugin.ts'
import { priority } from './priority.ts'
import { resourceQuota } from './resource-quota.ts'
import { serviceAccount } from './service-account.ts'
import { storageObjectInUseProtection } from './storage-protection.ts'
import { taintNodesByCondition } from './taint-nodes.ts'

const CHAIN: readonly AdmissionPlugin[] = [
  namespaceLifecycle,
  limitRanger,
  serviceAccount,
  taintNodesByCondition,
  priority,
  defaultTolerationSeconds,
  defaultStorageClass,
  storageObjectInUseProtection,
  persistentVolumeClaimResize,
  resourceQuota,
]

/** Throws Refusal. */
export function* admitted(asked: Asked, neighbours: Neighbours): Task<ApiObject> {
  let { object } = asked
  for (const plugin of CHAIN) {
    const made = plugin.create({ ...asked, object }, neighbours)
    object = 'metadata' in made ? made : yield* made
  }
  return object
}

/** Throws Refusal. */
export function* admittedAtLast(asked: Asked, neighbours: Neighbours): Task<void> {
  for (const plugin of CHAIN) if (plugin.last !== undefined) yield* plugin.last(asked, neighbours)
}

/** Throws Refusal. */
export const admittedChange = (asked: Asked, neighbours: Neighbours): void => {
  for (const plugin of CHAIN) plugin.update?.(asked, neighbours)
}
