/**
 * Plugins about volumes: VolumeRestrictions, VolumeZone, NodeVolumeLimits, VolumeBinding.
 *
 * Source: kubernetes/kubernetes pkg/scheduler/framework/plugins/{volumerestrictions,volumezone,nodevolumelimits,volumebinding},
 * pkg/controller/volume/persistentvolume.
 */
import type { PersistentVolume, PersistentVolumeClaim, Pod, StorageClass, Volume } from '../../../model/state/objects.ts'
import { selects } from '../../selector.ts'
import { SKIP, unresolvable, unschedulable, type ClusterEvent, type Cycle, type Plugin, type Status } from '../framework.ts'
import type { Listers } from '../listers.ts'
import type { NodeInfo } from '../node-info.ts'
import { amountOf } from '../request.ts'
import { termHolds } from './node-affinity.ts'

/** The claims of a pod by the names they have, or will have. */
const claimNames = ({ spec, metadata }: Pod): readonly string[] =>
  (spec.volumes ?? []).flatMap((volume) => {
    if (volume.persistentVolumeClaim !== undefined) return [volume.persistentVolumeClaim.claimName]
    return volume.ephemeral === undefined ? [] : [`${metadata.name}-${volume.name}`]
  })

type Found = { readonly claims: readonly PersistentVolumeClaim[] } | { readonly status: Status }

const claimsOf = (pod: Pod, objects: Listers): Found => {
  const claims: PersistentVolumeClaim[] = []
  for (const name of claimNames(pod)) {
    const claim = objects.claim(pod.metadata.namespace as string, name)
    if (claim === undefined) return { status: unresolvable(`persistentvolumeclaim "${name}" not found`) }
    if (claim.metadata.deletionTimestamp !== undefined) return { status: unresolvable(`persistentvolumeclaim "${name}" is being deleted`) }
    claims.push(claim)
  }
  return { claims }
}

const aboutVolumes = (_pod: Pod, { resource, action }: ClusterEvent): boolean =>
  resource === 'Node' ||
  resource === 'PersistentVolume' ||
  resource === 'PersistentVolumeClaim' ||
  resource === 'StorageClass' ||
  resource === 'CSINode' ||
  (resource === 'AssignedPod' && action === 'Delete')

// VolumeRestrictions

/** Whether two volumes are one disk that cannot be in both pods. */
const sameDisk = (one: Volume, other: Volume): boolean => {
  const bothRead = (a: { readOnly?: boolean }, b: { readOnly?: boolean }): boolean => a.readOnly === true && b.readOnly === true
  if (one.gcePersistentDisk !== undefined && other.gcePersistentDisk !== undefined) {
    const [a, b] = [one.gcePersistentDisk, other.gcePersistentDisk]
    return a.pdName === b.pdName && !bothRead(a, b)
  }
  if (one.awsElasticBlockStore !== undefined && other.awsElasticBlockStore !== undefined)
    return one.awsElasticBlockStore.volumeID === other.awsElasticBlockStore.volumeID
  if (one.iscsi !== undefined && other.iscsi !== undefined) return one.iscsi.iqn === other.iscsi.iqn && !bothRead(one.iscsi, other.iscsi)
  if (one.rbd !== undefined && other.rbd !== undefined) {
    const [a, b] = [one.rbd, other.rbd]
    const shared = a.monitors.some((monitor) => b.monitors.includes(monitor))
    return shared && (a.pool ?? 'rbd') === (b.pool ?? 'rbd') && a.image === b.image && !bothRead(a, b)
  }
  return false
}

const isDisk = ({ gcePersistentDisk, awsElasticBlockStore, iscsi, rbd }: Volume): boolean =>
  (gcePersistentDisk ?? awsElasticBlockStore ?? iscsi ?? rbd) !== undefined

const ONCE_A_POD = 'ReadWriteOncePod'

