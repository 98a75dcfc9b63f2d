/** Definitions of custom resources. Source: k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/{v1/defaults,validation/validation}.go. */
import type { CustomResourceDefinition } from '../../../model/state/custom.ts'
import { same } from '../../equal.ts'
import type { Kind } from './kind.ts'

export const customResourceDefinition: Kind = {
  defaults: (spec) => {
    const names = (spec['names'] ?? {}) as Readonly<Record<string, string>>
    const { kind = '' } = names
    return { ...spec, names: { ...names, singular: names['singular'] ?? kind.toLowerCase(), listKind: names['listKind'] ?? `${kind}List` } }
  },
  initialStatus: () => ({ storedVersions: [] }),
  keep: (held, updated, refuse) => {
    const before = (held as CustomResourceDefinition).spec
    const after = (updated as CustomResourceDefinition).spec
    for (const field of ['group', 'scope'] as const) if (before[field] !== after[field]) refuse(`spec.${field}`, 'field is immutable')
    for (const field of ['plural', 'kind'] as const)
      if (!same(before.names[field], after.names[field])) refuse(`spec.names.${field}`, 'field is immutable')
    return updated
  },
  validate: (object, refuse) => {
    const { metadata, spec } = object as CustomResourceDefinition
    if (metadata.name !== `${spec.names.plural}.${spec.group}`) refuse('metadata.name', 'must be spec.names.plural+"."+spec.group')
    if (spec.scope !== 'Namespaced' && spec.scope !== 'Cluster') refuse('spec.scope', 'supported values: "Cluster", "Namespaced"')
    const stored = spec.versions.filter((version) => version.storage)
    if (stored.length !== 1) refuse('spec.versions', 'must have exactly one version marked as storage version')
    const bare = spec.versions.find((version) => version.schema?.openAPIV3Schema?.type !== 'object')
    if (bare !== undefined) refuse('spec.versions', `schemas are required, of type object: version ${bare.name} has none`)
  },
}
