/** Pods: what keeps each from running and being ready, or from its end. */
import { DEFAULT_FILTERS, infeasible } from '../components/feasible.ts'
import { allOf } from '../components/scheduling/plugins.ts'
import { victimsOn } from '../components/scheduling/preemption.ts'
import { allocatable, requests } from '../components/scheduling/requests.ts'
import type { Scene } from '../components/scheduling/scene.ts'
import { handsOn, isLimitedPerIndex } from '../components/job-indexes.ts'
import { isEndingUp, isFinished, isTracked, unnoted } from '../components/job.ts'
import { recurs } from '../components/cronjob.ts'
import type { Pending } from '../invariant.ts'
import { groupOf, isPlaced, membersOf } from '../components/scheduling/gang.ts'
import type { Job } from '../state/batch.ts'
import type { ApiObject, Pod } from '../state/objects.ts'
import { POD_GROUP_LABEL, type PodGroup } from '../state/pod-group.ts'
import { attachPending } from './attachments.ts'
import { claimPending } from './claims.ts'
import {
  all,
  conditionOf,
  controllerOf,
  isLost,
  isReady,
  podsOf,
  isEnding,
  isTerminal,
  ITS_END,
  label,
  type Picture,
  type Waiting,
} from './picture.ts'

export const podsPending: Waiting = (picture) => {
  const rows = new Map<string, Pending>()
  for (const pod of picture.pods) {
    const row = podPending(picture, pod)
    if (row === null) continue
    // What comes and goes by the clock is waited for by its CronJob alone.
    if (!row.blocked && recurs(picture.cluster, pod)) continue
    picture.blocked.set(pod.metadata.uid, row.blocked)
    // Pods of one owner that wait for the same thing are one line.
    const key = `${controllerOf(pod) ?? pod.metadata.uid}\n${row.waitsFor}`
    if (!rows.has(key)) rows.set(key, { ...row, of: workloadOf(picture, pod) })
  }
  return [...rows.values()]
}

/** Whose pod it is, as its user would say: the Deployment above the ReplicaSet. */
const workloadOf = (picture: Picture, pod: Pod): string => {
  const owner = pod.metadata.ownerReferences?.find((ref) => ref.controller === true)
  if (owner === undefined) return label(pod)
  const set = picture.sets.find((one) => one.metadata.uid === owner.uid)
  const above = set?.metadata.ownerReferences?.find((ref) => ref.controller === true) ?? owner
  return `${above.kind} ${pod.metadata.namespace}/${above.name}`
}

const STORAGE = ['persistentvolumeclaims', 'persistentvolumes', 'storageclasses']

const podPending = (picture: Picture, pod: Pod): Pending | null => {
  const object = label(pod)
  const node = pod.spec.nodeName ?? ''
  if (pod.metadata.deletionTimestamp !== undefined) {
    if (isToHandOn(picture, pod))
      return { object, waitsFor: 'another pod for its index, which it hands on to', blocked: true, derived: true }
    // Nobody can say that its containers have stopped until the node comes back or is removed.
    if (node !== '' && !picture.nodes.has(node)) return { object, waitsFor: `its end: ${node}, where it was, is gone`, blocked: false }
    return isLost(picture, node) ? null : { object, waitsFor: ITS_END, blocked: false }
  }
  if (isTerminal(pod)) return null
  const claim = claimPending(picture, pod)
  if (claim !== null && !isReady(pod)) return { object, ...claim }
  if (node === '') return unboundPending(picture, pod)
  if (isLost(picture, node)) return evictionPending(picture, pod, node)
  const silent = silentPending(picture, pod)
  if (silent !== null) return { object, ...silent }
  for (const status of [...(pod.status.initContainerStatuses ?? []), ...(pod.status.containerStatuses ?? [])]) {
    const { waiting } = status.state
    if (waiting?.reason === 'CreateContainerConfigError') {
      return { object, waitsFor: `${waiting.message ?? 'its configuration'} (container ${status.name})`, blocked: true }
    }
    if (waiting?.reason === 'CrashLoopBackOff') {
      // A program that is to end well and does not is given up by a Job alone.
      const endless = pod.spec.restartPolicy === 'OnFailure' && controllerOf(pod) === undefined
      const why = /: (its .* failed)$/.exec(waiting.message ?? '')?.[1]
      const told = `container ${status.name} to be started again${why === undefined ? '' : `: ${why}`}`
      return { object, waitsFor: `${told}${endless ? ', and to end well' : ''}`, blocked: endless }
    }
  }
  if (isReady(pod)) return null
  const volume = attachPending(picture, pod)
  if (volume !== null) return { object, ...volume }
  return { object, waitsFor: `its containers to be ready on ${node}`, blocked: false }
}

/** Of a Job that counts the failures of each index on its pods: it may be suspended, or have no room for another. */
const isToHandOn = (picture: Picture, pod: Pod): boolean => {
  const job = all<Job>(picture, 'jobs').find(({ metadata }) => metadata.uid === controllerOf(pod))
  if (job === undefined || !isLimitedPerIndex(job) || !isTracked(pod) || isEndingUp(job) || isFinished(job) || isEnding(job)) return false
  const pods = podsOf(picture, job)
  return handsOn(job, pods, unnoted(job, pods), pod)
}

/** So often that it will not be otherwise the next time. */
const SILENT_LIVES = 3

