/**
 * Whether a pod's volumes can be had on a node: disks of one pod, zones, how many, and those not bound yet.
 *
 * Source: https://kubernetes.io/docs/concepts/storage/persistent-volumes/, storage-classes/, storage-limits/,
 * https://kubernetes.io/docs/setup/best-practices/multiple-zones/
 */
import type { CSINode, Node, PersistentVolume, PersistentVolumeClaim, Pod, StorageClass, Volume } from '../../state/objects.ts'
import { thousandths } from '../../state/quantity.ts'
import { matchesLabels, termSelects } from '../../state/selector.ts'
import { never, notNow, objectOf, podsOn, type Constraint, type Scene } from './scene.ts'

export const claimNames = ({ metadata, spec }: Pod): readonly string[] =>
  (spec.volumes ?? []).flatMap(({ name, persistentVolumeClaim, ephemeral }) =>
    persistentVolumeClaim === undefined ? (ephemeral === undefined ? [] : [`${metadata.name}-${name}`]) : [persistentVolumeClaim.claimName],
  )
const claimsOf = (scene: Scene, pod: Pod): readonly (PersistentVolumeClaim | undefined)[] =>
  claimNames(pod).map((name) => objectOf<PersistentVolumeClaim>(scene, 'PersistentVolumeClaim', name, pod.metadata.namespace))
const volumeOf = (scene: Scene, claim: PersistentVolumeClaim): PersistentVolume | undefined =>
  objectOf<PersistentVolume>(scene, 'PersistentVolume', claim.spec?.volumeName ?? '')
const classOf = (scene: Scene, claim: PersistentVolumeClaim): StorageClass | undefined =>
  objectOf<StorageClass>(scene, 'StorageClass', claim.spec?.storageClassName ?? '')
const isHere = (claim: PersistentVolumeClaim | undefined): claim is PersistentVolumeClaim =>
  claim?.metadata.deletionTimestamp === undefined && claim !== undefined

/** Whether two volumes are one disk that cannot be in both pods. Some can if both only read. */
const sameDisk = (one: Volume, other: Volume): boolean => {
  const writes = (a: { readonly readOnly?: boolean }, b: { readonly readOnly?: boolean }): boolean =>
    a.readOnly !== true || b.readOnly !== true
  const { gcePersistentDisk: gce, awsElasticBlockStore: aws, iscsi, rbd } = one
  const theirs = other
  return (
    (gce !== undefined && gce.pdName === theirs.gcePersistentDisk?.pdName && writes(gce, theirs.gcePersistentDisk)) ||
    (aws !== undefined && aws.volumeID === theirs.awsElasticBlockStore?.volumeID) ||
    (iscsi !== undefined && iscsi.iqn === theirs.iscsi?.iqn && writes(iscsi, theirs.iscsi)) ||
    (rbd !== undefined &&
      theirs.rbd !== undefined &&
      rbd.image === theirs.rbd.image &&
      (rbd.pool ?? 'rbd') === (theirs.rbd.pool ?? 'rbd') &&
      rbd.monitors.some((monitor) => theirs.rbd?.monitors.includes(monitor)) &&
      writes(rbd, theirs.rbd))
  )
}

export const volumesAllowed: Constraint = (scene, pod, node) => {
  const claims = claimsOf(scene, pod)
  if (!claims.every(isHere)) return 'never'
  const alone = claims.filter(({ spec }) => spec.accessModes?.includes('ReadWriteOncePod') === true).map(({ metadata }) => metadata.name)
  const sharesDisk = (other: Pod): boolean =>
    (other.spec.volumes ?? []).some((held) => (pod.spec.volumes ?? []).some((one) => sameDisk(one, held)))
  // For one pod wherever that is, not only on this node. Pods of a node that is gone are not looked at.
  const sharesClaim = (other: Pod): boolean =>
    scene.nodes.some(({ metadata }) => metadata.name === other.spec.nodeName) &&
    other.metadata.namespace === pod.metadata.namespace &&
    claimNames(other).some((name) => alone.includes(name))
  return notNow(!podsOn(scene, node).some(sharesDisk) && !scene.pods.some(sharesClaim))
}

const ZONE = /^(failure-domain\.beta|topology)\.kubernetes\.io\/(zone|region)$/

export const zoneMatches: Constraint = (scene, pod, node) => {
  const labels = node.metadata.labels ?? {}
  const zoned = Object.keys(labels).some((key) => ZONE.test(key))
  const matches = (claim: PersistentVolumeClaim | undefined): boolean => {
    if (claim === undefined) return false
    if ((claim.spec?.volumeName ?? '') === '') return classOf(scene, claim)?.volumeBindingMode === 'WaitForFirstConsumer'
    const volume = volumeOf(scene, claim)
    if (volume === undefined) return false
    const zones = Object.entries(volume.metadata.labels ?? {}).filter(([key]) => ZONE.test(key))
    // A node that says nothing of zones is of a cluster that has none. The stable label stands in for the beta one.
    return (
      !zoned ||
      zones.every(([key, value]) => value.split('__').includes(labels[key] ?? labels[key.replace('failure-domain.beta', 'topology')] ?? ''))
    )
  }
  return never(claimsOf(scene, pod).every(matches))
}

