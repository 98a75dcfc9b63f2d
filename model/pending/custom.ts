/** Definitions of custom resources. What custom objects wait for only their own controller's author can say. */
import { DEFINITIONS, isEstablished, type CustomResourceDefinition } from '../state/custom.ts'
import type { Pending } from '../invariant.ts'
import { all, conditionOf, isEnding, label, type Waiting } from './picture.ts'

export const definitionsPending: Waiting = (picture) =>
  all<CustomResourceDefinition>(picture, DEFINITIONS).flatMap((definition): readonly Pending[] => {
    if (isEnding(definition)) return [{ object: label(definition), waitsFor: 'its end: its objects go first', blocked: false }]
    if (isEstablished(definition)) return []
    const refused = conditionOf(definition.status.conditions, 'NamesAccepted')
    if (refused?.status === 'False')
      return [{ object: label(definition), waitsFor: `its names to be free: ${refused.message}`, blocked: true }]
    return [{ object: label(definition), waitsFor: 'the API servers to serve it', blocked: false }]
  })
