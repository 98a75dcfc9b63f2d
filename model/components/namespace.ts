/**
 * A namespace that is being deleted goes when nothing is left in it: its controller deletes what it finds, then lets it go.
 *
 * What is in it is looked up in the store. Left out: that a server whose copy of the namespace is old lets something in
 * nevertheless, and the wait that makes it unlikely: here nothing gets in.
 * Source: kubernetes pkg/controller/namespace/deletion/namespaced_resources_deleter.go
 */
import type { Key, Stored } from '../state/keyspace.ts'
import type { ApiObject, Namespace } from '../state/objects.ts'
import { keyOf } from '../state/resources.ts'
import type { Request, System } from '../state/system.ts'
import { isDeleting } from './objects.ts'
import { asks, client, MANAGER, removal } from './request.ts'
import { seen, type Held } from './view.ts'

export const FINALIZER = 'kubernetes'

/** All objects of a namespace. */
export const contentsOf = (store: ReadonlyMap<Key, Stored>, name: string): readonly Held<ApiObject>[] =>
  [...store].flatMap(([key, { value, modRevision }]) => {
    const object = value as Partial<ApiObject> | undefined
    if (!key.startsWith('/registry/') || object?.metadata?.namespace !== name) return []
    return [{ key, version: modRevision, value: object as ApiObject }]
  })

/** It is being deleted, and everything in it with it. */
export const isLeaving = (store: ReadonlyMap<Key, { readonly value: unknown }>, name: string | undefined): boolean => {
  const found = name === undefined ? undefined : store.get(keyOf('namespaces', undefined, name))
  return found !== undefined && isDeleting(found.value as ApiObject)
}

const clears = (system: System, { key, value: cached }: Held<Namespace>): readonly Request[] => {
  const held = system.keyspace.kvs.get(key)
  const namespace = held?.value as Namespace | undefined
  if (held === undefined || namespace === undefined || namespace.metadata.uid !== cached.metadata.uid || !isDeleting(namespace)) return []
  const left = contentsOf(system.keyspace.kvs, namespace.metadata.name)
  const going = left.filter(({ value }) => !isDeleting(value)).map((one) => asks(MANAGER, null, removal(one)))
  if (left.length > 0 || !(namespace.spec?.finalizers ?? []).includes(FINALIZER)) return going
  const finalizers = (namespace.spec?.finalizers ?? []).filter((name) => name !== FINALIZER)
  return [asks(MANAGER, null, { verb: 'update', value: { ...namespace, spec: { finalizers } }, version: held.modRevision })]
}

export const namespaces = client('namespace', (system) =>
  seen<Namespace>(system, MANAGER, 'namespaces').flatMap((namespace) => clears(system, namespace)),
)
