/**
 * What an API server makes sure is there from the beginning.
 *
 * Source: kubernetes/kubernetes pkg/controlplane/controller/systemnamespaces, pkg/registry/scheduling/rest/storage_scheduling.go.
 */
import { SYSTEM_CLASSES } from './kinds/priority-class.ts'

const NAMESPACES = ['default', 'kube-system', 'kube-public', 'kube-node-lease']

export const FROM_THE_BEGINNING: readonly { readonly resource: string; readonly body: unknown }[] = [
  ...NAMESPACES.map((name) => ({ resource: 'namespaces', body: { apiVersion: 'v1', kind: 'Namespace', metadata: { name } } })),
  ...Object.entries(SYSTEM_CLASSES).map(([name, value]) => ({
    resource: 'priorityclasses',
    body: { apiVersion: 'scheduling.k8s.io/v1', kind: 'PriorityClass', metadata: { name }, value },
  })),
]
