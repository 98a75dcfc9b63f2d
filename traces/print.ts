/**
 * A trace as diffable text: one line a step, one indented line a changed fact.
 *
 * Shows what is done (actions, faults), who leads, what the store took in that a reader looks for, and where an
 * invariant broke. Heartbeats and repeats are left out; how many is said.
 */
import type { History, Observation } from '../model/state/history.ts'
import type { Plan } from '../model/state/plan.ts'
import { describeAction, describeFault, describePlan, describeRequest, seconds } from './actions.ts'
import { changedFacts } from '../properties/facts.ts'
import type { TraceViolation } from './trace.ts'

export interface Printed {
  readonly lines: readonly string[]
  /** Steps that were left out because they say nothing to a reader. */
  readonly quiet: number
}

const WIDTH_ACTOR = 26

const line = (atMs: number, actor: string, text: string): string => `${seconds(atMs).padStart(9)}  ${actor.padEnd(WIDTH_ACTOR)} ${text}`
const fact = (text: string): string => `${' '.repeat(WIDTH_ACTOR + 12)} ${text}`

/** A step's lines; none when it says nothing to a reader. */
export const describe = (seen: Observation): readonly string[] => {
  switch (seen.kind) {
    case 'UserActed':
    case 'LoadSet':
    case 'DrainChanged':
      return describeUser(seen)
    case 'FaultChanged':
      return [line(seen.atMs, 'fault', `${describeFault(seen.fault)}: ${seen.outcome}${seen.detail === '' ? '' : ` (${seen.detail})`}`)]
    case 'PhaseBegan':
      return [line(seen.atMs, '', `the ${seen.phase} begins`)]
    case 'ProcessStarted':
      return seen.atMs === 0 ? [] : [line(seen.atMs, seen.process, `starts (${seen.reason})`)]
    case 'ProcessEnded':
      return [line(seen.atMs, seen.process, `ends (${seen.reason})`)]
    case 'Elected':
      return [line(seen.atMs, seen.member, `is leader of term ${seen.term}, its log ends at ${seen.lastIndex}`)]
    case 'SteppedDown':
      return [line(seen.atMs, seen.member, `steps down in term ${seen.term}: ${seen.reason}`)]
    case 'Leading':
    case 'StoppedLeading':
      return [line(seen.atMs, seen.process, `${seen.kind === 'Leading' ? 'leads' : 'no longer leads'} ${seen.lease}`)]
    case 'Commit':
      return describeCommit(seen)
    case 'Invoke':
      return seen.request.kind === 'Api' ? [] : [line(seen.atMs, seen.process, `asks ${seen.to}: ${describeRequest(seen.request)}`)]
    case 'Reply':
      return describeReply(seen)
    case 'LeaseGranted':
    case 'LeaseRevoked':
    case 'Compacted':
    case 'Alarmed':
    case 'AuthChanged':
    case 'Installed':
    case 'Configured':
      return describeStore(seen)
    case 'Probed':
    case 'HookChanged':
    case 'ContainerExited':
    case 'Routed':
    case 'VolumeAttached':
    case 'VolumeDetached':
    case 'VolumeMounted':
    case 'VolumeUnmounted':
    case 'VolumeExpanded':
      return describeNode(seen)
    case 'Applied':
    case 'SnapshotTaken':
    case 'Campaigned':
    case 'Hashed':
    case 'Restored':
    case 'Persisted':
    case 'Spoke':
    case 'SteppedBack':
    case 'Committed':
    case 'Voted':
    case 'WatchOpened':
    case 'WatchDelivered':
    case 'WatchClosed':
    case 'Decision':
    case 'SandboxCreated':
    case 'SandboxRemoved':
    case 'ContainerStarted':
    case 'StopSignal':
    case 'RulesSwapped':
    case 'Compared':
      return []
  }
}

const describeCommit = ({ atMs, author, revision, key, before, after }: Extract<Observation, { kind: 'Commit' }>): readonly string[] => {
  const changed = changedFacts(before, after)
  return changed.length === 0 ? [] : [line(atMs, author, `revision ${revision}  ${shortKey(key)}`), ...changed.map(fact)]
}

const describeUser = (seen: Extract<Observation, { kind: 'UserActed' | 'LoadSet' | 'DrainChanged' }>): readonly string[] => {
  switch (seen.kind) {
    case 'UserActed':
      return [line(seen.atMs, 'user', `${seen.action} ${seen.detail}`)]
    case 'LoadSet':
      return [line(seen.atMs, 'load', `${seen.workload} ${seen.milliCpu === null ? 'is not measured' : `${seen.milliCpu} m of CPU`}`)]
    case 'DrainChanged':
      return [line(seen.atMs, 'user', `Drain ${seen.node} ${seen.outcome}${seen.detail === '' ? '' : `: ${seen.detail}`}`)]
  }
}

type OfStore = Extract<
  Observation,
  { kind: 'LeaseGranted' | 'LeaseRevoked' | 'Compacted' | 'Alarmed' | 'AuthChanged' | 'Installed' | 'Configured' }
>

