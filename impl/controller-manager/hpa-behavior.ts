/**
 * How fast a number of replicas may change: by the recommendations and the changes of the last while, both in memory.
 *
 * Source: kubernetes/kubernetes pkg/controller/podautoscaler/horizontal.go (stabilizeRecommendationWithBehaviors,
 * convertDesiredReplicasWithBehaviorRate).
 */
import type { HorizontalPodAutoscaler, ScalingPolicy, ScalingRules } from '../../model/state/autoscaling.ts'

interface Noted {
  readonly atMs: number
  readonly replicas: number
}

const KEPT_MS = 3_600_000

/** What is remembered of one autoscaler; lost on restart. */
export class Memory {
  private recommendations: readonly Noted[] = []
  private changes: readonly Noted[] = []

  recommended(replicas: number, atMs: number): void {
    this.recommendations = [...this.recommendations.filter((one) => atMs - one.atMs < KEPT_MS), { atMs, replicas }]
  }

  /** by: negative when there are fewer now. */
  changed(by: number, atMs: number): void {
    this.changes = [...this.changes.filter((one) => atMs - one.atMs < KEPT_MS), { atMs, replicas: by }]
  }

  /** Neither more than was asked for all through the window of scaling up, nor fewer than at any moment of that of down. */
  stabilized(desired: number, current: number, { scaleUp, scaleDown }: HorizontalPodAutoscaler['spec']['behavior'], nowMs: number): number {
    const within = ({ stabilizationWindowSeconds }: ScalingRules): readonly number[] => [
      desired,
      ...this.recommendations.filter(({ atMs }) => nowMs - atMs < stabilizationWindowSeconds * 1000).map(({ replicas }) => replicas),
    ]
    const up = Math.min(...within(scaleUp))
    const down = Math.max(...within(scaleDown))
    if (current < up) return up
    return current > down ? down : current
  }

  /** As far as the policies allow. */
  limited(desired: number, current: number, behavior: HorizontalPodAutoscaler['spec']['behavior'], nowMs: number): number {
    if (desired > current) return Math.min(desired, Math.max(current, this.bound(behavior.scaleUp, current, nowMs, 1)))
    if (desired < current) return Math.max(desired, Math.min(current, this.bound(behavior.scaleDown, current, nowMs, -1)))
    return desired
  }

  private bound({ selectPolicy, policies }: ScalingRules, current: number, nowMs: number, direction: 1 | -1): number {
    if (selectPolicy === 'Disabled') return current
    const bounds = policies.map((policy) => {
      const start = current - this.changedIn(policy, nowMs, direction)
      if (policy.type === 'Pods') return start + direction * policy.value
      const scaled = (start * (100 + direction * policy.value)) / 100
      return direction > 0 ? Math.ceil(scaled) : Math.trunc(scaled)
    })
    return (selectPolicy === 'Max') === direction > 0 ? Math.max(...bounds) : Math.min(...bounds)
  }

  private changedIn({ periodSeconds }: ScalingPolicy, nowMs: number, direction: 1 | -1): number {
    const recent = this.changes.filter(({ atMs, replicas }) => nowMs - atMs < periodSeconds * 1000 && replicas * direction > 0)
    return recent.reduce((sum, { replicas }) => sum + replicas, 0)
  }
}
