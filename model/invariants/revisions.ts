/** ControllerRevisions as pods name them: what they hold never changes, so any version of one tells it. */
import { REVISION, templateOf } from '../components/template.ts'
import type { StoreHistory } from '../state/cluster.ts'
import type { Pod, PodTemplateSpec } from '../state/objects.ts'
import { keyOf } from '../state/resources.ts'
import type { ControllerRevision } from '../state/stateful.ts'
import { objectOf } from './define.ts'

export const revisionOf = ({ metadata }: Pod): string => metadata.labels?.[REVISION] ?? ''

/** As it is, or was before it went. */
export const revisionNamed = (history: StoreHistory, namespace: string | undefined, name: string): ControllerRevision | undefined =>
  objectOf<ControllerRevision>(
    history.versions(keyOf('controllerrevisions', namespace, name)).findLast(({ after }) => after !== null)?.after,
  )

export const isOfTemplate = (revision: ControllerRevision | undefined, template: PodTemplateSpec): boolean =>
  revision !== undefined && templateOf(revision.data.spec.template) === templateOf(template)