export const volumeRestrictions: Plugin = {
  name: 'VolumeRestrictions',
  preFilter: ({ snapshot, state }, { pod }) => {
    const disks = (pod.spec.volumes ?? []).filter(isDisk)
    const found = claimsOf(pod, snapshot.objects)
    if ('status' in found) return found.status
    const once = found.claims.filter(({ spec }) => spec.accessModes?.includes(ONCE_A_POD) === true).map(({ metadata }) => metadata.name)
    if (disks.length + once.length === 0) return SKIP
    const pods = once.length === 0 ? [] : snapshot.nodes.flatMap((node) => [...node.pods.values()])
    state.write('VolumeRestrictions', new Restrictions(disks, once, pods.filter(({ pod: other }) => uses(other, pod, once)).length))
    return null
  },
  addPod: ({ state }, { pod }, { pod: other }) => state.read<Restrictions>('VolumeRestrictions').count(pod, other, 1),
  removePod: ({ state }, { pod }, { pod: other }) => state.read<Restrictions>('VolumeRestrictions').count(pod, other, -1),
  filter: ({ state }, _pod, node) => {
    const { disks, users } = state.read<Restrictions>('VolumeRestrictions')
    for (const { pod: other } of node.pods.values()) {
      for (const held of other.spec.volumes ?? []) {
        if (disks.some((disk) => sameDisk(disk, held))) return unschedulable('node(s) had no available disk')
      }
    }
    return users > 0 ? unschedulable('node has pod using PersistentVolumeClaim with the same name and ReadWriteOncePod access mode') : null
  },
  mayHelp: aboutVolumes,
}

/** What a pod must not share: disks on a node, and claims that are for one pod wherever it is. */
class Restrictions {
  readonly disks: readonly Volume[]
  private readonly once: readonly string[]
  /** Pods with a node that use one of those claims. */
  users: number

  constructor(disks: readonly Volume[], once: readonly string[], users: number) {
    this.disks = disks
    this.once = once
    this.users = users
  }

  count(pod: Pod, other: Pod, by: 1 | -1): void {
    if (uses(other, pod, this.once)) this.users += by
  }

  copy(): Restrictions {
    return new Restrictions(this.disks, this.once, this.users)
  }
}

const uses = (other: Pod, pod: Pod, names: readonly string[]): boolean =>
  other.metadata.namespace === pod.metadata.namespace && claimNames(other).some((name) => names.includes(name))

// VolumeZone

/** Label of a volume → the labels of a node that say the same: the stable one for the beta one, where it is there. */
const ZONE_LABELS: Readonly<Record<string, string>> = {
  'failure-domain.beta.kubernetes.io/zone': 'topology.kubernetes.io/zone',
  'failure-domain.beta.kubernetes.io/region': 'topology.kubernetes.io/region',
  'topology.kubernetes.io/zone': 'topology.kubernetes.io/zone',
  'topology.kubernetes.io/region': 'topology.kubernetes.io/region',
}
const waitsForConsumer = (storageClass: StorageClass): boolean => storageClass.volumeBindingMode === 'WaitForFirstConsumer'

interface Zone {
  readonly key: string
  readonly values: readonly string[]
}

const zonesOf = (pod: Pod, objects: Listers): { readonly zones: readonly Zone[] } | { readonly status: Status } => {
  const zones: Zone[] = []
  for (const name of claimNames(pod)) {
    const claim = objects.claim(pod.metadata.namespace as string, name)
    if (claim === undefined) return { status: unresolvable(`persistentvolumeclaim "${name}" not found`) }
    const { volumeName = '', storageClassName = '' } = claim.spec ?? {}
    if (volumeName === '') {
      if (storageClassName === '') return { status: unresolvable('PersistentVolumeClaim had no pv name and storageClass name') }
      const storageClass = objects.storageClass(storageClassName)
      if (storageClass === undefined) return { status: unresolvable(`unable to find storage class: ${storageClassName}`) }
      if (waitsForConsumer(storageClass)) continue
      return { status: unresolvable(`PersistentVolume had no name`) }
    }
    const volume = objects.volume(volumeName)
    if (volume === undefined) return { status: unresolvable(`persistentvolume "${volumeName}" not found`) }
    for (const [key, value] of Object.entries(volume.metadata.labels ?? {})) {
      if (ZONE_LABELS[key] !== undefined) zones.push({ key, values: value.split('__') })
    }
  }
  return { zones }
}

export const volumeZone: Plugin = {
  name: 'VolumeZone',
  preFilter: ({ snapshot, state }, { pod }) => {
    const found = zonesOf(pod, snapshot.objects)
    if ('status' in found) return found.status
    if (found.zones.length === 0) return SKIP
    state.write('VolumeZone', found.zones)
    return null
  },
  filter: ({ state }, _pod, { node }) => {
    const labels = node.metadata.labels ?? {}
    // A node that says nothing of zones is of a cluster that has none.
    if (Object.keys(ZONE_LABELS).every((key) => labels[key] === undefined)) return null
    for (const { key, values } of state.read<readonly Zone[]>('VolumeZone')) {
      const held = labels[key] ?? labels[ZONE_LABELS[key] as string]
      if (held === undefined || !values.includes(held)) return unresolvable('node(s) had no available volume zone')
    }
    return null
  },
  mayHelp: aboutVolumes,
}

