/** DaemonSets. Source: kubernetes/kubernetes pkg/apis/apps/{v1/defaults.go,validation/validation.go}. */
import type { DaemonSet } from '../../../model/state/stateful.ts'
import { same } from '../../equal.ts'
import { selects } from '../../selector.ts'
import type { Kind, Loose } from './kind.ts'
import { defaultTemplate, validatePodSpec } from './pod-spec.ts'

const strategy = (given: Loose | undefined): Loose => {
  const type = given?.['type'] ?? 'RollingUpdate'
  if (type !== 'RollingUpdate') return { type }
  const rolling = (given?.['rollingUpdate'] ?? {}) as Loose
  return { type, rollingUpdate: { ...rolling, maxUnavailable: rolling['maxUnavailable'] ?? 1, maxSurge: rolling['maxSurge'] ?? 0 } }
}

const isNone = (value: number | string): boolean => Number.parseInt(String(value), 10) === 0

export const daemonSet: Kind = {
  defaults: (spec) => ({
    ...spec,
    updateStrategy: strategy(spec['updateStrategy'] as Loose | undefined),
    revisionHistoryLimit: spec['revisionHistoryLimit'] ?? 10,
    template: defaultTemplate(spec['template'] as Loose | undefined),
  }),
  initialStatus: () => ({ currentNumberScheduled: 0, desiredNumberScheduled: 0, numberMisscheduled: 0, numberReady: 0 }),
  keep: (held, updated, refuse) => {
    if (!same((held as DaemonSet).spec.selector, (updated as DaemonSet).spec.selector)) refuse('spec.selector', 'field is immutable')
    return updated
  },
  validate: (object, refuse) => {
    const { spec } = object as DaemonSet
    if ((spec.selector as unknown) === undefined) refuse('spec.selector', 'required value')
    if (!selects(spec.selector, spec.template.metadata.labels))
      refuse('spec.template.metadata.labels', '`selector` does not match template `labels`')
    if (spec.template.spec.restartPolicy !== 'Always') refuse('spec.template.spec.restartPolicy', 'supported values: "Always"')
    const { rollingUpdate } = spec.updateStrategy
    if (rollingUpdate !== undefined && isNone(rollingUpdate.maxSurge) === isNone(rollingUpdate.maxUnavailable))
      refuse(
        'spec.updateStrategy.rollingUpdate.maxUnavailable',
        isNone(rollingUpdate.maxSurge) ? 'cannot be 0 when maxSurge is 0' : 'may not be set when maxSurge is non-zero',
      )
    validatePodSpec(spec.template.spec, 'spec.template.spec', refuse)
  },
}
