/** ReplicaSets, ReplicationControllers and Deployments. Source: kubernetes/kubernetes pkg/registry/{apps,core}, pkg/apis/{apps,core}. */
import type { ApiObject, Deployment, ReplicaSet } from '../../../model/state/objects.ts'
import type { ReplicationController } from '../../../model/state/replication.ts'
import { same } from '../../equal.ts'
import { selects } from '../../selector.ts'
import type { Kind, Loose, Refuse } from './kind.ts'
import { defaultTemplate, validatePodSpec } from './pod-spec.ts'

const keepSelector = (held: ApiObject, updated: ApiObject, refuse: Refuse): ApiObject => {
  if (!same((held as Deployment).spec.selector, (updated as Deployment).spec.selector)) refuse('spec.selector', 'field is immutable')
  return updated
}

const validateWorkload = ({ spec }: Pick<Deployment | ReplicaSet, 'spec'>, refuse: Refuse): void => {
  if ((spec.selector as unknown) === undefined) refuse('spec.selector', 'required value')
  if (!selects(spec.selector, spec.template.metadata.labels)) {
    refuse('spec.template.metadata.labels', 'selector does not match template labels')
  }
  if (spec.replicas < 0) refuse('spec.replicas', 'must be greater than or equal to 0')
  validatePodSpec(spec.template.spec, 'spec.template.spec', refuse)
}

export const replicaSet: Kind = {
  defaults: (spec) => ({
    ...spec,
    replicas: spec['replicas'] ?? 1,
    template: defaultTemplate(spec['template'] as Loose | undefined),
  }),
  initialStatus: () => ({ replicas: 0 }),
  keep: keepSelector,
  validate: (object, refuse) => validateWorkload(object as ReplicaSet, refuse),
}

/** Its selector may change, as it always could; absent, it is the labels of the template. */
export const replicationController: Kind = {
  defaults: (spec) => {
    const template = defaultTemplate(spec['template'] as Loose | undefined) as Loose & { readonly metadata: { readonly labels?: Loose } }
    return { ...spec, replicas: spec['replicas'] ?? 1, selector: spec['selector'] ?? template.metadata.labels, template }
  },
  initialStatus: () => ({ replicas: 0 }),
  validate: (object, refuse) => {
    const given = object as ReplicationController
    validateWorkload({ spec: { ...given.spec, selector: { matchLabels: given.spec.selector } } }, refuse)
  },
}

const isZero = (value: number | string): boolean => value === 0 || value === '0%'

export const deployment: Kind = {
  defaults: (spec) => {
    const strategy = (spec['strategy'] ?? {}) as Loose
    const type = strategy['type'] ?? 'RollingUpdate'
    const rolling = { maxSurge: '25%', maxUnavailable: '25%', ...(strategy['rollingUpdate'] as Loose | undefined) }
    return {
      ...spec,
      replicas: spec['replicas'] ?? 1,
      progressDeadlineSeconds: spec['progressDeadlineSeconds'] ?? 600,
      revisionHistoryLimit: spec['revisionHistoryLimit'] ?? 10,
      strategy: type === 'RollingUpdate' ? { type, rollingUpdate: rolling } : { type },
      template: defaultTemplate(spec['template'] as Loose | undefined),
    }
  },
  keep: keepSelector,
  validate: (object, refuse) => {
    const given = object as Deployment
    const { rollingUpdate } = given.spec.strategy
    if (rollingUpdate !== undefined && isZero(rollingUpdate.maxSurge) && isZero(rollingUpdate.maxUnavailable)) {
      refuse('spec.strategy.rollingUpdate.maxUnavailable', 'may not be 0 when `maxSurge` is 0')
    }
    validateWorkload(given, refuse)
  },
}
