/** How components ask: short forms of requests, and what every component of the control plane has in common. */
import type { ObjectRef } from '../state/cluster.ts'
import type { Choice } from '../state/history.ts'
import type { ApiObject, OwnerReference } from '../state/objects.ts'
import { resourceOfKind } from '../state/resources.ts'
import type { Action, ApiRequest, Component, Propagation, Request, System } from '../state/system.ts'
import { serve } from './apiserver.ts'
import type { Held } from './view.ts'

export const MANAGER = 'kube-controller-manager'

export const refOf = ({ kind, metadata: { namespace, name, uid } }: ApiObject): ObjectRef => ({
  resource: resourceOfKind(kind)?.resource ?? kind,
  ...(namespace === undefined ? {} : { namespace }),
  name,
  uid,
})

export const ownedBy = ({ apiVersion, kind, metadata: { name, uid } }: ApiObject): OwnerReference => ({
  apiVersion,
  kind,
  name,
  uid,
  controller: true,
  blockOwnerDeletion: true,
})

const ask =
  (remembered: boolean) =>
  (process: string, choice: Choice | null, request: ApiRequest): Request => ({ kind: 'Request', process, choice, request, remembered })
export const asks = ask(false)
/** And counts on it before its view shows it. */
export const asksAndRemembers = ask(true)

export const removal = ({ key, value }: Held<ApiObject>, propagation: Propagation = 'Background'): ApiRequest => ({
  verb: 'delete',
  key,
  uid: value.metadata.uid,
  propagation,
})

/** A component that only makes requests: what it may ask for, and the API does the rest. */
export const client = (
  name: string,
  enabled: (system: System) => readonly Request[],
): Component<System, Action> & {
  enabled(system: System): readonly Request[]
} => ({
  name,
  enabled,
  next: (system, action) => (action.kind === 'Request' ? serve(system, action) : system),
})
