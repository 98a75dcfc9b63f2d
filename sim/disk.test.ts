import { fc, test } from '@fast-check/vitest'
import { expect } from 'vitest'
import { DiskState } from './disk.ts'
import { Streams } from './random.ts'

const LOG = 'log'

// Goal: a crash keeps all that was synced, and of the rest a prefix. Method: any appends and syncs, then a crash.
test.prop([fc.array(fc.boolean(), { maxLength: 40, size: 'max' }), fc.string(), fc.boolean()])(
  'what was synced survives, and a prefix of the rest',
  (steps, seed, tornWrites) => {
    const disk = new DiskState()
    let written = 0
    let synced = 0
    for (const sync of steps) {
      if (sync) {
        disk.syncedUpTo(disk.position)
        synced = written
      } else disk.append(LOG, written++)
    }
    disk.crash(new Streams(seed).stream('crash'), tornWrites)
    const left = disk.read(LOG)
    expect(left.length).toBeGreaterThanOrEqual(synced)
    expect(left.map(({ record }) => record)).toEqual(Array.from({ length: left.length }, (_, index) => index))
    for (const [index, { torn }] of left.entries()) {
      if (torn) expect([index, index >= synced, tornWrites]).toEqual([left.length - 1, true, true])
    }
    expect(disk.unsynced).toBe(false)
  },
)