// NodeVolumeLimits

/** The attachable volumes of a pod: driver → handles, each counted once however many pods share it. */
const attachments = (pod: Pod, objects: Listers): ReadonlyMap<string, ReadonlySet<string>> => {
  const byDriver = new Map<string, Set<string>>()
  const add = (driver: string, handle: string): void => {
    const handles = byDriver.get(driver) ?? new Set()
    byDriver.set(driver, handles.add(handle))
  }
  for (const name of claimNames(pod)) {
    const namespace = pod.metadata.namespace as string
    const claim = objects.claim(namespace, name)
    // Of a claim nobody knows it is not said what it would take.
    if (claim === undefined) continue
    const volume = (claim.spec?.volumeName ?? '') === '' ? undefined : objects.volume(claim.spec.volumeName as string)
    if (volume !== undefined) {
      if (volume.spec?.csi !== undefined) add(volume.spec.csi.driver, volume.spec.csi.volumeHandle)
      continue
    }
    const storageClass = objects.storageClass(claim.spec?.storageClassName ?? '')
    if (storageClass !== undefined) add(storageClass.provisioner, `${namespace}/${name}`)
  }
  return byDriver
}

export const nodeVolumeLimits: Plugin = {
  name: 'NodeVolumeLimits',
  preFilter: ({ snapshot, state }, { pod }) => {
    if (claimNames(pod).length === 0) return SKIP
    state.write('NodeVolumeLimits', attachments(pod, snapshot.objects))
    return null
  },
  filter: ({ state, snapshot }, _pod, node) => {
    const drivers = snapshot.objects.csiNode(node.name)?.spec.drivers ?? []
    const wanted = state.read<ReturnType<typeof attachments>>('NodeVolumeLimits')
    for (const [driver, handles] of wanted) {
      const most = drivers.find((one) => one.name === driver)?.allocatable?.count
      if (most === undefined) continue
      const held = attachedTo(node, driver, snapshot.objects)
      const fresh = handles.difference(held).size
      if (fresh > 0 && held.size + fresh > most) return unschedulable('node(s) exceed max volume count')
    }
    return null
  },
  mayHelp: aboutVolumes,
}

const attachedTo = (node: NodeInfo, driver: string, objects: Listers): ReadonlySet<string> => {
  const held = new Set<string>()
  for (const { pod } of node.pods.values()) for (const handle of attachments(pod, objects).get(driver) ?? []) held.add(handle)
  return held
}

// VolumeBinding

export interface VolumeBindingArgs {
  readonly bindTimeoutSeconds?: number
}

interface BindingNotes {
  /** Bound claims with their volumes; volumes that are gone. */
  readonly bound: readonly PersistentVolume[]
  readonly missing: boolean
  /** Claims that wait for their first consumer. */
  readonly unbound: readonly PersistentVolumeClaim[]
  /** Node → claim → volume that it would get. */
  readonly choices: Map<string, ReadonlyMap<string, PersistentVolume>>
}

const NO_PROVISIONER = 'kubernetes.io/no-provisioner'
export const isBound = ({ metadata, spec }: PersistentVolumeClaim): boolean =>
  (spec?.volumeName ?? '') !== '' && metadata.annotations?.['pv.kubernetes.io/bind-completed'] !== undefined

const reaches = ({ spec }: PersistentVolume, { node }: NodeInfo): boolean => {
  const required = spec?.nodeAffinity?.required
  return required === undefined || required.nodeSelectorTerms.some((term) => termHolds(term, node))
}

const capacityOf = ({ spec }: PersistentVolume): number => amountOf('storage', spec?.capacity?.['storage'] ?? '0')

/** The smallest free volume that serves a claim on a node; one that is bound to it already before all others. */
const bestVolume = (
  claim: PersistentVolumeClaim,
  node: NodeInfo,
  volumes: readonly PersistentVolume[],
  taken: ReadonlySet<string>,
): PersistentVolume | null => {
  const { namespace, name, uid } = claim.metadata
  const wanted = amountOf('storage', claim.spec?.resources?.requests?.['storage'] ?? '0')
  let best: PersistentVolume | null = null
  for (const volume of volumes) {
    const { spec, status, metadata } = volume
    if (taken.has(metadata.name) || metadata.deletionTimestamp !== undefined || !reaches(volume, node)) continue
    if ((spec?.storageClassName ?? '') !== (claim.spec?.storageClassName ?? '')) continue
    if ((spec?.volumeMode ?? 'Filesystem') !== (claim.spec?.volumeMode ?? 'Filesystem') || capacityOf(volume) < wanted) continue
    if (!(claim.spec?.accessModes ?? []).every((mode) => spec?.accessModes?.includes(mode) === true)) continue
    if (spec?.claimRef !== undefined) {
      const { claimRef } = spec
      if (claimRef.namespace === namespace && claimRef.name === name && (claimRef.uid ?? uid) === uid) return volume
      continue
    }
    if ((status?.phase ?? 'Available') !== 'Available') continue
    if (claim.spec?.selector !== undefined && !selects(claim.spec.selector, metadata.labels)) continue
    if (best === null || capacityOf(volume) < capacityOf(best)) best = volume
  }
  return best
}

