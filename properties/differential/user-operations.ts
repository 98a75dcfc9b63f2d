/** Random requests about users and by users: few of them, few roles, ranges that meet. */
import fc from 'fast-check'
import type { AdminRequest, By } from '../../model/components/etcd-auth.ts'
import type { Permission } from '../../model/state/auth.ts'
import type { KeyRange, KvRequest } from '../../model/state/keyspace.ts'
import { passwordOf, type UserSequence } from './users.ts'

const user = fc.constantFrom('u1', 'u2', 'root', 'u9')
const role = fc.constantFrom('r1', 'r2', 'root', 'r9')
const key = fc.constantFrom('a', 'b', 'c', 'd', 'e')
const range: fc.Arbitrary<KeyRange> = fc.oneof(
  { weight: 2, arbitrary: fc.record({ key }) },
  // A range that holds nothing asks for nothing that could be permitted.
  {
    weight: 3,
    arbitrary: fc
      .record({ key, rangeEnd: fc.constantFrom('b', 'c', 'd', 'e', 'f', '\0') })
      .filter(({ key: from, rangeEnd }) => rangeEnd === '\0' || from < rangeEnd),
  },
)
const perm: fc.Arbitrary<Permission> = fc
  .record({ range, permType: fc.constantFrom('READ', 'WRITE', 'READWRITE') })
  .map(({ range: keys, permType }) => ({ ...keys, permType }))

const admin: fc.Arbitrary<AdminRequest> = fc.oneof(
  {
    weight: 2,
    arbitrary: fc
      .record({ kind: fc.constant('AuthUserAdd'), name: fc.constantFrom('u1', 'u2', 'root', 'u9', '') })
      .map((made) => ({ ...made, password: passwordOf(made.name) })),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('AuthUserDelete'), name: user }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('AuthUserGrantRole'), user, role }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('AuthUserRevokeRole'), name: user, role }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('AuthRoleAdd'), name: role }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('AuthRoleDelete'), role }) },
  { weight: 5, arbitrary: fc.record({ kind: fc.constant('AuthRoleGrantPermission'), name: role, perm }) },
  {
    weight: 2,
    arbitrary: fc
      .record({ role, range })
      .map(({ role: of, range: keys }): AdminRequest => ({ kind: 'AuthRoleRevokePermission', role: of, ...keys })),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('AuthUserGet'), name: user }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('AuthRoleGet'), role }) },
  { weight: 1, arbitrary: fc.constantFrom<AdminRequest>({ kind: 'AuthUserList' }, { kind: 'AuthRoleList' }, { kind: 'AuthEnable' }) },
)

const simple: fc.Arbitrary<KvRequest> = fc.oneof(
  range.map((keys): KvRequest => ({ kind: 'Range', ...keys })),
  fc.record({ key, prevKv: fc.boolean() }).map((made): KvRequest => ({ kind: 'Put', value: 'x', ...made })),
  fc.record({ range, prevKv: fc.boolean() }).map(({ range: keys, prevKv }): KvRequest => ({ kind: 'DeleteRange', ...keys, prevKv })),
)
const kv: fc.Arbitrary<KvRequest> = fc.oneof(
  { weight: 4, arbitrary: simple },
  {
    weight: 1,
    arbitrary: fc
      .record({ compared: fc.option(range), success: fc.option(simple), failure: fc.option(simple) })
      .map(({ compared, success, failure }): KvRequest => ({
        kind: 'Txn',
        compare: compared === null ? [] : [{ ...compared, target: 'version', result: '>', operand: 0 }],
        success: success === null ? [] : [success],
        failure: failure === null ? [] : [failure],
      })),
  },
)

export const userSequence = (longest: number): fc.Arbitrary<UserSequence> =>
  fc.record({
    before: fc.oneof(
      { weight: 2, arbitrary: fc.constant([]) },
      { weight: 1, arbitrary: fc.array(admin, { maxLength: longest, size: 'max' }) },
    ),
    granted: fc.array(fc.record({ kind: fc.constant('AuthRoleGrantPermission'), name: fc.constantFrom('r1', 'r2'), perm }), {
      maxLength: 6,
      size: 'max',
    }),
    after: fc.array(
      fc.oneof(
        { weight: 3, arbitrary: fc.record({ by: fc.constantFrom<By>('u1', 'u2', 'u1', 'u2', 'root', 'u9', null), request: kv }) },
        { weight: 2, arbitrary: fc.record({ by: fc.constantFrom<By>('root', 'root', 'root', 'u1', null), request: admin }) },
      ),
      { maxLength: longest, size: 'max' },
    ),
  })
