import { expect, test } from 'vitest'
import { AuthStore } from './auth.ts'
import { INVALID_MANAGEMENT, NO_ROOT_ROLE, NO_ROOT_USER, OLD_AUTH_REVISION, PERMISSION_DENIED, USER_EMPTY } from './errors.ts'
import type { AuthLogRequest } from './log-request.ts'

const HEADER = { revision: 1, raftTerm: 1, member: 'etcd-0' }
const root = (auth: AuthStore) => ({ user: 'root', revision: auth.revision })
const asked = (auth: AuthStore, ...requests: readonly AuthLogRequest[]): unknown =>
  requests.map((request) => auth.apply(request, root(auth), HEADER)).at(-1)

/** Enabled, with a user who may do what the permissions say. */
const guarded = (): AuthStore => {
  const auth = new AuthStore()
  asked(
    auth,
    { kind: 'AuthUserAdd', name: 'root', password: 'secret' },
    { kind: 'AuthUserGrantRole', user: 'root', role: 'root' },
    { kind: 'AuthUserAdd', name: 'ann', password: 'word' },
    { kind: 'AuthRoleAdd', name: 'some' },
    { kind: 'AuthRoleGrantPermission', name: 'some', perm: { permType: 'READ', key: 'a', rangeEnd: 'c' } },
    { kind: 'AuthRoleGrantPermission', name: 'some', perm: { permType: 'READWRITE', key: 'c', rangeEnd: 'e' } },
    { kind: 'AuthUserGrantRole', user: 'ann', role: 'some' },
    { kind: 'AuthEnable' },
  )
  return auth
}

test('it is enabled only with a user root who has the role root, and then neither can be taken away', () => {
  const auth = new AuthStore()
  expect(asked(auth, { kind: 'AuthEnable' })).toEqual(NO_ROOT_USER)
  expect(asked(auth, { kind: 'AuthUserAdd', name: 'root', password: '' }, { kind: 'AuthEnable' })).toEqual(NO_ROOT_ROLE)
  asked(auth, { kind: 'AuthUserGrantRole', user: 'root', role: 'root' }, { kind: 'AuthEnable' })
  expect(auth.enabled).toBe(true)
  expect(asked(auth, { kind: 'AuthUserDelete', name: 'root' })).toEqual(INVALID_MANAGEMENT)
  expect(asked(auth, { kind: 'AuthUserRevokeRole', name: 'root', role: 'root' })).toEqual(INVALID_MANAGEMENT)
})

test('ranges that were granted one by one permit what they hold together, and no more', () => {
  const auth = guarded()
  const ann = { user: 'ann', revision: auth.revision }
  expect(auth.isPermitted(ann, { key: 'b', rangeEnd: 'd' }, 'READ')).toBeNull()
  expect(auth.isPermitted(ann, { key: 'b', rangeEnd: 'd' }, 'WRITE')).toEqual(PERMISSION_DENIED)
  expect(auth.isPermitted(ann, { key: 'b', rangeEnd: '\0' }, 'READ')).toEqual(PERMISSION_DENIED)
  expect(auth.isPermitted(ann, { key: 'd' }, 'WRITE')).toBeNull()
  expect(auth.isPermitted(ann, { key: 'e' }, 'READ')).toEqual(PERMISSION_DENIED)
  expect(auth.isPermitted(undefined, { key: 'd' }, 'READ')).toEqual(USER_EMPTY)
})

test('a transaction needs the permissions of both its branches', () => {
  const auth = guarded()
  const ann = { user: 'ann', revision: auth.revision }
  const read = { kind: 'Range', key: 'a' } as const
  const write = { kind: 'Put', key: 'a', value: '1' } as const
  expect(auth.check(ann, { kind: 'Txn', compare: [], success: [read], failure: [] })).toBeNull()
  expect(auth.check(ann, { kind: 'Txn', compare: [], success: [read], failure: [write] })).toEqual(PERMISSION_DENIED)
})

test('who was let in before a change is asked to come again', () => {
  const auth = guarded()
  const ann = { user: 'ann', revision: auth.revision }
  asked(auth, { kind: 'AuthUserRevokeRole', name: 'ann', role: 'some' })
  expect(auth.isPermitted(ann, { key: 'd' }, 'READ')).toEqual(OLD_AUTH_REVISION)
  const copy = new AuthStore()
  copy.restore(auth.image())
  expect(copy.isPermitted({ user: 'ann', revision: copy.revision }, { key: 'd' }, 'READ')).toEqual(PERMISSION_DENIED)
})