const mayProvision = (claim: PersistentVolumeClaim, { node }: NodeInfo, objects: Listers): boolean => {
  const storageClass = objects.storageClass(claim.spec?.storageClassName ?? '')
  if (storageClass === undefined || storageClass.provisioner === NO_PROVISIONER) return false
  const topologies = storageClass.allowedTopologies ?? []
  return (
    topologies.length === 0 ||
    topologies.some(({ matchLabelExpressions = [] }) =>
      matchLabelExpressions.every(({ key, values }) => values.includes(node.metadata.labels?.[key] ?? '')),
    )
  )
}

export const volumeBinding = (_args: VolumeBindingArgs): Plugin => ({
  name: 'VolumeBinding',
  preFilter: ({ snapshot, state }, { pod }) => {
    if (claimNames(pod).length === 0) return SKIP
    const { objects } = snapshot
    const found = claimsOf(pod, objects)
    if ('status' in found) return found.status
    const bound = found.claims.filter(isBound)
    const unbound = found.claims.filter((claim) => !isBound(claim))
    const immediate = unbound.some((claim) => {
      const storageClass = objects.storageClass(claim.spec?.storageClassName ?? '')
      return storageClass === undefined || !waitsForConsumer(storageClass)
    })
    if (immediate) return unresolvable('pod has unbound immediate PersistentVolumeClaims')
    const volumes = bound.map((claim) => objects.volume(claim.spec.volumeName as string))
    const notes: BindingNotes = {
      bound: volumes.filter((volume) => volume !== undefined),
      missing: volumes.includes(undefined),
      unbound,
      choices: new Map(),
    }
    state.write('VolumeBinding', notes)
    return null
  },
  filter: ({ state, snapshot }, _pod, node) => {
    const { bound, missing, unbound, choices } = state.read<BindingNotes>('VolumeBinding')
    const reasons: string[] = []
    if (bound.some((volume) => !reaches(volume, node))) reasons.push('node(s) had volume node affinity conflict')
    const taken = new Map<string, PersistentVolume>()
    const names = new Set<string>()
    // The largest wish last, so that a small one does not take a large volume from it.
    const ordered = unbound.toSorted(
      (one, other) =>
        amountOf('storage', one.spec?.resources?.requests?.['storage'] ?? '0') -
        amountOf('storage', other.spec?.resources?.requests?.['storage'] ?? '0'),
    )
    for (const claim of ordered) {
      const volume = bestVolume(claim, node, snapshot.objects.volumes(), names)
      if (volume !== null) {
        taken.set(claim.metadata.name, volume)
        names.add(volume.metadata.name)
      } else if (!mayProvision(claim, node, snapshot.objects)) {
        reasons.push("node(s) didn't find available persistent volumes to bind")
        break
      }
    }
    if (missing) reasons.push('node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)')
    if (reasons.length > 0) return unresolvable(...reasons)
    choices.set(node.name, taken)
    return null
  },
  mayHelp: aboutVolumes,
})

export interface VolumeChoices {
  readonly volumes: readonly { readonly claim: PersistentVolumeClaim; readonly volume: PersistentVolume }[]
  /** Claims that have one made for them. */
  readonly provisioned: readonly PersistentVolumeClaim[]
}

/** What the claims of the pod that wait for a node would get on this one. */
export const choicesOf = ({ state }: Cycle, node: string): VolumeChoices => {
  const notes = state.read<BindingNotes | undefined>('VolumeBinding')
  const taken = notes?.choices.get(node)
  const volumes: { claim: PersistentVolumeClaim; volume: PersistentVolume }[] = []
  const provisioned: PersistentVolumeClaim[] = []
  for (const claim of notes?.unbound ?? []) {
    const volume = taken?.get(claim.metadata.name)
    if (volume === undefined) provisioned.push(claim)
    else volumes.push({ claim, volume })
  }
  return { volumes, provisioned }
}