const describeStore = (seen: OfStore): readonly string[] => {
  switch (seen.kind) {
    case 'LeaseGranted':
      return [line(seen.atMs, 'etcd', `lease ${seen.lease} granted for ${seen.ttlMs} ms`)]
    case 'LeaseRevoked':
      return [line(seen.atMs, 'etcd', `lease ${seen.lease} ${seen.expired ? 'expired' : 'revoked'}`)]
    case 'Compacted':
      return [line(seen.atMs, 'etcd', `compacted at revision ${seen.revision}`)]
    case 'Alarmed':
      return [
        line(seen.atMs, 'etcd', `alarms: ${seen.alarms.map(({ alarm, memberId }) => `${alarm} of ${memberId}`).join(', ') || 'none'}`),
      ]
    case 'AuthChanged':
      return [line(seen.atMs, 'etcd', `auth revision ${seen.authRevision}: ${describeRequest(seen.request)}`)]
    case 'Installed':
      return [line(seen.atMs, seen.member, `starts from a snapshot at index ${seen.index}`)]
    case 'Configured': {
      const { voters, outgoing, learners } = seen.configuration
      const halves = outgoing.length === 0 ? voters.join(', ') : `${voters.join(', ')} and ${outgoing.join(', ')}`
      return [line(seen.atMs, seen.member, `voters are ${halves}${learners.length === 0 ? '' : `, learners ${learners.join(', ')}`}`)]
    }
  }
}

type OfNode = Extract<
  Observation,
  {
    kind:
      | 'Probed'
      | 'HookChanged'
      | 'ContainerExited'
      | 'Routed'
      | 'VolumeAttached'
      | 'VolumeDetached'
      | 'VolumeMounted'
      | 'VolumeUnmounted'
      | 'VolumeExpanded'
  }
>

const describeNode = (seen: OfNode): readonly string[] => {
  if (seen.kind === 'VolumeExpanded') return [line(seen.atMs, 'storage', `${seen.volume} has ${seen.size} now`)]
  const { atMs, node } = seen
  switch (seen.kind) {
    case 'Probed':
      return seen.passed ? [] : [line(atMs, `kubelet-${node}`, `the ${seen.probe} probe of container ${seen.container} fails`)]
    case 'HookChanged':
      return [line(atMs, `kubelet-${node}`, `${seen.hook} of container ${seen.container}: ${seen.outcome}`)]
    case 'ContainerExited':
      return [line(atMs, `container-runtime-${node}`, `container ${seen.container} ended with ${seen.exitCode} (${seen.by})`)]
    case 'Routed':
      return seen.backend === null ? [line(atMs, `kube-proxy-${node}`, `rejects a connection to ${seen.service}`)] : []
    case 'VolumeAttached':
      return [line(atMs, 'storage', `${seen.volume} is attached to ${node}`)]
    case 'VolumeDetached':
      return [line(atMs, 'storage', `${seen.volume} is detached from ${node}`)]
    case 'VolumeMounted':
      return [line(atMs, `kubelet-${node}`, `mounts ${seen.volume}`)]
    case 'VolumeUnmounted':
      return [line(atMs, `kubelet-${node}`, `has unmounted ${seen.volume}`)]
  }
}

const shortKey = (key: string): string => key.replace('/registry/', '')

/** Answers of etcd clients only: those of controllers show in what they commit. */
const describeReply = (seen: Extract<Observation, { kind: 'Reply' }>): readonly string[] => {
  if (!seen.process.startsWith('etcd-client')) return []
  const { outcome } = seen
  switch (outcome.kind) {
    case 'done':
      return [line(seen.atMs, seen.process, `is told: done at revision ${outcome.revision}${found(outcome.response)}`)]
    case 'refused':
      return [line(seen.atMs, seen.process, `is refused: ${outcome.reason}`)]
    case 'unknown':
      return [line(seen.atMs, seen.process, `is left in the dark: ${outcome.reason}`)]
  }
}
const found = (response: { readonly kind: string } | undefined): string => {
  if (response === undefined || response.kind !== 'Range' || !('kvs' in response)) return ''
  const kvs = response.kvs as readonly { key: string; value: unknown }[]
  return kvs.length === 0 ? ', no such key' : `, ${kvs.map((kv) => `${kv.key}=${JSON.stringify(kv.value)}`).join(' ')}`
}

/** The whole run step by step, each violation right after the step that showed it. */
export const printHistory = (plan: Plan, history: History, violations: readonly TraceViolation[]): Printed => {
  const broken = new Map<number, TraceViolation[]>()
  for (const violation of violations) broken.set(violation.step, [...(broken.get(violation.step) ?? []), violation])
  const lines: string[] = [...describePlan(plan), '']
  let quiet = 0
  for (const [step, seen] of history.entries()) {
    const own = describe(seen)
    const here = broken.get(step) ?? []
    if (own.length === 0 && here.length > 0) lines.push(line(seen.atMs, '', seen.kind))
    else if (own.length === 0) quiet++
    lines.push(...own)
    for (const violation of here) lines.push(...printViolation(violation))
  }
  const late = violations.filter((violation) => violation.step >= history.length)
  for (const violation of late) lines.push(...printViolation(violation))
  return { lines, quiet }
}

export const printViolation = (violation: TraceViolation): readonly string[] => [
  `${seconds(violation.atMs).padStart(9)}  ✗ ${violation.invariant}: ${violation.sentence}`,
  fact(violation.why),
]

/** What was done and what broke, in as few lines as there are actions. */
export const printDigest = (plan: Plan, violations: readonly TraceViolation[]): readonly string[] => {
  const [first] = violations
  if (first === undefined) return []
  return [
    ...describePlan(plan),
    ...plan.actions.map(
      ({ atMs, do: action, atRest }) =>
        `${(atRest === true ? `rest+${seconds(atMs)}` : seconds(atMs)).padStart(9)}  ${describeAction(action)}`,
    ),
    `${seconds(first.atMs).padStart(9)}  ✗ ${first.invariant}: ${first.sentence}`,
    `${' '.repeat(13)}${first.why}`,
  ]
}
