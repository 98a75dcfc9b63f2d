/**
 * Whoever has a hand in volumes on nodes and leaves one guard out is found, by the invariant that is there for it.
 *
 * The wrong component is a value put in the place of the right one; nothing else changes.
 */
import { expect, test } from 'vitest'
import { attachingBy, RIGHT_SIGHT, type Sight } from '../../model/components/attach-detach.ts'
import { mountingBy } from '../../model/components/kubelet.ts'
import { isDeleting } from '../../model/components/objects.ts'
import { MANAGER } from '../../model/components/request.ts'
import { seen, stored } from '../../model/components/view.ts'
import { protectingBy } from '../../model/components/volume-protection.ts'
import type { Pod } from '../../model/state/objects.ts'
import type { VolumeAttachment } from '../../model/state/storage.ts'
import { exploreCluster } from './cluster.ts'
import { user } from './objects.ts'
import { VOLUME_INSTANCES } from './volume-instances.ts'

const attaching = (instance: keyof typeof VOLUME_INSTANCES, wrong: Partial<Sight>): string | null => {
  const { components, ...rest } = VOLUME_INSTANCES[instance]
  return exploreCluster({ ...rest, components: { ...components, attachDetach: attachingBy({ ...RIGHT_SIGHT, ...wrong }) } }).printed
}

test('a controller that takes what is on its way off for gone has a disk on two nodes', () => {
  const present = (system: Parameters<Sight['present']>[0]) =>
    stored<VolumeAttachment>(system, 'volumeattachments').filter(({ value }) => !isDeleting(value))
  expect(attaching('attaching', { present })).toMatchInlineSnapshot(`
    "VOL-S3: kube-controller-manager has kubernetes.io/csi/disk.example^disk attached to node-1 while it is attached to node-0
      1  user                     Delete pods/a (Background)
           pods/default/a deleting=- → grace 30 s
      2  kube-controller-manager  See pods
      3  kubelet                  StopContainer pods-a.1/app#0
      4  container-runtime        ContainerStopped pods-a.1/app#0
      5  kubelet-node-0           UnmountVolume kubernetes.io/csi/disk.example^disk for pods-a.1
      6  kubelet-node-0           status Node node-0
           nodes/node-0 inUse=kubernetes.io/csi/disk.example^disk → 
      7  kubelet-node-0           status Pod a
           pods/default/a phase=Running → Failed, ready=True → False
      8  kube-controller-manager  See pods
      9  kube-controller-manager  status Node node-0
           nodes/node-0 attached=kubernetes.io/csi/disk.example^disk → -
     10  kube-controller-manager  DetachVolume kubernetes.io/csi/disk.example^disk from node-0: unmounted
           volumeattachments/disk-node-0 deleting=- → grace 0 s
     11  kube-controller-manager  See volumeattachments
     12  user                     Create Pod b
           pods/default/b new, phase=Pending, node=node-1
     13  kube-controller-manager  See pods
     14  kube-controller-manager  create VolumeAttachment disk-node-1
           volumeattachments/disk-node-1 new, volume=disk, node=node-1, attached=false
     15  kube-controller-manager  See volumeattachments
     16  kube-controller-manager  update VolumeAttachment disk-node-1
           volumeattachments/disk-node-1 finalizers=- → external-attacher/disk.example
     17  kube-controller-manager  See volumeattachments
     18  storage                  AttachVolume kubernetes.io/csi/disk.example^disk: node-1"
  `)
})

test('a controller that does not ask what is in use takes a disk off while it is mounted', () => {
  expect(attaching('attaching', { isInUse: () => false })).toMatchInlineSnapshot(`
    "VOL-S4: kubernetes.io/csi/disk.example^disk is detached from node-0, where pod pods-a.1 has it mounted
      1  user                     Delete pods/a (Background)
           pods/default/a deleting=- → grace 30 s
      2  kube-controller-manager  See pods
      3  kubelet                  StopContainer pods-a.1/app#0
      4  container-runtime        ContainerStopped pods-a.1/app#0
      5  kubelet-node-0           status Pod a
           pods/default/a phase=Running → Failed, ready=True → False
      6  kube-controller-manager  See pods
      7  kube-controller-manager  status Node node-0
           nodes/node-0 attached=kubernetes.io/csi/disk.example^disk → -
      8  kube-controller-manager  DetachVolume kubernetes.io/csi/disk.example^disk from node-0: unmounted
           volumeattachments/disk-node-0 deleting=- → grace 0 s
      9  kube-controller-manager  See volumeattachments
     10  storage                  DetachVolume kubernetes.io/csi/disk.example^disk: node-0"
  `)
})

