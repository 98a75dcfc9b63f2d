/**
 * Clients of the API that read an object and write what they make of it: the API as a machine of its own.
 *
 * Each follows its script, one request after another, and never tries again: that is for scripts to say. What a request
 * does is in apiserver.ts. Left out: lists and watches, which are views of the same store (view.ts).
 * Source: https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-versions
 */
import type { Key } from '../state/keyspace.ts'
import type { ApiObject } from '../state/objects.ts'
import type { ApiRequest, Component, System } from '../state/system.ts'
import { serve } from './apiserver.ts'
import type { Held } from './view.ts'

export type ApiStep =
  | { readonly verb: 'get'; readonly key: Key }
  /** Of what was read last; null: it asks nothing. */
  | { readonly verb: 'write'; readonly request: (read: Held<ApiObject> | null) => ApiRequest | null }

export interface ApiClient {
  readonly done: number
  readonly read: Held<ApiObject> | null
  /** Of its writes: whether each took effect. */
  readonly took: readonly boolean[]
}
export interface ApiState {
  readonly system: System
  readonly clients: readonly ApiClient[]
}
/** The client's next step. */
export interface Asks {
  readonly kind: 'Asks'
  readonly client: number
}

const fresh: ApiClient = { done: 0, read: null, took: [] }
export const idle = (system: System, scripts: readonly unknown[]): ApiState => ({ system, clients: scripts.map(() => fresh) })

export const apiClients = (scripts: readonly (readonly ApiStep[])[]): Component<ApiState, Asks> => ({
  name: 'api-clients',

  enabled: ({ clients }) =>
    clients.flatMap(({ done }, client) => (done < (scripts[client]?.length ?? 0) ? [{ kind: 'Asks' as const, client }] : [])),

  next({ system, clients }, { client }) {
    const was = clients[client] as ApiClient
    const step = scripts[client]?.[was.done] as ApiStep
    const done = was.done + 1
    if (step.verb === 'get') {
      const found = system.keyspace.kvs.get(step.key)
      const read = found === undefined ? null : { key: step.key, version: found.modRevision, value: found.value as ApiObject }
      return { system, clients: clients.with(client, { ...was, done, read }) }
    }
    const request = step.request(was.read)
    const after = request === null ? system : serve(system, { process: `user-${client}`, request, remembered: false })
    return { system: after, clients: clients.with(client, { ...was, done, took: [...was.took, after !== system] }) }
  },
})