/** What a pod's claims take of each driver: 'driver handle', one however many pods share it. */
const attached = (scene: Scene, pod: Pod): readonly { readonly driver: string; readonly handle: string }[] =>
  claimsOf(scene, pod).flatMap((claim) => {
    if (claim === undefined) return []
    const volume = volumeOf(scene, claim)
    if (volume !== undefined)
      return volume.spec?.csi === undefined ? [] : [{ driver: volume.spec.csi.driver, handle: volume.spec.csi.volumeHandle }]
    const provisioner = classOf(scene, claim)?.provisioner
    return provisioner === undefined ? [] : [{ driver: provisioner, handle: `${claim.metadata.namespace}/${claim.metadata.name}` }]
  })

export const volumesWithinLimits: Constraint = (scene, pod, node) => {
  const drivers = objectOf<CSINode>(scene, 'CSINode', node.metadata.name)?.spec.drivers ?? []
  const held = podsOn(scene, node).flatMap((other) => attached(scene, other))
  return notNow(
    drivers.every(({ name, allocatable }) => {
      const handles = (of: typeof held): ReadonlySet<string> =>
        new Set(of.filter(({ driver }) => driver === name).map(({ handle }) => handle))
      const [before, after] = [handles(held), handles([...held, ...attached(scene, pod)])]
      return allocatable?.count === undefined || after.size === before.size || after.size <= allocatable.count
    }),
  )
}

export const reaches = ({ spec }: PersistentVolume, node: Node): boolean =>
  spec?.nodeAffinity?.required?.nodeSelectorTerms.some((term) => termSelects(term, node)) ?? true

/** What a claim is to have. One that is bound has that, and what it asks for more is yet to come. */
const wantedBy = ({ spec, status }: PersistentVolumeClaim): number => {
  const bound = status?.phase === 'Bound' ? status.capacity?.['storage'] : undefined
  return thousandths(bound ?? spec?.resources?.requests?.['storage'] ?? '0')
}

/** Wherever its consumer is. */
export const fits = ({ spec, status, metadata }: PersistentVolume, claim: PersistentVolumeClaim): boolean => {
  const wanted = claim.spec
  const owner = spec?.claimRef
  return (
    metadata.deletionTimestamp === undefined &&
    (spec?.storageClassName ?? '') === (wanted?.storageClassName ?? '') &&
    (spec?.volumeMode ?? 'Filesystem') === (wanted?.volumeMode ?? 'Filesystem') &&
    thousandths(spec?.capacity?.['storage'] ?? '0') >= wantedBy(claim) &&
    (wanted?.accessModes ?? []).every((mode) => spec?.accessModes?.includes(mode) === true) &&
    (owner === undefined
      ? (status?.phase ?? 'Available') === 'Available' &&
        (wanted?.selector === undefined || matchesLabels(wanted.selector, metadata.labels))
      : owner.namespace === claim.metadata.namespace &&
        owner.name === claim.metadata.name &&
        // One of a claim of that name that is gone is nobody's.
        (owner.uid ?? claim.metadata.uid) === claim.metadata.uid)
  )
}

const serves = (volume: PersistentVolume, claim: PersistentVolumeClaim, node: Node): boolean => reaches(volume, node) && fits(volume, claim)

const mayProvision = (storage: StorageClass | undefined, { metadata }: Node): boolean => {
  if (storage === undefined || storage.provisioner === 'kubernetes.io/no-provisioner') return false
  const places = storage.allowedTopologies ?? []
  const within = (place: (typeof places)[number]): boolean =>
    (place.matchLabelExpressions ?? []).every(({ key, values }) => values.includes(metadata.labels?.[key] ?? ''))
  return places.length === 0 || places.some(within)
}

/** Whether each claim gets a volume of its own: one that is there, or one made for it. */
const allServed = (scene: Scene, claims: readonly PersistentVolumeClaim[], volumes: readonly PersistentVolume[], node: Node): boolean => {
  const [claim, ...rest] = claims
  if (claim === undefined) return true
  const choices = volumes.filter((volume) => serves(volume, claim, node))
  if (
    choices.some((choice) =>
      allServed(
        scene,
        rest,
        volumes.filter((one) => one !== choice),
        node,
      ),
    )
  )
    return true
  return mayProvision(classOf(scene, claim), node) && allServed(scene, rest, volumes, node)
}

export const volumesBindable: Constraint = (scene, pod, node) => {
  const claims = claimsOf(scene, pod)
  if (!claims.every(isHere)) return 'never'
  const isBound = ({ metadata, spec }: PersistentVolumeClaim): boolean =>
    (spec?.volumeName ?? '') !== '' && metadata.annotations?.['pv.kubernetes.io/bind-completed'] !== undefined
  const open = claims.filter((claim) => !isBound(claim))
  const reached = claims.filter(isBound).every((claim) => {
    const volume = volumeOf(scene, claim)
    return volume !== undefined && reaches(volume, node)
  })
  const wait = open.every((claim) => classOf(scene, claim)?.volumeBindingMode === 'WaitForFirstConsumer')
  const volumes = scene.others.filter((one): one is PersistentVolume => one.kind === 'PersistentVolume')
  return never(reached && wait && allServed(scene, open, volumes, node))
}
