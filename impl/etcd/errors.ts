/** What a server refuses with, in its own words. Source: api/v3rpc/rpctypes/error.go. */
import type { EtcdError } from '../../model/state/keyspace.ts'

/** It certainly had and will have no effect. */
const refusal = (message: string): EtcdError => ({ kind: 'Error', message: `etcdserver: ${message}`, definite: true })
/** It may have had an effect, or may have one later. */
const unsure = (message: string): EtcdError => ({ kind: 'Error', message: `etcdserver: ${message}`, definite: false })

export const EMPTY_KEY = refusal('key is not provided')
export const KEY_NOT_FOUND = refusal('key not found')
export const VALUE_PROVIDED = refusal('value is provided')
export const LEASE_PROVIDED = refusal('lease is provided')
export const TOO_MANY_OPERATIONS = refusal('too many operations in txn request')
export const DUPLICATE_KEY = refusal('duplicate key given in txn request')
export const COMPACTED = refusal('mvcc: required revision has been compacted')
export const FUTURE = refusal('mvcc: required revision is a future revision')
export const REQUEST_TOO_LARGE = refusal('request is too large')

export const NO_SPACE = refusal('mvcc: database space exceeded')
/** The write that went over the quota took effect, and is answered as those that come after it. */
export const NO_SPACE_LEFT: EtcdError = { ...NO_SPACE, definite: false }
export const CORRUPT = refusal('corrupt cluster')

export const NO_LEASE = refusal('requested lease not found')
export const LEASE_EXISTS = refusal('lease already exists')
export const LEASE_TOO_LONG = refusal('too large lease TTL')

export const NO_LEADER = refusal('no leader')
export const NOT_LEADER = refusal('not leader')
export const BAD_TRANSFEREE = refusal('bad leader transferee')
export const TRANSFER_TOO_LONG = unsure('request timed out, leader transfer took too long')
export const TIMED_OUT = unsure('request timed out')

export const MEMBER_EXISTS = refusal('member ID already exist')
export const PEER_URLS_EXIST = refusal('Peer URLs already exists')
export const BAD_PEER_URLS = refusal('given member URLs are invalid')
export const NO_MEMBER = refusal('member not found')
export const NOT_LEARNER = refusal('can only promote a learner member')
export const LEARNER_NOT_READY = refusal('can only promote a learner member which is in sync with leader')
export const TOO_MANY_LEARNERS = refusal('too many learner members in cluster')
export const NOT_ENOUGH_STARTED = refusal('re-configuration failed due to not enough started members')
export const UNHEALTHY = refusal('unhealthy cluster')
export const NOT_FOR_LEARNER = refusal('rpc not supported for learner')
/** Raft's own word on a configuration that cannot be. Source: etcd-io/raft confchange/confchange.go. */
export const badConfiguration = (why: string): EtcdError => refusal(why)

export const NO_ROOT_USER = refusal('root user does not exist')
export const NO_ROOT_ROLE = refusal('root user does not have root role')
export const USER_EXISTS = refusal('user name already exists')
export const USER_EMPTY = refusal('user name is empty')
export const NO_USER = refusal('user name not found')
export const ROLE_EXISTS = refusal('role name already exists')
export const NO_ROLE = refusal('role name not found')
export const ROLE_EMPTY = refusal('role name is empty')
export const AUTHENTICATION_FAILED = refusal('authentication failed, invalid user ID or password')
export const PERMISSION_DENIED = refusal('permission denied')
export const ROLE_NOT_GRANTED = refusal('role is not granted to the user')
export const PERMISSION_NOT_GRANTED = refusal('permission is not granted to the role')
export const AUTH_NOT_ENABLED = refusal('authentication is not enabled')
export const INVALID_TOKEN = refusal('invalid auth token')
export const INVALID_MANAGEMENT = refusal('invalid auth management')
export const OLD_AUTH_REVISION = refusal('revision of auth store is old')
