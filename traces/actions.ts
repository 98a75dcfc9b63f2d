/** Actions and faults in one line each, as a person would say them. */
import type { Action, EtcdClientAction, Fault, Manifest, Plan, UserAction } from '../model/state/plan.ts'
import { resourceOfKind } from '../model/state/resources.ts'
import type { AuthRequest } from '../model/state/auth.ts'
import type { EtcdRequest } from '../model/state/keyspace.ts'

/** 1234 → '1.234' */
export const seconds = (ms: number): string => (ms / 1000).toFixed(3)
/** 1500 → '1.5 s', 40 → '40 ms' */
export const span = (ms: number): string => (ms >= 1000 ? `${Number((ms / 1000).toFixed(1))} s` : `${ms} ms`)

export const describeAction = (action: Action): string => (isUser(action) ? describeUser(action) : describeFault(action))

const USER_KINDS: ReadonlySet<string> = new Set<UserAction['kind']>([
  'Apply',
  'Replace',
  'Scale',
  'SetImage',
  'Rollback',
  'Pause',
  'Delete',
  'DeletePod',
  'Cordon',
  'Drain',
  'DeleteNode',
  'Taint',
  'Own',
  'ExitContainer',
  'HangContainer',
  'SetLoad',
  'Connect',
  'Etcd',
])
const isUser = (action: Action): action is UserAction => USER_KINDS.has(action.kind)

const describeUser = (action: UserAction): string => {
  switch (action.kind) {
    case 'Apply':
      return `apply ${nameOfManifest(action.object)}`
    case 'Replace':
      return `replace ${nameOfManifest(action.object)}`
    case 'Scale':
      return `scale ${action.resource}/${action.name} to ${action.replicas}`
    case 'SetImage':
      return `set image deployments/${action.deployment} ${action.image}`
    case 'Rollback':
      return `rollout undo deployments/${action.deployment}${action.revision === 0 ? '' : ` to revision ${action.revision}`}`
    case 'Pause':
      return `rollout ${action.paused ? 'pause' : 'resume'} deployments/${action.deployment}`
    case 'Delete':
      return `delete ${action.resource}/${action.name} (${action.propagation})`
    case 'DeletePod':
      return `delete pod number ${action.nth}${action.force ? ' by force' : ''}`
    case 'Cordon':
      return `${action.unschedulable ? 'cordon' : 'uncordon'} ${action.node}`
    case 'Drain':
      return `drain ${action.node}${action.uncordon === true ? ', then uncordon it' : ''}`
    case 'DeleteNode':
      return `delete nodes/${action.node}`
    case 'Own':
      return `put ${action.resource}/${action.name} under ${action.owner.resource}/${action.owner.name}${action.blocks ? ', which waits for it' : ''}${action.instead === true ? ', right after its former owners were deleted' : ''}`
    case 'Taint':
      return `taint nodes/${action.node} ${action.taints.map(({ key, effect }) => `${key}:${effect}${action.remove ? '-' : ''}`).join(' ')}`
    case 'SetLoad':
      return `load of ${action.workload} ${action.milliCpu === null ? 'is not measured' : `is ${action.milliCpu} m of CPU`}`
    case 'ExitContainer':
      return `container number ${action.nth} exits with ${action.exitCode}`
    case 'HangContainer':
      return `container number ${action.nth} answers no probe for ${span(action.forMs)}`
    case 'Connect':
      return `connect to every service from ${action.node}`
    case 'Etcd':
      return `${action.client === 'each' ? 'each etcd client' : `etcd client ${action.client}`}: ${describeRequest(action.request)}`
  }
}

/** 'Deployment default/web'; of a kind that is not Kubernetes' own with what its spec says in one word. */
const nameOfManifest = ({ kind, metadata: { namespace = 'default', name }, ...rest }: Manifest): string => {
  const known = resourceOfKind(kind)
  if (known !== undefined) return `${kind} ${known.namespaced ? `${namespace}/` : ''}${name}`
  const fields = Object.entries((rest['spec'] ?? {}) as Readonly<Record<string, unknown>>).filter(([, value]) => typeof value !== 'object')
  const said = fields.map(([field, value]) => `${field} ${value as string | number | boolean}`)
  return `${kind} ${namespace}/${name}${said.length === 0 ? '' : ` (${said.join(', ')})`}`
}

