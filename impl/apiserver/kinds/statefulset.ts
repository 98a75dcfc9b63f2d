/** StatefulSets. Source: kubernetes/kubernetes pkg/apis/apps/{v1/defaults.go,validation/validation.go}. */
import type { StatefulSet } from '../../../model/state/stateful.ts'
import { same } from '../../equal.ts'
import { selects } from '../../selector.ts'
import type { Kind, Loose } from './kind.ts'
import { defaultTemplate, validatePodSpec } from './pod-spec.ts'

const MUTABLE = new Set([
  'replicas',
  'ordinals',
  'template',
  'updateStrategy',
  'revisionHistoryLimit',
  'persistentVolumeClaimRetentionPolicy',
  'minReadySeconds',
])

const strategy = (given: Loose | undefined): Loose => {
  const type = given?.['type'] ?? 'RollingUpdate'
  if (type !== 'RollingUpdate') return { type }
  return { type, rollingUpdate: { partition: 0, ...(given?.['rollingUpdate'] as Loose | undefined) } }
}

export const statefulSet: Kind = {
  defaults: (spec) => ({
    ...spec,
    replicas: spec['replicas'] ?? 1,
    podManagementPolicy: spec['podManagementPolicy'] ?? 'OrderedReady',
    updateStrategy: strategy(spec['updateStrategy'] as Loose | undefined),
    revisionHistoryLimit: spec['revisionHistoryLimit'] ?? 10,
    persistentVolumeClaimRetentionPolicy: {
      whenDeleted: 'Retain',
      whenScaled: 'Retain',
      ...(spec['persistentVolumeClaimRetentionPolicy'] as Loose | undefined),
    },
    template: defaultTemplate(spec['template'] as Loose | undefined),
  }),
  initialStatus: () => ({ replicas: 0 }),
  keep: (held, updated, refuse) => {
    const before = held as StatefulSet & { readonly spec: Loose }
    const after = updated as StatefulSet & { readonly spec: Loose }
    const fields = new Set([...Object.keys(before.spec), ...Object.keys(after.spec)])
    for (const field of fields)
      if (!MUTABLE.has(field) && !same(before.spec[field], after.spec[field]))
        refuse('spec', `updates to statefulset spec for fields other than ${[...MUTABLE].join(', ')} are forbidden`)
    return updated
  },
  validate: (object, refuse) => {
    const { spec } = object as StatefulSet
    if ((spec.selector as unknown) === undefined) refuse('spec.selector', 'required value')
    if (!selects(spec.selector, spec.template.metadata.labels))
      refuse('spec.template.metadata.labels', '`selector` does not match template `labels`')
    if (spec.replicas < 0) refuse('spec.replicas', 'must be greater than or equal to 0')
    if (spec.template.spec.restartPolicy !== 'Always') refuse('spec.template.spec.restartPolicy', 'supported values: "Always"')
    if ((spec.ordinals?.start ?? 0) < 0) refuse('spec.ordinals.start', 'must be greater than or equal to 0')
    const { partition = 0, maxUnavailable = 1 } = spec.updateStrategy.rollingUpdate ?? {}
    if (partition < 0) refuse('spec.updateStrategy.rollingUpdate.partition', 'must be greater than or equal to 0')
    if (Number.parseInt(String(maxUnavailable), 10) === 0) refuse('spec.updateStrategy.rollingUpdate.maxUnavailable', 'cannot be 0')
    validatePodSpec(spec.template.spec, 'spec.template.spec', refuse)
  },
}
