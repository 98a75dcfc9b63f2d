/**
 * The one clock of the model: it goes on minute by minute, as far as is granted, whatever else happens or does not.
 *
 * Beyond that it goes on while an autoscaler that has just looked waits for it. Everybody's clock says the same. Left out: how
 * long anything takes; what comes within a minute comes at one moment.
 */
import type { Component, System } from '../state/system.ts'

const MINUTE_MS = 60_000

/** As the API writes it. */
export const momentOf = (ms: number): string => new Date(ms).toISOString().replace('.000Z', 'Z')

export const clock: Component<System, { readonly kind: 'MinutePasses' }> = {
  name: 'clock',
  enabled: ({ nowMs, autoscalings, budget: { minutes = 0 } }) =>
    minutes > 0 || [...autoscalings.values()].some(({ keptAtMs }) => keptAtMs === nowMs) ? [{ kind: 'MinutePasses' }] : [],
  next: (system) => ({
    ...system,
    nowMs: system.nowMs + MINUTE_MS,
    budget: { ...system.budget, minutes: Math.max(0, (system.budget.minutes ?? 0) - 1) },
  }),
}
