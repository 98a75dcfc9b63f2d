/**
 * The pods of a StatefulSet by their ordinals: what each is called, is made of, and which claims are its own.
 *
 * Source: kubernetes/kubernetes pkg/controller/statefulset/stateful_set_utils.go.
 */
import type { OwnerReference, PersistentVolumeClaim, Pod, Volume } from '../../model/state/objects.ts'
import type { ControllerRevision, StatefulSet } from '../../model/state/stateful.ts'
import { controllerRef, isDeleting, isReady } from '../objects.ts'
import { epochMs } from '../time.ts'
import { conditionOf } from '../objects.ts'
import { REVISION_LABEL } from './revisions.ts'

export const POD_NAME_LABEL = 'statefulset.kubernetes.io/pod-name'
export const POD_INDEX_LABEL = 'apps.kubernetes.io/pod-index'

export const podName = (set: StatefulSet, ordinal: number): string => `${set.metadata.name}-${ordinal}`
export const startOf = ({ spec }: StatefulSet): number => spec.ordinals?.start ?? 0
/** Null: not a name that a set gives. */
export const ordinalOf = (set: StatefulSet, { metadata }: Pod): number | null => {
  const rest = metadata.name.slice(set.metadata.name.length + 1)
  return metadata.name.startsWith(`${set.metadata.name}-`) && /^(0|[1-9][0-9]*)$/.test(rest) ? Number(rest) : null
}
export const isInRange = (set: StatefulSet, ordinal: number): boolean =>
  ordinal >= startOf(set) && ordinal < startOf(set) + set.spec.replicas

export const isRunningAndReady = (pod: Pod): boolean => pod.status.phase === 'Running' && isReady(pod)
/** Running, and ready for as long as the set asks. */
export const isAvailable = (set: StatefulSet, pod: Pod, nowMs: number): boolean => {
  if (!isRunningAndReady(pod)) return false
  const seconds = set.spec.minReadySeconds ?? 0
  const since = conditionOf(pod.status.conditions, 'Ready')?.lastTransitionTime
  return seconds === 0 || (since !== undefined && epochMs(since) + seconds * 1000 <= nowMs)
}
export const isUnavailable = (set: StatefulSet, pod: Pod | undefined, nowMs: number): boolean =>
  pod === undefined || isDeleting(pod) || !isAvailable(set, pod, nowMs)
export const revisionOf = ({ metadata }: Pod): string => metadata.labels?.[REVISION_LABEL] ?? ''

/** Below the partition of a rolling update pods stay, and are made again, as they were. */
export const isOfCurrent = ({ spec, ...set }: StatefulSet, ordinal: number): boolean =>
  spec.updateStrategy.type === 'RollingUpdate' && ordinal < startOf({ spec, ...set }) + (spec.updateStrategy.rollingUpdate?.partition ?? 0)

export const makePod = (set: StatefulSet, ordinal: number, { metadata, data }: ControllerRevision) => {
  const { template } = data.spec
  const name = podName(set, ordinal)
  const { serviceName } = set.spec
  return {
    apiVersion: 'v1',
    kind: 'Pod' as const,
    metadata: {
      ...template.metadata,
      name,
      ...(set.metadata.namespace === undefined ? {} : { namespace: set.metadata.namespace }),
      labels: {
        ...template.metadata.labels,
        [POD_NAME_LABEL]: name,
        [POD_INDEX_LABEL]: String(ordinal),
        [REVISION_LABEL]: metadata.name,
      },
      ownerReferences: [controllerRef(set)],
    },
    spec: {
      ...template.spec,
      hostname: name,
      ...(serviceName === undefined ? {} : { subdomain: serviceName }),
      ...volumesOf(set, name, template.spec.volumes ?? []),
    },
  }
}

/** A claim of the set's takes the place of a volume of its name. */
const volumesOf = (set: StatefulSet, name: string, given: readonly Volume[]): { volumes?: readonly Volume[] } => {
  const claims = (set.spec.volumeClaimTemplates ?? []).map(({ metadata }) => metadata.name)
  const own = claims.map((claim): Volume => ({ name: claim, persistentVolumeClaim: { claimName: `${claim}-${name}`, readOnly: false } }))
  const volumes = [...own, ...given.filter((volume) => !claims.includes(volume.name))]
  return volumes.length === 0 ? {} : { volumes }
}

// Claims

export const makeClaims = (set: StatefulSet, pod: string) =>
  (set.spec.volumeClaimTemplates ?? []).map(({ metadata, spec }) => ({
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim' as const,
    metadata: {
      ...metadata,
      name: `${metadata.name}-${pod}`,
      ...(set.metadata.namespace === undefined ? {} : { namespace: set.metadata.namespace }),
      labels: { ...metadata.labels, ...set.spec.selector.matchLabels },
    },
    spec,
  }))

/** Who a claim goes with, by the retention policy: nobody, the set, or a pod that is on its way out for good. */
export const ownersOfClaim = (set: StatefulSet, pod: Pod, claim: PersistentVolumeClaim): readonly OwnerReference[] => {
  const { whenDeleted, whenScaled } = set.spec.persistentVolumeClaimRetentionPolicy
  const condemned = !isInRange(set, ordinalOf(set, pod) ?? -1)
  const others = (claim.metadata.ownerReferences ?? []).filter(({ uid }) => uid !== set.metadata.uid && uid !== pod.metadata.uid)
  const ref = ({ apiVersion, kind, name, uid }: OwnerReference): OwnerReference => ({ apiVersion, kind, name, uid })
  if (whenScaled === 'Delete' && condemned) return [...others, ref(controllerRef(pod))]
  return whenDeleted === 'Delete' ? [...others, ref(controllerRef(set))] : others
}

/** It goes with an earlier pod of this name: what it holds is not for the next one. */
export const isStale = (claim: PersistentVolumeClaim, pod: Pod | undefined, name: string): boolean =>
  (claim.metadata.ownerReferences ?? []).some((owner) => owner.kind === 'Pod' && owner.name === name && owner.uid !== pod?.metadata.uid)
