/** Jobs and CronJobs. Source: kubernetes/kubernetes pkg/registry/batch/{job,cronjob}/strategy.go, pkg/apis/batch/{v1/defaults.go,validation}. */
import { CONTROLLER_UID, type CronJob, type Job, type JobSpec, type PodFailureRule } from '../../../model/state/batch.ts'
import type { PodTemplateSpec } from '../../../model/state/objects.ts'
import { minutesEast, UNKNOWN_ZONE } from '../../../model/state/time-zones.ts'
import { cronProblem } from '../../cron.ts'
import { same } from '../../equal.ts'
import { selects } from '../../selector.ts'
import type { Kind, Loose, Refuse } from './kind.ts'
import { defaultTemplate, validatePodSpec } from './pod-spec.ts'

const BACKOFF_LIMIT = 6
/** None: each index has its own. */
const BACKOFF_UNLIMITED = 2_147_483_647
const RULES_MOST = 20
const INDEXES = /^\d+(-\d+)?(,\d+(-\d+)?)*$/

const rule = (given: PodFailureRule): PodFailureRule =>
  given.onPodConditions === undefined
    ? given
    : { ...given, onPodConditions: given.onPodConditions.map((one) => ({ ...one, status: (one as Partial<typeof one>).status ?? 'True' })) }

export const defaultJobSpec = (spec: Loose): Loose => {
  const { completions, parallelism, podFailurePolicy, backoffLimitPerIndex } = spec as Partial<JobSpec>
  const one = completions === undefined && parallelism === undefined
  return {
    ...spec,
    ...(one ? { completions: 1 } : {}),
    parallelism: parallelism ?? 1,
    completionMode: spec['completionMode'] ?? 'NonIndexed',
    backoffLimit: spec['backoffLimit'] ?? (backoffLimitPerIndex === undefined ? BACKOFF_LIMIT : BACKOFF_UNLIMITED),
    suspend: spec['suspend'] ?? false,
    podReplacementPolicy: spec['podReplacementPolicy'] ?? (podFailurePolicy === undefined ? 'TerminatingOrFailed' : 'Failed'),
    ...(podFailurePolicy === undefined ? {} : { podFailurePolicy: { rules: podFailurePolicy.rules.map(rule) } }),
    template: defaultTemplate(spec['template'] as Loose | undefined),
  }
}

/** A Job selects its pods by its own uid, unless its user says how. */
const withSelector = (job: Job): Job => {
  const { uid, name } = job.metadata
  if (job.spec.manualSelector === true) return job
  const own = { [CONTROLLER_UID]: uid, 'controller-uid': uid, 'batch.kubernetes.io/job-name': name, 'job-name': name }
  const { metadata } = job.spec.template
  const template: PodTemplateSpec = { ...job.spec.template, metadata: { ...metadata, labels: { ...metadata.labels, ...own } } }
  return { ...job, spec: { ...job.spec, selector: { matchLabels: { [CONTROLLER_UID]: uid } }, template } }
}

const NUMBERS = [
  'parallelism',
  'completions',
  'backoffLimit',
  'backoffLimitPerIndex',
  'maxFailedIndexes',
  'activeDeadlineSeconds',
  'ttlSecondsAfterFinished',
] as const

/** What is true of a Job's spec wherever it stands. */
export const validateJobSpec = (spec: Omit<JobSpec, 'selector'>, field: string, refuse: Refuse): void => {
  for (const name of NUMBERS) if ((spec[name] ?? 0) < 0) refuse(`${field}.${name}`, 'must be greater than or equal to 0')
  const { restartPolicy } = spec.template.spec
  if (restartPolicy === 'Always') {
    refuse(`${field}.template.spec.restartPolicy`, 'unsupported value "Always": supported values: "OnFailure", "Never"')
  }
  if (spec.completionMode === 'Indexed' && spec.completions === undefined) {
    refuse(`${field}.completions`, 'required value: when completion mode is Indexed')
  }
  validateIndexLimit(spec, field, refuse)
  validatePolicy(spec, field, refuse)
  validateSuccess(spec, `${field}.successPolicy`, refuse)
  validatePodSpec(spec.template.spec, `${field}.template.spec`, refuse)
}

const validateIndexLimit = (spec: Omit<JobSpec, 'selector'>, field: string, refuse: Refuse): void => {
  const { completionMode, completions = 0, backoffLimitPerIndex, maxFailedIndexes, template } = spec
  for (const name of ['backoffLimitPerIndex', 'maxFailedIndexes'] as const)
    if (spec[name] !== undefined && completionMode !== 'Indexed') refuse(`${field}.${name}`, 'requires indexed completion mode')
  if (maxFailedIndexes !== undefined && backoffLimitPerIndex === undefined)
    refuse(`${field}.backoffLimitPerIndex`, 'required value: when maxFailedIndexes is specified')
  if ((maxFailedIndexes ?? 0) > completions) refuse(`${field}.maxFailedIndexes`, 'must be less than or equal to completions')
  if (backoffLimitPerIndex !== undefined && template.spec.restartPolicy !== 'Never')
    refuse(`${field}.template.spec.restartPolicy`, 'only "Never" is supported with a backoffLimitPerIndex')
}

