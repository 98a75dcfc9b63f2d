import { fc, test } from '@fast-check/vitest'
import { expect } from 'vitest'
import { DiskState } from '../../sim/disk.ts'
import type { Disk, StoredRecord } from '../../sim/host.ts'
import { Streams } from '../../sim/random.ts'
import { NOBODY } from './configuration.ts'
import type { Entry } from './raft-message.ts'
import { firstSnapshot } from './server.ts'
import type { Snapshot } from './snapshot.ts'
import { Wal } from './wal.ts'

const ID = 'etcd-0'

const portOf = (disk: DiskState): Disk => ({
  append: (file, record) => disk.append(file, record),
  truncate: (file, length) => disk.truncate(file, length),
  sync: () => disk.syncedUpTo(disk.position),
  list: () => disk.list(),
  read: (file) => disk.read(file),
})
const entry = (index: number, term: number): Entry => ({ index, term, proposal: null })
const snapshotAt = (index: number, term: number): Snapshot => ({ ...firstSnapshot([ID]), index, term, configuration: NOBODY })

interface Step {
  readonly kind: 'append' | 'snapshot' | 'sync' | 'crash'
  readonly count: number
}
const step: fc.Arbitrary<Step> = fc.record({
  kind: fc.constantFrom('append', 'append', 'append', 'snapshot', 'sync', 'crash'),
  count: fc.integer({ min: 1, max: 3 }),
})

/** A member takes a snapshot of what it has applied: its log may be ahead of that by more than a segment. */
const behind = (count: number): number => (count - 1) * 3

// Goal: what was synced comes back, in one piece. Method: any writes, snapshots, syncs and crashes, a torn tail included.
test.prop([fc.array(step, { maxLength: 60, size: 'max' }), fc.string()])('a log that was synced is found again', (steps, seed) => {
  const random = new Streams(seed).stream('crash')
  const disk = new DiskState()
  let wal = new Wal(portOf(disk))
  wal.create(ID)
  disk.syncedUpTo(disk.position)
  let last = 0
  let durable = 0
  let snapshotIndex = 0
  let durableSnapshot = 0
  for (const { kind, count } of steps) {
    if (kind === 'append') {
      wal.save(
        { term: 1, vote: null, commit: last },
        Array.from({ length: count }, (_, place) => entry(last + 1 + place, 1)),
      )
      last += count
    } else if (kind === 'snapshot' && last - behind(count) > snapshotIndex) {
      snapshotIndex = last - behind(count)
      wal.saveSnapshot(snapshotAt(snapshotIndex, 1), false)
    } else if (kind === 'sync') {
      disk.syncedUpTo(disk.position)
      durable = last
      durableSnapshot = snapshotIndex
    } else if (kind === 'crash') {
      disk.crash(random, true)
      wal = new Wal(portOf(disk))
      const held = wal.recover()
      const first = held?.snapshot?.index ?? 0
      expect(held?.entries.map(({ index }) => index)).toEqual(held?.entries.map((_, place) => first + 1 + place))
      last = first + (held?.entries.length ?? 0)
      expect(last).toBeGreaterThanOrEqual(durable)
      expect(first).toBeGreaterThanOrEqual(durableSnapshot)
      snapshotIndex = first
    }
  }
})

test('entries that were replaced do not come back', () => {
  const disk = new DiskState()
  const wal = new Wal(portOf(disk))
  wal.create(ID)
  wal.save({ term: 1, vote: ID, commit: 0 }, [entry(1, 1), entry(2, 1), entry(3, 1)])
  wal.save({ term: 2, vote: null, commit: 1 }, [entry(2, 2)])
  const held = new Wal(portOf(disk)).recover()
  expect(held?.entries).toEqual([entry(1, 1), entry(2, 2)])
  expect(held?.state).toEqual({ term: 2, vote: null, commit: 1 })
})

test('after a snapshot of the leader nothing is left of what the log held before', () => {
  const disk = new DiskState()
  const wal = new Wal(portOf(disk))
  wal.create(ID)
  wal.save({ term: 1, vote: null, commit: 0 }, [entry(1, 1), entry(2, 1), entry(3, 1)])
  wal.saveSnapshot(snapshotAt(2, 2), true)
  const held = new Wal(portOf(disk)).recover()
  expect([held?.snapshot?.index, held?.entries]).toEqual([2, []])
})

// Method: snapshots lag behind the log by so much that, when the oldest segment goes, the next one holds entries and an older
// snapshot, and nothing of what stood between them.
test('entries that follow a snapshot stay, though those right after it have gone with their segment', () => {
  const disk = new DiskState()
  const wal = new Wal(portOf(disk))
  wal.create(ID)
  wal.save({ term: 1, vote: null, commit: 0 }, [entry(1, 1), entry(2, 1), entry(3, 1), entry(4, 1)])
  wal.saveSnapshot(snapshotAt(1, 1), false)
  wal.save({ term: 1, vote: null, commit: 1 }, [entry(5, 1), entry(6, 1)])
  wal.saveSnapshot(snapshotAt(2, 1), false)
  wal.saveSnapshot(snapshotAt(4, 1), false)
  expect(new Wal(portOf(disk)).recover()?.entries).toEqual([entry(5, 1), entry(6, 1)])
})

// Method: the crash came while a snapshot's new segment was being begun; much later that segment is the oldest.
test('a segment that was cut short as it began is begun anew', () => {
  const disk = new DiskState()
  const first = new Wal(portOf(disk))
  first.create(ID)
  first.save({ term: 1, vote: null, commit: 0 }, [entry(1, 1), entry(2, 1)])
  first.saveSnapshot(snapshotAt(1, 1), false)
  disk.truncate('wal-1', 1)
  const torn: Disk = {
    ...portOf(disk),
    read: (file) => disk.read(file).map((stored) => (file === 'wal-1' ? { ...stored, torn: true } : stored)),
  }
  const wal = new Wal(torn)
  wal.recover()
  wal.save({ term: 1, vote: null, commit: 3 }, [entry(3, 1), entry(4, 1)])
  wal.saveSnapshot(snapshotAt(3, 1), false)
  expect(new Wal(portOf(disk)).recover()?.entries).toEqual([entry(4, 1)])
})

// Goal: a disk that altered what it had kept is not believed. Method: one record of the middle is altered.
test('a record that was altered is found out, and the member does not start', () => {
  const disk = new DiskState()
  const wal = new Wal(portOf(disk))
  wal.create(ID)
  wal.save({ term: 1, vote: null, commit: 0 }, [entry(1, 1), entry(2, 1)])
  const damaged: Disk = {
    ...portOf(disk),
    read: (file) =>
      disk.read(file).map((stored): StoredRecord => {
        const record = stored.record as { readonly entry?: Entry }
        return record.entry?.index === 1 ? { ...stored, record: { ...record, entry: entry(1, 7) } } : stored
      }),
  }
  expect(() => new Wal(damaged).recover()).toThrow('failed to read WAL, cannot be repaired: wal-0: wal: crc mismatch')
})

test('only terms, votes and entries have to wait for the disk', () => {
  const wal = new Wal(portOf(new DiskState()))
  wal.create(ID)
  expect(wal.save({ term: 1, vote: null, commit: 0 }, [])).toBe(true)
  expect(wal.save({ term: 1, vote: ID, commit: 0 }, [])).toBe(true)
  expect(wal.save({ term: 1, vote: ID, commit: 0 }, [entry(1, 1)])).toBe(true)
  expect(wal.save({ term: 1, vote: ID, commit: 1 }, [])).toBe(false)
})
