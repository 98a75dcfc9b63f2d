/** Namespaces. Source: kubernetes/kubernetes pkg/registry/core/namespace/strategy.go. */
import type { Kind } from './kind.ts'

export const namespace: Kind = { initialStatus: () => ({ phase: 'Active' }) }
