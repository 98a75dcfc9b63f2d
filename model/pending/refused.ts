/** Pods that the API server refuses to make: whoever wants them waits until somebody changes what they ask for. */
import type { PodTemplateSpec } from '../state/objects.ts'
import { keyOf } from '../state/resources.ts'
import type { Picture } from './picture.ts'

/** Null: nothing here has to be there first. */
export const refused = ({ cluster }: Picture, { spec }: PodTemplateSpec): string | null => {
  const { priorityClassName = '' } = spec
  if (priorityClassName === '' || cluster.store.has(keyOf('priorityclasses', undefined, priorityClassName))) return null
  return `the PriorityClass ${priorityClassName}, which is not there: its pods are refused`
}