/** A container that its probes have stopped, time after time, before it ever answered one. */
const silentPending = ({ cluster }: Picture, { metadata, spec }: Pod): Omit<Pending, 'object'> | null => {
  const livesOf = (name: string): number => cluster.unanswered?.get(`${metadata.uid}/${name}`) ?? 0
  const container = spec.containers.find(({ name }) => livesOf(name) >= SILENT_LIVES)
  if (container === undefined) return null
  const probe = container.startupProbe === undefined ? 'liveness' : 'startup'
  const waitsFor = `container ${container.name} to start within what its ${probe} probe allows: it was stopped ${livesOf(container.name)} times before it answered`
  return { waitsFor, blocked: true, endless: true }
}

const evictionPending = (picture: Picture, pod: Pod, node: string): Pending => {
  const object = label(pod)
  const stays = (pod.spec.tolerations ?? []).some(
    (one) => one.key === 'node.kubernetes.io/unreachable' && one.tolerationSeconds === undefined,
  )
  if (stays) return { object, waitsFor: `${node} to come back: it is lost, and the pod tolerates that for ever`, blocked: true }
  // With no node left that reports, nobody is evicted.
  const alone = [...picture.nodes.keys()].every((name) => isLost(picture, name))
  if (alone) return { object, waitsFor: `${node} to come back: it is lost, and so is every other node`, blocked: true }
  return { object, waitsFor: `to be evicted from ${node}, which is lost`, blocked: false }
}

const unboundPending = (picture: Picture, pod: Pod): Pending => {
  const object = label(pod)
  const said = conditionOf(pod.status.conditions, 'PodScheduled')
  if ((pod.spec.schedulingGates ?? []).length > 0) {
    return {
      object,
      waitsFor: `its scheduling gates to be removed: ${(pod.spec.schedulingGates ?? []).map((gate) => gate.name).join(', ')}`,
      blocked: true,
    }
  }
  if (pod.spec.schedulerName !== 'default-scheduler')
    return { object, waitsFor: `the scheduler ${pod.spec.schedulerName}, which does not run here`, blocked: true }
  const groups = all<PodGroup>(picture, 'podgroups')
  const group = groupOf(pod, groups)
  if (group !== undefined) {
    const bound = membersOf(group, picture.pods).filter(isPlaced).length
    // Whether there is room for all of them at once is not worked out here: what is promised of groups is GANG-*.
    if (bound < group.spec.minMember)
      return {
        object,
        waitsFor: `a node, together with others of its group ${group.metadata.name}, which needs ${group.spec.minMember}`,
        blocked: true,
      }
  }
  const named = pod.metadata.labels?.[POD_GROUP_LABEL] ?? ''
  if (group === undefined && named !== '' && said?.status === 'False')
    return { object, waitsFor: `its group ${named}, which is not there`, blocked: true }
  const why = said?.status === 'False' && said.message !== undefined ? `: ${said.message}` : ''
  const scene = sceneOf(picture)
  const nodes = scene.nodes.filter(({ metadata }) => !isLost(picture, metadata.name))
  if (nodes.some((one) => infeasible(scene, pod, one) === null)) {
    // Of a group that never gets whole one pod after the other may hold the room while it waits for the rest.
    const torn = groups.find((one) => isTorn(one, picture))
    if (torn === undefined) return { object, waitsFor: `a node${why}`, blocked: false }
    return { object, waitsFor: `a node, where the group ${torn.metadata.name} tries for room for all its pods${why}`, blocked: true }
  }
  const where = nodes.find((one) => pod.spec.preemptionPolicy !== 'Never' && victimsOn(scene, pod, one, fits) !== null)
  if (where !== undefined) return { object, waitsFor: `room on ${where.metadata.name}, by pods of lower priority${why}`, blocked: false }
  return { object, waitsFor: `a node${why}${explained(picture, pod)}`, blocked: true }
}

/** There are enough of its pods, and too few have a node. */
const isTorn = (group: PodGroup, picture: Picture): boolean => {
  const members = membersOf(group, picture.pods)
  const { minMember } = group.spec
  return members.length >= minMember && members.filter(isPlaced).length < minMember
}

const fits = allOf(DEFAULT_FILTERS.map(({ constraint }) => constraint))

const sceneOf = (picture: Picture): Scene => {
  const pods = picture.pods.filter((other) => (other.spec.nodeName ?? '') !== '' && !isTerminal(other))
  const others = ['namespaces', ...STORAGE].flatMap((resource) => all<ApiObject>(picture, resource))
  return { nodes: [...picture.nodes.values()], pods, others }
}

/** What no node could ever give is said in numbers. */
const explained = (picture: Picture, pod: Pod): string => {
  const parts: string[] = []
  const nodes = [...picture.nodes.values()]
  for (const [resource, amount] of requests(pod)) {
    const largest = Math.max(0, ...nodes.map((node) => allocatable(node, resource)))
    if (amount > largest) parts.push(`it asks for ${show(amount, resource)} ${resource}, the largest node has ${show(largest, resource)}`)
  }
  return parts.length === 0 ? '' : ` (${parts.join('; ')})`
}

const show = (amount: number, resource: string): string => {
  const units = amount / 1000
  return resource === 'memory' ? `${Math.round(units / 1024 ** 2)} Mi` : String(Math.round(units * 1000) / 1000)
}
