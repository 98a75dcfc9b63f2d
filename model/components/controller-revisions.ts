/** The templates that a StatefulSet or DaemonSet has had. The image names a revision; upstream hashes the template. */
import type { ControllerRevision, DaemonSet, StatefulSet } from '../state/stateful.ts'
import type { Request, System } from '../state/system.ts'
import { controllerOf } from './objects.ts'
import { asks, MANAGER, ownedBy } from './request.ts'
import { templateOf } from './template.ts'
import { seen, type Held } from './view.ts'

const HASH = 'controller.kubernetes.io/hash'
export const hashOf = ({ metadata }: ControllerRevision): string => metadata.labels?.[HASH] ?? ''

export const revisionsOf = (system: System, { metadata }: StatefulSet | DaemonSet): readonly Held<ControllerRevision>[] =>
  seen<ControllerRevision>(system, MANAGER, 'controllerrevisions').filter(({ value }) => controllerOf(value) === metadata.uid)

/** The revision of its template, which is there and the newest; or else the request that makes it so. */
export const newest = (
  set: StatefulSet | DaemonSet,
  revisions: readonly Held<ControllerRevision>[],
): { readonly revision: ControllerRevision } | { readonly request: Request } => {
  const number = 1 + Math.max(0, ...revisions.map(({ value }) => value.revision))
  const template = templateOf(set.spec.template)
  const equal = revisions.find(({ value }) => templateOf(value.data.spec.template) === template)
  if (equal !== undefined && equal.value.revision === number - 1) return { revision: equal.value }
  if (equal !== undefined)
    return { request: asks(MANAGER, null, { verb: 'update', value: { ...equal.value, revision: number }, version: equal.version }) }
  const hash = set.spec.template.spec.containers.map(({ image = '' }) => image).join('-')
  const value: ControllerRevision = {
    apiVersion: 'apps/v1',
    kind: 'ControllerRevision',
    metadata: {
      name: `${set.metadata.name}-${hash}`,
      namespace: set.metadata.namespace ?? '',
      uid: '',
      creationTimestamp: '',
      labels: { [HASH]: hash },
      ownerReferences: [ownedBy(set)],
    },
    data: { spec: { template: set.spec.template } },
    revision: number,
  }
  return { request: asks(MANAGER, null, { verb: 'create', value }) }
}
