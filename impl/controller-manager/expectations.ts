/**
 * What a controller has asked for and not seen yet: while it waits for that, its view says nothing about how many to make.
 *
 * Source: kubernetes/kubernetes pkg/controller/controller_utils.go (ControllerExpectations). Lost on restart, as there.
 */
const TIMEOUT_MS = 300_000

interface Expected {
  creations: number
  readonly deletions: Set<string>
  readonly sinceMs: number
}

export class Expectations {
  private readonly byKey = new Map<string, Expected>()

  /** deletions: uids. */
  expect(key: string, creations: number, deletions: readonly string[], nowMs: number): void {
    this.byKey.set(key, { creations, deletions: new Set(deletions), sinceMs: nowMs })
  }

  creationSeen(key: string): void {
    const expected = this.byKey.get(key)
    if (expected !== undefined && expected.creations > 0) expected.creations--
  }

  deletionSeen(key: string, uid: string): void {
    this.byKey.get(key)?.deletions.delete(uid)
  }

  /** Milliseconds it still waits for what it asked for; 0: it may act. */
  waitMs(key: string, nowMs: number): number {
    const expected = this.byKey.get(key)
    if (expected === undefined || (expected.creations <= 0 && expected.deletions.size === 0)) return 0
    return Math.max(0, TIMEOUT_MS - (nowMs - expected.sinceMs))
  }

  forget(key: string): void {
    this.byKey.delete(key)
  }
}
