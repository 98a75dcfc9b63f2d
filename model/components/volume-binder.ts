/**
 * A claim and a volume are bound by four writes, each of which may be the last for a while, and taken up again from what is there.
 *
 * Left out: classes that wait for a consumer, provisioning, and that volumes are deleted with their claims.
 * Source: kubernetes pkg/controller/volume/persistentvolume/pv_controller.go
 */
import type { PersistentVolume, PersistentVolumeClaim } from '../state/objects.ts'
import type { Request } from '../state/system.ts'
import { asks, client, MANAGER } from './request.ts'
import { fits } from './scheduling/volumes.ts'
import { seen, type Held } from './view.ts'

const COMPLETED = 'pv.kubernetes.io/bind-completed'

const isOf = ({ spec }: PersistentVolume, { metadata }: PersistentVolumeClaim): boolean => spec.claimRef?.uid === metadata.uid

const taken = ({ value, version }: Held<PersistentVolume>, { metadata }: PersistentVolumeClaim): Request => {
  const claimRef = { namespace: metadata.namespace ?? '', name: metadata.name, uid: metadata.uid }
  return asks(MANAGER, null, { verb: 'update', value: { ...value, spec: { ...value.spec, claimRef } }, version })
}

const told = <Kind extends PersistentVolume | PersistentVolumeClaim>({ value, version }: Held<Kind>, phase: string): readonly Request[] =>
  value.status?.phase === phase
    ? []
    : [asks(MANAGER, null, { verb: 'status', value: { ...value, status: { ...value.status, phase } }, version })]

const named = ({ value, version }: Held<PersistentVolumeClaim>, volumeName: string): readonly Request[] => {
  if (value.spec.volumeName === volumeName) return []
  const annotations = { ...value.metadata.annotations, [COMPLETED]: 'yes' }
  const changed = { ...value, metadata: { ...value.metadata, annotations }, spec: { ...value.spec, volumeName } }
  return [asks(MANAGER, null, { verb: 'update', value: changed, version })]
}

/** The next of the writes that bind them. */
const bound = (volume: Held<PersistentVolume>, claim: Held<PersistentVolumeClaim>): readonly Request[] => {
  if (!isOf(volume.value, claim.value)) return [taken(volume, claim.value)]
  const writes = [...told(volume, 'Bound'), ...named(claim, volume.value.metadata.name), ...told(claim, 'Bound')]
  return writes.slice(0, 1)
}

const claimed = (claim: Held<PersistentVolumeClaim>, volumes: readonly Held<PersistentVolume>[]): readonly Request[] => {
  const { volumeName = '' } = claim.value.spec
  const its = volumes.find(({ value }) => (volumeName === '' ? isOf(value, claim.value) : value.metadata.name === volumeName))
  if (its !== undefined) return isOf(its.value, claim.value) ? bound(its, claim) : []
  // Which of several that fit it gets is open.
  return volumeName === '' ? volumes.filter(({ value }) => fits(value, claim.value)).flatMap((volume) => bound(volume, claim)) : []
}

/** A volume whose claim got another is free again; one whose claim is gone waits for whoever is to clean it. */
const freed = (volume: Held<PersistentVolume>, claims: readonly Held<PersistentVolumeClaim>[]): readonly Request[] => {
  const { claimRef, ...spec } = volume.value.spec
  if (claimRef === undefined) return told(volume, 'Available')
  const claim = claims.find(({ value }) => value.metadata.uid === claimRef.uid)?.value
  if (claim === undefined) return claimRef.uid === undefined ? [] : told(volume, 'Released')
  const elsewhere = (claim.spec.volumeName ?? '') !== '' && claim.spec.volumeName !== volume.value.metadata.name
  return elsewhere ? [asks(MANAGER, null, { verb: 'update', value: { ...volume.value, spec }, version: volume.version })] : []
}

export const volumeBinder = client('volume-binder', (system) => {
  const volumes = seen<PersistentVolume>(system, MANAGER, 'persistentvolumes')
  const claims = seen<PersistentVolumeClaim>(system, MANAGER, 'persistentvolumeclaims')
  return [...volumes.flatMap((volume) => freed(volume, claims)), ...claims.flatMap((claim) => claimed(claim, volumes))]
})