test('a controller that forgets what it is taking off says that it is attached, and takes it off under a pod', () => {
  const followed = (system: Parameters<Sight['followed']>[0]) => seen<VolumeAttachment>(system, MANAGER, 'volumeattachments')
  expect(attaching('returning', { followed })).toMatchInlineSnapshot(`
    "VOL-S4: kubernetes.io/csi/disk.example^disk is detached from node-0, where pod pods-b.1 has it mounted
      1  user                     Delete pods/a (Background)
           pods/default/a deleting=- → grace 30 s
      2  kube-controller-manager  See pods
      3  kubelet                  StopContainer pods-a.1/app#0
      4  container-runtime        ContainerStopped pods-a.1/app#0
      5  kubelet-node-0           UnmountVolume kubernetes.io/csi/disk.example^disk for pods-a.1
      6  kubelet-node-0           status Node node-0
           nodes/node-0 inUse=kubernetes.io/csi/disk.example^disk → 
      7  kubelet-node-0           status Pod a
           pods/default/a phase=Running → Failed, ready=True → False
      8  kube-controller-manager  See pods
      9  kube-controller-manager  status Node node-0
           nodes/node-0 attached=kubernetes.io/csi/disk.example^disk → -
     10  kube-controller-manager  DetachVolume kubernetes.io/csi/disk.example^disk from node-0: unmounted
           volumeattachments/disk-node-0 deleting=- → grace 0 s
     11  user                     Create Pod b
           pods/default/b new, phase=Pending, node=node-0
     12  kube-controller-manager  See pods
     13  kube-controller-manager  status Node node-0
           nodes/node-0 attached=- → kubernetes.io/csi/disk.example^disk
     14  kube-controller-manager  See volumeattachments
     15  kubelet-node-0           status Node node-0
           nodes/node-0 inUse= → kubernetes.io/csi/disk.example^disk
     16  kubelet-node-0           MountVolume kubernetes.io/csi/disk.example^disk for pods-b.1
     17  storage                  DetachVolume kubernetes.io/csi/disk.example^disk: node-0"
  `)
})

test('a kubelet that does not wait for a volume mounts what is not attached', () => {
  const hasty = mountingBy(({ status }, volume) => status.volumesInUse?.includes(volume) === true)
  const { components, ...rest } = VOLUME_INSTANCES.attaching
  expect(exploreCluster({ ...rest, components: { ...components, kubelet: hasty } }).printed).toMatchInlineSnapshot(`
    "VOL-S6: node-1 mounts kubernetes.io/csi/disk.example^disk, which is not said to be attached
      1  user                     Delete pods/a (Background)
           pods/default/a deleting=- → grace 30 s
      2  user                     Create Pod b
           pods/default/b new, phase=Pending, node=node-1
      3  kubelet-node-1           status Node node-1
           nodes/node-1 inUse=- → kubernetes.io/csi/disk.example^disk
      4  kubelet-node-1           MountVolume kubernetes.io/csi/disk.example^disk for pods-b.1"
  `)
})

test('whoever protects claims by what it sees of pods lets one go that is in use', () => {
  const credulous = protectingBy((system) => seen<Pod>(system, MANAGER, 'pods'))
  const { components, users, ...rest } = VOLUME_INSTANCES.protecting
  const late = [
    { kind: 'Delete', resource: 'pods', name: 'a', propagation: 'Background' } as const,
    { kind: 'Create', value: user('b', 'data', 'node-0') } as const,
  ]
  expect(
    exploreCluster({ ...rest, users: [...late, ...users.slice(0, 1)], components: { ...components, volumeProtection: credulous } }).printed,
  ).toMatchInlineSnapshot(`
    "VOL-S8: /registry/persistentvolumeclaims/default/data is gone while b runs with it
      1  user                     Delete pods/a (Background)
           pods/default/a deleting=- → grace 30 s
      2  kube-controller-manager  See pods
      3  kubelet                  StopContainer pods-a.1/app#0
      4  container-runtime        ContainerStopped pods-a.1/app#0
      5  kubelet-node-0           status Pod a
           pods/default/a phase=Running → Failed, ready=True → False
      6  kube-controller-manager  See pods
      7  user                     Create Pod b
           pods/default/b new, phase=Pending, node=node-0
      8  kubelet-node-0           MountVolume kubernetes.io/csi/disk.example^disk for pods-b.1
      9  kubelet-node-0           StartContainer pods-b.1/app#0
     10  user                     Delete persistentvolumeclaims/data (Background)
           persistentvolumeclaims/default/data deleting=- → grace 0 s
     11  kube-controller-manager  update PersistentVolumeClaim data
           persistentvolumeclaims/default/data gone"
  `)
})