const validatePolicy = (spec: Omit<JobSpec, 'selector'>, field: string, refuse: Refuse): void => {
  const { podFailurePolicy, podReplacementPolicy, template, backoffLimitPerIndex } = spec
  if (podFailurePolicy === undefined) return
  const place = `${field}.podFailurePolicy`
  if (template.spec.restartPolicy !== 'Never') refuse(place, 'only "Never" is supported as restartPolicy with a podFailurePolicy')
  if (podReplacementPolicy !== 'Failed') refuse(`${field}.podReplacementPolicy`, 'may only be "Failed" with a podFailurePolicy')
  if (podFailurePolicy.rules.length > RULES_MOST) refuse(`${place}.rules`, `must have at most ${RULES_MOST} items`)
  for (const [index, { action, onExitCodes, onPodConditions }] of podFailurePolicy.rules.entries()) {
    const at = `${place}.rules[${index}]`
    if (action === 'FailIndex' && backoffLimitPerIndex === undefined)
      refuse(`${at}.action`, 'unsupported value "FailIndex": requires the backoffLimitPerIndex to be set')
    if ((onExitCodes === undefined) === (onPodConditions === undefined))
      refuse(at, 'specifying one of onExitCodes and onPodConditions is required')
    if (onExitCodes?.operator === 'In' && onExitCodes.values.includes(0))
      refuse(`${at}.onExitCodes.values`, 'must not be 0 for the In operator')
  }
}

const validateSuccess = ({ successPolicy, completionMode, completions = 0 }: Omit<JobSpec, 'selector'>, field: string, refuse: Refuse) => {
  if (successPolicy === undefined) return
  if (completionMode !== 'Indexed') refuse(field, 'requires indexed completion mode')
  const { rules } = successPolicy
  if (rules.length === 0)
    refuse(`${field}.rules`, 'required value: at least one rules must be specified when the successPolicy is specified')
  if (rules.length > RULES_MOST) refuse(`${field}.rules`, `must have at most ${RULES_MOST} items`)
  for (const [place, { succeededIndexes, succeededCount }] of rules.entries()) {
    const at = `${field}.rules[${place}]`
    if (succeededIndexes === undefined && succeededCount === undefined)
      refuse(at, 'required value: at least one of succeededCount or succeededIndexes must be specified')
    const bounds = succeededIndexes?.split(',').map((part) => part.split('-').map(Number)) ?? []
    const ordered = bounds.flat().every((index, nth, all) => nth === 0 || index > (all[nth - 1] ?? 0))
    if (succeededIndexes !== undefined && (!INDEXES.test(succeededIndexes) || !ordered))
      refuse(`${at}.succeededIndexes`, `invalid value "${succeededIndexes}": expected rising indexes, such as "0-2,5"`)
    if (bounds.flat().some((index) => index >= completions))
      refuse(`${at}.succeededIndexes`, `invalid value "${succeededIndexes}": expected indexes below ${completions}`)
    if (succeededCount === undefined) continue
    const most = bounds.length === 0 ? completions : bounds.reduce((sum, [first = 0, last = first]) => sum + last - first + 1, 0)
    if (!Number.isInteger(succeededCount) || succeededCount <= 0) refuse(`${at}.succeededCount`, 'must be greater than 0')
    if (succeededCount > most) refuse(`${at}.succeededCount`, `must be less than or equal to ${most}, the number of its indexes`)
  }
}

/** What stays as it was made. `completions` of an Indexed Job may change together with parallelism. */
const FIXED = [
  'selector',
  'completionMode',
  'backoffLimitPerIndex',
  'podFailurePolicy',
  'successPolicy',
  'podReplacementPolicy',
  'template',
  'manualSelector',
] as const

export const job: Kind = {
  defaults: defaultJobSpec,
  initialStatus: () => ({}),
  create: (object) => withSelector(object as Job),
  keep: (held, updated, refuse) => {
    const before = (held as Job).spec
    const after = (updated as Job).spec
    for (const name of FIXED) if (!same(before[name], after[name])) refuse(`spec.${name}`, 'field is immutable')
    const elastic = after.completionMode === 'Indexed' && after.completions === after.parallelism
    if (before.completions !== after.completions && !elastic) refuse('spec.completions', 'field is immutable')
    return updated
  },
  validate: (object, refuse) => {
    const { spec } = object as Job
    if (!selects(spec.selector, spec.template.metadata.labels)) {
      refuse('spec.template.metadata.labels', '`selector` does not match template `labels`')
    }
    validateJobSpec(spec, 'spec', refuse)
  },
}

/** Its Jobs' names add a dash and the minutes since 1970 to its own. */
const NAME_MOST = 52

export const cronJob: Kind = {
  defaults: (spec) => {
    const template = (spec['jobTemplate'] ?? {}) as Loose
    return {
      ...spec,
      concurrencyPolicy: spec['concurrencyPolicy'] ?? 'Allow',
      suspend: spec['suspend'] ?? false,
      successfulJobsHistoryLimit: spec['successfulJobsHistoryLimit'] ?? 3,
      failedJobsHistoryLimit: spec['failedJobsHistoryLimit'] ?? 1,
      jobTemplate: { ...template, spec: defaultJobSpec((template['spec'] ?? {}) as Loose) },
    }
  },
  initialStatus: () => ({}),
  validate: (object, refuse) => {
    const { metadata, spec } = object as CronJob
    const problem = typeof spec.schedule === 'string' ? cronProblem(spec.schedule) : 'required value'
    if (problem !== null) refuse('spec.schedule', problem)
    if (spec.timeZone !== undefined && minutesEast(spec.timeZone) === undefined) {
      refuse('spec.timeZone', `unknown time zone "${spec.timeZone}": ${UNKNOWN_ZONE}`)
    }
    for (const name of ['startingDeadlineSeconds', 'successfulJobsHistoryLimit', 'failedJobsHistoryLimit'] as const) {
      if ((spec[name] ?? 0) < 0) refuse(`spec.${name}`, 'must be greater than or equal to 0')
    }
    if (metadata.name.length > NAME_MOST) refuse('metadata.name', `must be no more than ${NAME_MOST} characters`)
    validateJobSpec(spec.jobTemplate.spec, 'spec.jobTemplate.spec', refuse)
  },
}
