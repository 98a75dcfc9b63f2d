/** Addresses of a service that a user writes by hand. Source: https://kubernetes.io/docs/reference/kubernetes-api/service-resources/endpoints-v1/ */
import type { ApiObject, Endpoint } from './objects.ts'

export interface Endpoints extends ApiObject {
  readonly kind: 'Endpoints'
  readonly subsets?: readonly EndpointSubset[]
}
export interface EndpointSubset {
  readonly addresses?: readonly EndpointAddress[]
  readonly notReadyAddresses?: readonly EndpointAddress[]
  readonly ports?: readonly { readonly name?: string; readonly port: number; readonly protocol?: string }[]
}
export interface EndpointAddress {
  readonly ip: string
  readonly nodeName?: string
  readonly targetRef?: Endpoint['targetRef']
}
