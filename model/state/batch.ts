/**
 * Jobs and CronJobs in the stored form: defaulted and validated.
 *
 * Source: https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/job-v1/, cron-job-v1
 */
import type { ApiObject, Condition, Labels, LabelSelector, PodTemplateSpec, Time, Uid } from './objects.ts'

/** On every pod of a Job until the Job has counted its end. */
export const TRACKING_FINALIZER = 'batch.kubernetes.io/job-tracking'
/** Annotation and label of the pods of an Indexed Job. */
export const COMPLETION_INDEX = 'batch.kubernetes.io/job-completion-index'
/** Annotations of the pods of a Job with a limit per index: how often its index had failed before, and how often that was ignored. */
export const INDEX_FAILURES = 'batch.kubernetes.io/job-index-failure-count'
export const INDEX_FAILURES_IGNORED = 'batch.kubernetes.io/job-index-ignored-failure-count'
/** Annotation of a Job that a CronJob made: when it was due. */
export const SCHEDULED_AT = 'batch.kubernetes.io/cronjob-scheduled-timestamp'
export const CONTROLLER_UID = 'batch.kubernetes.io/controller-uid'

/** What is done about a pod that failed: the Job fails, its index does, the pod is not counted, or it is. */
export type PodFailureAction = 'FailJob' | 'FailIndex' | 'Ignore' | 'Count'
export interface PodFailureRule {
  readonly action: PodFailureAction
  readonly onExitCodes?: {
    /** Absent: any container. */
    readonly containerName?: string
    readonly operator: 'In' | 'NotIn'
    readonly values: readonly number[]
  }
  readonly onPodConditions?: readonly { readonly type: string; readonly status: Condition['status'] }[]
}

/** Which indexes are enough: these, so many of these, or so many of all. */
export interface SuccessRule {
  /** Such as '0-2,5'. */
  readonly succeededIndexes?: string
  readonly succeededCount?: number
}

export interface JobSpec {
  readonly parallelism: number
  /** Absent: a work queue, done when one pod has succeeded and none is left. */
  readonly completions?: number
  readonly completionMode: 'NonIndexed' | 'Indexed'
  readonly backoffLimit: number
  /** Of an Indexed Job: how often each index may fail before it has failed for good. */
  readonly backoffLimitPerIndex?: number
  /** How many indexes may have failed for good before the Job is given up. Absent: all are tried. */
  readonly maxFailedIndexes?: number
  readonly activeDeadlineSeconds?: number
  readonly ttlSecondsAfterFinished?: number
  readonly suspend: boolean
  readonly manualSelector?: boolean
  readonly selector: LabelSelector
  /** Of an Indexed Job: it is done when one of these is met. */
  readonly successPolicy?: { readonly rules: readonly SuccessRule[] }
  readonly podFailurePolicy?: { readonly rules: readonly PodFailureRule[] }
  readonly podReplacementPolicy: 'TerminatingOrFailed' | 'Failed'
  readonly template: PodTemplateSpec
}
export interface JobStatus {
  readonly startTime?: Time
  readonly completionTime?: Time
  readonly active?: number
  readonly ready?: number
  readonly terminating?: number
  readonly succeeded?: number
  readonly failed?: number
  /** Of an Indexed Job, such as '0-2,5'. */
  readonly completedIndexes?: string
  /** With a limit per index: those that have failed for good. */
  readonly failedIndexes?: string
  /** Pods whose end is noted and not yet counted: the finalizer goes in between. */
  readonly uncountedTerminatedPods?: { readonly succeeded?: readonly Uid[]; readonly failed?: readonly Uid[] }
  readonly conditions?: readonly Condition[]
}
export interface Job extends ApiObject {
  readonly kind: 'Job'
  readonly spec: JobSpec
  readonly status: JobStatus
}

export interface CronJob extends ApiObject {
  readonly kind: 'CronJob'
  readonly spec: {
    /** Five fields, or '@hourly' and the like. */
    readonly schedule: string
    /** A name of model/state/time-zones.ts. Absent: UTC. */
    readonly timeZone?: string
    readonly concurrencyPolicy: 'Allow' | 'Forbid' | 'Replace'
    readonly startingDeadlineSeconds?: number
    readonly suspend: boolean
    readonly successfulJobsHistoryLimit: number
    readonly failedJobsHistoryLimit: number
    readonly jobTemplate: {
      readonly metadata?: { readonly labels?: Labels; readonly annotations?: Labels }
      readonly spec: Omit<JobSpec, 'selector'>
    }
  }
  readonly status: {
    readonly active?: readonly { readonly name: string; readonly namespace: string; readonly uid: Uid }[]
    readonly lastScheduleTime?: Time
    readonly lastSuccessfulTime?: Time
  }
}
