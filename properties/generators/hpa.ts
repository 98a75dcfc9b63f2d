/** Deployments under autoscalers: their load rises, falls and is not measured for a while. */
import fc from 'fast-check'
import type { UserAction } from '../../model/state/plan.ts'
import { template, type WorkloadGenerator } from './workload.ts'

const CPU = { type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 50 } } }
/** Nobody measures it here. */
const REQUESTS = { type: 'Pods', pods: { metric: { name: 'requests_per_second' }, target: { type: 'AverageValue', averageValue: '10' } } }

const knobs = fc.record({
  replicas: fc.integer({ min: 0, max: 5 }),
  minReplicas: fc.integer({ min: 1, max: 2 }),
  above: fc.integer({ min: 0, max: 6 }),
  metrics: fc.constantFrom([CPU], [CPU], [CPU], [CPU, REQUESTS], [REQUESTS]),
  scaleDown: fc.constantFrom(
    undefined,
    { stabilizationWindowSeconds: 30 },
    { stabilizationWindowSeconds: 0, policies: [{ type: 'Pods', value: 1, periodSeconds: 15 }] },
    { stabilizationWindowSeconds: 60, selectPolicy: 'Disabled' },
  ),
  scaleUp: fc.constantFrom(
    undefined,
    { stabilizationWindowSeconds: 30 },
    {
      selectPolicy: 'Min',
      policies: [
        { type: 'Pods', value: 1, periodSeconds: 30 },
        { type: 'Percent', value: 50, periodSeconds: 15 },
      ],
    },
  ),
})

export const autoscaled: WorkloadGenerator = (name) =>
  knobs.map(({ replicas, minReplicas, above, metrics, scaleDown, scaleUp }) => {
    const metadata = { name, namespace: 'default', labels: { app: name } }
    const behavior = { ...(scaleDown === undefined ? {} : { scaleDown }), ...(scaleUp === undefined ? {} : { scaleUp }) }
    return {
      manifests: [
        {
          apiVersion: 'apps/v1',
          kind: 'Deployment',
          metadata,
          spec: { replicas, selector: { matchLabels: { app: name } }, template: template(name, { graceSeconds: 1 }) },
        },
        {
          apiVersion: 'autoscaling/v2',
          kind: 'HorizontalPodAutoscaler',
          metadata,
          spec: {
            scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name },
            minReplicas,
            maxReplicas: minReplicas + above,
            metrics,
            behavior,
          },
        },
      ],
      users: users(`default/${name}`),
    }
  })

const users = (workload: string): fc.Arbitrary<UserAction> =>
  fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({
        kind: fc.constant('SetLoad'),
        workload: fc.constant(workload),
        milliCpu: fc.oneof({ weight: 6, arbitrary: fc.integer({ min: 0, max: 600 }) }, { weight: 1, arbitrary: fc.constant(null) }),
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({
        kind: fc.constant('Scale'),
        resource: fc.constant('deployments'),
        name: fc.constant(workload),
        replicas: fc.integer({ min: 0, max: 6 }),
      }),
    },
  )
