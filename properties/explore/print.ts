/** A run of the model as text: one line an action, one indented line each fact that it changed. */
import { SERVER } from '../../model/components/quota-machine.ts'
import { clusterWith, COMPONENTS } from '../../model/model.ts'
import type { Choice } from '../../model/state/history.ts'
import type { Action, Request, System, UserStep } from '../../model/state/system.ts'
import { changedFacts } from '../facts.ts'
import { observe } from './observe.ts'

const choiceText = (choice: Choice): string => {
  switch (choice.kind) {
    case 'Bind':
      return `Bind ${choice.pod.name} → ${choice.node}`
    case 'Permit':
      return `Permit ${choice.pod.name} → ${choice.node}`
    case 'Unschedulable':
      return `Unschedulable ${choice.pod.name}`
    case 'Preempt':
      return `Preempt ${choice.victims.map(({ name }) => name).join(', ')} for ${choice.pod.name} → ${choice.node}`
    case 'DeleteToken':
      return `DeleteToken ${choice.secret.name}`
    case 'CreatePod':
    case 'CreateJobPod':
    case 'CreateReplicaSet':
      return `${choice.kind} ${choice.name}`
    case 'DeletePod':
    case 'DeleteJobPod':
    case 'AdoptPod':
    case 'ReleasePod':
    case 'EvictPod':
    case 'ForceDeletePod':
      return `${choice.kind} ${choice.pod.name}`
    case 'Recommend':
      return `Recommend ${choice.replicas ?? 'nothing'} for ${choice.target.name}`
    case 'Autoscale':
      return `Autoscale ${choice.target.name} ${choice.from} → ${choice.to}`
    case 'StartJob':
      return `StartJob ${choice.name}`
    case 'ReplaceJob':
    case 'ExpireJob':
      return `${choice.kind} ${choice.job.name}`
    case 'FinishJob':
      return `FinishJob ${choice.owner.name} ${choice.outcome}${choice.reason === '' ? '' : `: ${choice.reason}`}`
    case 'ScaleReplicaSet':
      return `ScaleReplicaSet ${choice.replicaSet.name} ${choice.from} → ${choice.to}`
    case 'DeleteReplicaSet':
      return `DeleteReplicaSet ${choice.replicaSet.name}`
    case 'ReleaseOwner':
    case 'CollectGarbage':
      return `${choice.kind} ${choice.object.resource}/${choice.object.name}`
    case 'GiveUpNode':
      return `GiveUpNode ${choice.node}`
    case 'MarkUnknown':
      return `MarkUnknown ${choice.node}`
    case 'DetachVolume':
      return `DetachVolume ${choice.volume} from ${choice.node}: ${choice.because}`
    case 'CountQuota':
      return `CountQuota ${choice.quota.name}`
    case 'CountBudget':
      return `CountBudget ${choice.budget.name} allows ${choice.disruptionsAllowed}`
    case 'WriteEndpoints':
      return `WriteEndpoints ${choice.service.name}`
    case 'MirrorEndpoints':
      return `MirrorEndpoints ${choice.endpoints.name}`
  }
}

const routine = ({ request }: Request): string => {
  if (request.verb === 'bind' || request.verb === 'delete') return `${request.verb} ${request.key.slice('/registry/'.length)}`
  const { kind, metadata } = request.value
  return `${request.verb} ${kind} ${metadata.name}`
}

const stepText = (step: UserStep): string => {
  switch (step.kind) {
    case 'Create':
      return `Create ${step.value.kind} ${step.value.metadata.name}`
    case 'Scale':
      return `Scale ${step.deployment} to ${step.replicas}`
    case 'Replace':
      return `Replace ${step.value.kind} ${step.value.metadata.name}`
    case 'SetImage':
      return `SetImage ${step.deployment} ${step.image}`
    case 'Rollback':
      return `Rollback ${step.deployment}`
    case 'Delete':
      return `Delete ${step.resource}/${step.name} (${step.propagation}${step.graceSeconds === 0 ? ', forced' : ''})`
    case 'Cordon':
      return `Cordon ${step.node}`
    case 'SetLoad':
      return `SetLoad ${step.workload} ${step.milliCpu === null ? 'unmeasured' : `${step.milliCpu}m`}`
  }
}

const actionText = (action: Action): readonly [string, string] => {
  switch (action.kind) {
    case 'Request':
      return [action.process, action.choice === null ? routine(action) : choiceText(action.choice)]
    case 'See':
      return [action.process, `See ${action.resource}`]
    case 'Admit': {
      const { request, process } = action
      return [SERVER, request === null ? 'Refuse' : request.verb === 'status' ? 'Charge' : `Make what ${process} asked for`]
    }
    case 'JudgeLoad':
      return [action.process, action.choices.map(choiceText).join(', ') || 'JudgeLoad']
    case 'ScaleTarget':
      return [action.process, `ScaleTarget ${action.target.slice('/registry/'.length)}`]
    case 'MinutePasses':
      return ['clock', 'MinutePasses']
    case 'AttachVolume':
    case 'DetachVolume':
      return ['storage', `${action.kind} ${action.volume}: ${action.node}`]
    case 'MountVolume':
    case 'UnmountVolume':
      return [`kubelet-${action.mount.node}`, `${action.kind} ${action.mount.volume} for ${action.mount.pod}`]
    case 'NoteUnused':
      return ['attach-detach', `Note that ${action.attachment} is ${action.sinceMs === null ? 'used' : 'unused'}`]
    case 'StartContainer':
      return [`kubelet-${action.container.node}`, `StartContainer ${action.container.id}`]
    case 'StopContainer':
      return ['kubelet', `StopContainer ${action.id}`]
    case 'ContainerStopped':
      return ['container-runtime', `ContainerStopped ${action.id}`]
    case 'ProgramEnds':
      return ['container-runtime', `ProgramEnds ${action.id}`]
    case 'SwapRules':
      return [`kube-proxy-${action.node}`, 'SwapRules']
    case 'UserActs':
      return ['user', stepText(action.step)]
    case 'ExitContainer':
      return ['environment', `ExitContainer ${action.id}`]
    case 'CrashMachine':
    case 'RestartMachine':
    case 'CutOff':
    case 'Reconnect':
      return ['environment', `${action.kind} ${action.node}`]
  }
}

const changes = (before: System, action: Action, after: System): readonly string[] =>
  observe(before, action, after).flatMap((seen) => {
    switch (seen.kind) {
      case 'Commit': {
        const facts = changedFacts(seen.before, seen.after).filter((fact) => !fact.endsWith('=-'))
        return facts.length === 0 ? [] : [`${seen.key.slice('/registry/'.length)} ${facts.join(', ')}`]
      }
      case 'RulesSwapped':
        return Object.entries(seen.rules).map(([name, { backends }]) => `${name} → ${backends.join(', ') || 'nowhere'}`)
      default:
        return []
    }
  })

const PROCESS_WIDTH = 24

export const printRun = (first: System, actions: readonly Action[]): readonly string[] => {
  const machine = clusterWith(COMPONENTS)
  const lines: string[] = []
  let state = first
  for (const [index, action] of actions.entries()) {
    const after = machine.next(state, action)
    const [process, text] = actionText(action)
    lines.push(`${String(index + 1).padStart(3)}  ${process.padEnd(PROCESS_WIDTH)} ${text}`)
    for (const change of changes(state, action, after)) lines.push(`       ${change}`)
    state = after
  }
  return lines
}
