import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { StoreRequest } from '../../../model/state/keyspace.ts'
import { EtcdClient } from './client.ts'
import { EtcdCluster } from './cluster.ts'

/** Of what is sure to come, once this process and etcd are given the time to run: a refusal of the system, too. */
const PATIENCE_MS = 30_000

const PRESENT = spawnSync('etcd', ['--version']).status === 0
const absent = PRESENT ? '' : ' (not run: there is no etcd on this machine)'

describe.skipIf(!PRESENT)(`a real etcd of one member${absent}`, () => {
  const folder = mkdtempSync(join(tmpdir(), 'evenkeel-etcd-'))
  let cluster: EtcdCluster
  let client: EtcdClient

  beforeAll(async () => {
    cluster = await EtcdCluster.start({ binary: 'etcd', members: 1, folder, token: 'client-test' })
    const [member] = cluster.members
    if (member === undefined) throw new Error('a cluster has members')
    client = new EtcdClient({ address: cluster.addressOf(member), memberNames: cluster.memberNames, timeoutMs: PATIENCE_MS })
  })
  afterAll(async () => {
    client?.close()
    await cluster?.stop()
    rmSync(folder, { recursive: true, force: true })
  })

  // Each: a request, and what the outcome must hold. Goal: every kind of request and reply crosses the wire unchanged.
  test.for<readonly [StoreRequest, object]>([
    [
      { kind: 'Put', key: 'a', value: 'ä' },
      { kind: 'done', revision: 2, response: { kind: 'Put', header: { revision: 2, member: 'etcd-0' } } },
    ],
    [
      { kind: 'Put', key: 'a', value: 'b', prevKv: true },
      { response: { prevKv: { key: 'a', value: 'ä', version: 1, createRevision: 2, modRevision: 2, lease: 0 } } },
    ],
    [
      { kind: 'Range', key: 'a', revision: 2 },
      { revision: 3, response: { kvs: [{ value: 'ä' }], count: 1, more: false } },
    ],
    [
      { kind: 'Range', key: 'a', revision: 99 },
      { kind: 'refused', reason: 'etcdserver: mvcc: required revision is a future revision', error: { definite: true } },
    ],
    [
      {
        kind: 'Txn',
        compare: [
          { key: 'a', target: 'value', result: '=', operand: 'b' },
          { key: 'a', target: 'version', result: '>', operand: 1 },
          { key: 'a', target: 'create', result: '<', operand: 3 },
          { key: 'a', target: 'mod', result: '!=', operand: 2 },
          { key: 'a', rangeEnd: 'z', target: 'lease', result: '=', operand: 0 },
        ],
        success: [
          { kind: 'Put', key: 'c', value: '1' },
          { kind: 'Txn', compare: [], success: [{ kind: 'DeleteRange', key: 'a', prevKv: true }], failure: [] },
          { kind: 'Range', key: 'a', rangeEnd: '\0' },
        ],
        failure: [],
      },
      {
        revision: 4,
        response: {
          succeeded: true,
          responses: [
            { kind: 'Put' },
            { kind: 'Txn', responses: [{ kind: 'DeleteRange', deleted: 1, prevKvs: [{ value: 'b' }] }] },
            { kind: 'Range', kvs: [{ key: 'c' }] },
          ],
        },
      },
    ],
    [{ kind: 'LeaseGrant', ttlSeconds: 60, id: 7 }, { response: { kind: 'LeaseGrant', id: 7, ttlSeconds: 60 } }],
    [{ kind: 'LeaseKeepAlive', id: 7 }, { response: { id: 7, ttlSeconds: 60 } }],
    [
      { kind: 'Put', key: 'd', value: 'kept', lease: 7 },
      { kind: 'done', revision: 5 },
    ],
    [
      { kind: 'Put', key: 'd', value: '', ignoreValue: true },
      { kind: 'done', revision: 6 },
    ],
    [
      { kind: 'Put', key: 'd', value: '', ignoreValue: true, ignoreLease: true, lease: 7 },
      { kind: 'refused', reason: 'etcdserver: lease is provided' },
    ],
    [{ kind: 'LeaseTimeToLive', id: 7, keys: true }, { response: { id: 7, grantedTtlSeconds: 60 } }],
    [{ kind: 'LeaseLeases' }, { response: { leases: [7] } }],
    [
      { kind: 'Range', key: 'a', rangeEnd: 'z', sortOrder: 'DESCEND', sortTarget: 'CREATE', minModRevision: 5, limit: 1 },
      { response: { kvs: [{ key: 'd', value: 'kept', version: 2 }], count: 2, more: false } },
    ],
    [{ kind: 'LeaseRevoke', id: 7 }, { kind: 'done' }],
    [
      { kind: 'LeaseRevoke', id: 7 },
      { kind: 'refused', reason: 'etcdserver: requested lease not found' },
    ],
    [{ kind: 'Range', key: 'c' }, { response: { kvs: [{ key: 'c' }], count: 1 } }],
    [{ kind: 'DeleteRange', key: 'b' }, { response: { deleted: 0 } }],
    [{ kind: 'Compact', revision: 3 }, { kind: 'done' }],
    [
      { kind: 'Range', key: 'a', revision: 2 },
      { kind: 'refused', reason: 'etcdserver: mvcc: required revision has been compacted' },
    ],
    [{ kind: 'Status' }, { response: { leader: 'etcd-0' } }],
  ])('%j', async ([request, expected]) => {
    expect(await client.request(request)).toMatchObject(expected)
  })

  test('a watch says where it starts, delivers whole revisions, and names the revision it was compacted at', async () => {
    const seen: string[] = []
    await new Promise<void>((resolve) => {
      const open = client.watch(
        { key: 'a', rangeEnd: 'z', startRevision: 4, prevKv: true },
        {
          delivered: (_header, events) => {
            for (const { type, kv, prevKv } of events) seen.push(`${kv.modRevision}: ${type} ${kv.key}, before: ${String(prevKv?.value)}`)
            open.cancel()
          },
          closed: () => resolve(),
        },
      )
    })
    await new Promise<void>((resolve) => {
      client.watch(
        { key: 'a', startRevision: 1 },
        {
          delivered: () => undefined,
          closed: (_reason, compactRevision) => {
            seen.push(`compacted at ${compactRevision}`)
            resolve()
          },
        },
      )
    })
    expect(seen).toEqual([
      '4: PUT c, before: undefined',
      '4: DELETE a, before: b',
      '5: PUT d, before: undefined',
      '6: PUT d, before: kept',
      'compacted at 3',
    ])
  })

  test('a member that is not there never got the request; one that stops answering may have', async () => {
    const [member] = cluster.members
    if (member === undefined) throw new Error('a cluster has members')
    const nobody = new EtcdClient({ address: '127.0.0.1:1', timeoutMs: PATIENCE_MS })
    expect(await nobody.request({ kind: 'Put', key: 'a', value: 'x' })).toMatchObject({ kind: 'refused', reason: 'no connection' })
    nobody.close()
    const hasty = new EtcdClient({ address: cluster.addressOf(member), timeoutMs: 300 })
    expect(await hasty.ready(PATIENCE_MS)).toBeNull()
    cluster.pause(member, true)
    expect(await hasty.request({ kind: 'Put', key: 'a', value: 'x' })).toMatchObject({ kind: 'unknown' })
    cluster.pause(member, false)
    hasty.close()
  })

  test('with a user: the token is fetched, sent, and fetched again when the server no longer knows it', async () => {
    for (const [method, message] of [
      ['UserAdd', { name: 'root', password: 'r' }],
      ['RoleAdd', { name: 'root' }],
      ['UserGrantRole', { user: 'root', role: 'root' }],
      ['AuthEnable', {}],
    ] as const) {
      expect(await client.call(`Auth/${method}`, message)).toHaveProperty('message')
    }
    const [member] = cluster.members
    if (member === undefined) throw new Error('a cluster has members')
    const address = cluster.addressOf(member)
    expect(await client.request({ kind: 'Put', key: 'a', value: 'x' })).toMatchObject({
      kind: 'refused',
      reason: 'etcdserver: user name is empty',
    })
    const stranger = new EtcdClient({ address, user: { name: 'root', password: 'wrong' }, timeoutMs: PATIENCE_MS })
    expect(await stranger.ready(PATIENCE_MS)).toBe('etcdserver: authentication failed, invalid user ID or password')
    stranger.close()
    const root = new EtcdClient({ address, user: { name: 'root', password: 'r' }, timeoutMs: PATIENCE_MS })
    expect(await root.request({ kind: 'Put', key: 'a', value: 'x' })).toMatchObject({ kind: 'done' })
    // Simple tokens live in memory: a restart forgets them.
    await cluster.kill(member)
    await cluster.launch(member, 'restarted')
    await expect.poll(() => root.request({ kind: 'Put', key: 'a', value: 'y' }), { timeout: PATIENCE_MS }).toMatchObject({ kind: 'done' })
    root.close()
  })
})
