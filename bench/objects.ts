/** Small pods and nodes, as the API server would have defaulted them. */
import type { Node, Pod } from '../model/state/objects.ts'

export const CPU_MILLI = 100
export const MEMORY_MEBI = 64

const metadataOf = (name: string) => ({ name, uid: `uid-of-${name}`, creationTimestamp: '2026-01-01T00:00:00Z' })

export const podOf = (name: string): Pod => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { ...metadataOf(name), namespace: 'default', labels: { app: 'web' } },
  spec: {
    containers: [
      {
        name: 'main',
        image: 'registry.example/web:1',
        resources: { requests: { cpu: `${CPU_MILLI}m`, memory: `${MEMORY_MEBI}Mi` } },
      },
    ],
    restartPolicy: 'Always',
    terminationGracePeriodSeconds: 30,
    schedulerName: 'default-scheduler',
  },
  status: { phase: 'Pending' },
})

export const nodeOf = (name: string, cpu: number, memoryMebi: number, pods: number): Node => {
  const amounts = { cpu: String(cpu), memory: `${memoryMebi}Mi`, pods: String(pods) }
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { ...metadataOf(name), labels: { 'kubernetes.io/hostname': name } },
    spec: {},
    status: { capacity: amounts, allocatable: amounts, conditions: [] },
  }
}