export const describeRequest = (request: EtcdClientAction | EtcdRequest): string => {
  switch (request.kind) {
    case 'Range':
      return `get ${rangeOf(request)}${request.serializable === true ? ' (serializable)' : ''}${request.revision === undefined || request.revision === 0 ? '' : ` at revision ${request.revision}`}`
    case 'Put':
      return `put ${request.key} ${JSON.stringify(request.value)}`
    case 'PutWithLease':
      return `put ${request.key} ${request.value} with lease ${request.slot}`
    case 'DeleteRange':
      return `delete ${rangeOf(request)}`
    case 'Txn':
      return `txn if ${request.compare.map((one) => `${one.target}(${one.key}) ${one.result} ${one.operand}`).join(' and ')} then ${request.success.map(describeRequest).join(', ') || 'nothing'} else ${request.failure.map(describeRequest).join(', ') || 'nothing'}`
    case 'Compact':
      return 'back' in request ? `compact ${request.back} revisions back` : `compact at ${request.revision}`
    case 'LeaseGrant':
      return `grant lease for ${request.ttlSeconds} s`
    case 'LeaseRevoke':
    case 'LeaseKeepAlive':
    case 'LeaseTimeToLive':
      return `${LEASE_WORDS[request.kind]} lease ${'slot' in request ? request.slot : request.id}`
    case 'Watch':
      return `watch ${rangeOf(request)} from ${request.startBack === 0 ? 'now' : `${Math.abs(request.startBack)} ${request.startBack > 0 ? 'back' : 'ahead'}`}`
    case 'Reconnect':
      return 'reconnect'
    case 'LeaseLeases':
      return 'list leases'
    case 'Alarm':
      return `alarm ${request.action.toLowerCase()} ${request.alarm}`
    case 'HashKv':
      if ('back' in request) return `hash ${request.back} revisions back`
      return `hash at ${request.revision === 0 ? 'the current revision' : `revision ${request.revision}`}`
    case 'CancelWatch':
      return `cancel watch number ${request.nth}`
    case 'AskProgress':
      return 'ask for progress'
    case 'LogOut':
      return 'log out'
    case 'Defragment':
    case 'Snapshot':
    case 'Status':
      return request.kind.toLowerCase()
    case 'MemberAdd':
      return `add ${request.isLearner === true ? 'learner' : 'member'} in ${request.peerUrls.join(', ')}`
    case 'MemberRemove':
      return `remove member ${request.id}`
    case 'MemberPromote':
      return `promote learner ${request.id}`
    case 'MemberUpdate':
      return `member ${request.id} is now in ${request.peerUrls.join(', ')}`
    case 'MemberList':
      return 'list members'
    case 'Reconfigure':
      return `reconfigure: ${request.steps.map(({ kind, member }) => `${kind} ${member}`).join(', ') || 'leave the joint configuration'}`
    case 'MoveLeader':
      return `move the leadership to ${request.target}`
    default:
      return describeAuth(request)
  }
}
/** What an administrator asks, in the words of etcdctl. */
const describeAuth = (request: AuthRequest): string => {
  const { kind, ...given } = request
  const words = kind.replaceAll(/(?!^)[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`).toLowerCase()
  return [words, ...Object.values(given).map((one) => (typeof one === 'object' ? `${one.permType} ${rangeOf(one)}` : String(one)))].join(
    ' ',
  )
}
const LEASE_WORDS = { LeaseRevoke: 'revoke', LeaseKeepAlive: 'keep alive', LeaseTimeToLive: 'time to live of' } as const
const rangeOf = (range: { readonly key: string; readonly rangeEnd?: string }): string =>
  range.rangeEnd === undefined ? range.key : `[${edge(range.key)}, ${range.rangeEnd === '\0' ? 'the end' : range.rangeEnd})`
const edge = (key: string): string => (key === '\0' ? 'the first' : key)

export const describeFault = (fault: Fault): string => {
  switch (fault.kind) {
    case 'CrashProcess':
      return `crash ${fault.target}, restart after ${span(fault.restartMs)}`
    case 'CrashMachine':
      return `crash machine ${fault.target}, ${fault.restartMs === null ? 'for good' : `restart after ${span(fault.restartMs)}`}`
    case 'PauseProcess':
      return `pause ${fault.target} for ${span(fault.forMs)}`
    case 'Partition':
      return `cut ${fault.side.join(', ')} off (${fault.direction}) for ${span(fault.forMs)}${spared(fault)}`
    case 'SlowLink':
      return `slow links of ${fault.target} by ${span(fault.extraMs)} for ${span(fault.forMs)}${spared(fault)}`
    case 'Clog':
      return `clog links of ${fault.target} for ${span(fault.forMs)}`
    case 'StallDisk':
      return `disk of ${fault.target} takes ${span(fault.syncMs)} a sync for ${span(fault.forMs)}`
    case 'JumpClock':
      return `clock of ${fault.target} jumps by ${span(fault.deltaMs)}`
    case 'CrashUnsynced':
      return `for ${span(fault.forMs)} crash ${fault.target} whenever it speaks before its disk is in sync, restart after ${span(fault.restartMs)}`
    case 'DeposeElected':
      return `for ${span(fault.forMs)} cut off whoever leads etcd, ${fault.atCommit === true ? `when one of its first ${fault.afterTripsMost + 1} entries is committed` : `within ${fault.afterTripsMost} message times`}, until the next one does${fault.asked === true ? ', each election read after at once' : ''}${spared(fault)}`
    case 'CrashBetweenWrites':
      return `crash ${fault.target} after ${fault.writes} more writes, restart after ${span(fault.restartMs)}`
    case 'FreezeCache':
      return `freeze ${cachesOf(fault)} of ${fault.target} for ${span(fault.forMs)}`
    case 'BreakConnections':
      return `break the connections of ${fault.target}${fault.afterWrites === undefined ? '' : ` soon after ${fault.afterWrites} more writes`}`
    case 'Outage':
      return fault.of === 'control plane'
        ? `cut the power of the whole control plane for ${span(fault.forMs)}`
        : `kill every process of Kubernetes, kubelets and proxies too, restart after ${span(fault.forMs)}`
    case 'ExpireWatches':
      return `expire the watches of ${fault.target}${onlyOf(fault)}, and refuse its lists for ${span(fault.forMs)}`
    case 'TimeTravel':
      return `freeze for ${span(fault.forMs)} ${cachesOf(fault)} of an apiserver that ${fault.target} does not use, crash it after ${span(fault.afterMs)}, restart it there after ${span(fault.restartMs)}`
  }
}

const cachesOf = ({ resource = null }: { readonly resource?: string | null }): string =>
  resource === null ? 'the watch caches' : `the watch cache of ${resource}`
const onlyOf = ({ resource = null }: { readonly resource?: string | null }): string => (resource === null ? '' : ` for ${resource}`)

const many = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? '' : 's'}`

const spared = (fault: { readonly clientsStay?: boolean }): string => (fault.clientsStay === true ? '; not from clients' : '')

/** Two lines: the cluster, and the weather where it differs from a calm day. */
export const describePlan = (plan: Plan): readonly string[] => {
  const { cluster, weather } = plan
  const parts = [
    many(cluster.members, 'etcd member'),
    ...(cluster.apiservers === 0 ? [] : [many(cluster.apiservers, 'apiserver'), many(cluster.nodes.length, 'node')]),
    ...(cluster.etcdClients === 0 ? [] : [many(cluster.etcdClients, 'client')]),
  ]
  const network = `latency ${weather.latencyMs.join('–')} ms, loss ${weather.lossPerMille} ‰, duplicates ${weather.duplicatePerMille} ‰, reordering ${weather.reorderPerMille} ‰`
  const rest = `disk sync ${weather.diskSyncMs.join('–')} ms${weather.tornWrites ? ', torn writes' : ''}, clocks off by ${span(weather.clockOffsetMs)} and ${weather.clockDriftPpm} ppm`
  return [`suite ${plan.suite}, seed ${plan.seed}: ${parts.join(', ')}; storm ${span(plan.stormMs)}`, `${network}; ${rest}`]
}
