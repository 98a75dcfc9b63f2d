/** Faults as fast-check arbitraries, by kind, over the targets a suite offers. */
import fc from 'fast-check'
import type { Fault, Target } from '../../model/state/plan.ts'
import type { FaultKind } from './weather.ts'

/** What a suite's faults may strike. Roles ('etcd:leader') are resolved when the fault strikes. */
export interface Targets {
  readonly processes: readonly Target[]
  readonly machines: readonly Target[]
  /** Machines that may die for good. */
  readonly expendable: readonly Target[]
  readonly apiservers: readonly Target[]
  /** Processes that write to a disk they must not lose. */
  readonly durable: readonly Target[]
  /** Clients of the API that write. */
  readonly writers: readonly Target[]
  /** Zones that may be lost as a whole, for longer than the loss of a node goes unnoticed. */
  readonly zones?: readonly string[]
  /** Resources that faults may be confined to: of a controller's own kinds, and others that it watches. Absent: no fault is. */
  readonly resources?: { readonly own: readonly string[]; readonly others: readonly string[] }
}

const from = (targets: readonly Target[]): fc.Arbitrary<Target> => fc.constantFrom(...targets)
const inZone = (zone: string): Target => `zone:${zone}`
const span = (low: number, high: number): fc.Arbitrary<number> => fc.integer({ min: low, max: high })

/** How long a zone is lost: often until its nodes are given up, one after another. */
const OUTAGE_MS = span(20_000, 180_000)
const direction = fc.constantFrom('both' as const, 'both' as const, 'in' as const, 'out' as const)

/** Whether clients of a bare store still reach both parts of what is cut, and at once. */
const stay = ({ apiservers }: Targets): { clientsStay?: fc.Arbitrary<boolean> } =>
  apiservers.length === 0 ? { clientsStay: fc.boolean() } : {}

/** Confined to one of these resources, or to none. */
const only = (
  resources: Targets['resources'],
  among: (resources: NonNullable<Targets['resources']>) => readonly string[],
): { resource?: fc.Arbitrary<string | null> } => (resources === undefined ? {} : { resource: fc.constantFrom(null, ...among(resources)) })

/** Whether clients of a bare store that have nothing else to do read whenever somebody is elected: who must not answer yet is asked then. */
const asked = ({ apiservers }: Targets): { asked?: fc.Arbitrary<boolean> } =>
  apiservers.length === 0 ? { asked: fc.constantFrom(true, true, false) } : {}

const BY_KIND: { readonly [Kind in FaultKind]: (targets: Targets) => fc.Arbitrary<Fault> } = {
  CrashProcess: ({ processes }) => fc.record({ kind: fc.constant('CrashProcess'), target: from(processes), restartMs: span(10, 20_000) }),
  CrashMachine: ({ machines, expendable, zones = [] }) =>
    fc.oneof(
      fc.record({ kind: fc.constant('CrashMachine'), target: from(machines), restartMs: span(500, 60_000) }),
      ...zones.map((zone) =>
        fc.record({ kind: fc.constant('CrashMachine' as const), target: fc.constant(inZone(zone)), restartMs: OUTAGE_MS }),
      ),
      ...(expendable.length === 0
        ? []
        : [fc.record({ kind: fc.constant('CrashMachine' as const), target: from(expendable), restartMs: fc.constant(null) })]),
    ),
  PauseProcess: ({ processes, writers }) => {
    const any = fc.record({ kind: fc.constant('PauseProcess' as const), target: from(processes), forMs: span(200, 20_000) })
    const elected = writers.filter((target) => target.endsWith(':leader'))
    if (elected.length === 0) return any
    // For about as long as a lease lasts: who wakes up still believes that it leads, while another one does.
    const outlived = fc.record({ kind: fc.constant('PauseProcess' as const), target: from(elected), forMs: span(14_000, 25_000) })
    return fc.oneof({ weight: 3, arbitrary: any }, { weight: 1, arbitrary: outlived })
  },
  Partition: (targets) =>
    fc.oneof(
      fc.record({
        kind: fc.constant('Partition'),
        side: fc.subarray([...targets.machines], { minLength: 1, maxLength: Math.max(1, targets.machines.length - 1) }),
        direction,
        forMs: span(200, 60_000),
        ...stay(targets),
      }),
      ...(targets.zones === undefined
        ? []
        : [
            fc.record({
              kind: fc.constant('Partition' as const),
              side: fc.subarray(targets.zones.map(inZone), { minLength: 1 }),
              direction,
              forMs: OUTAGE_MS,
            }),
          ]),
    ),
  SlowLink: (targets) =>
    fc.record({
      kind: fc.constant('SlowLink'),
      target: from(targets.machines),
      extraMs: span(20, 2_000),
      forMs: span(500, 20_000),
      ...stay(targets),
    }),
  Clog: ({ machines }) => fc.record({ kind: fc.constant('Clog'), target: from(machines), forMs: span(100, 8_000) }),
  StallDisk: ({ durable }) =>
    fc.record({ kind: fc.constant('StallDisk'), target: from(durable), syncMs: span(50, 2_000), forMs: span(500, 10_000) }),
  JumpClock: ({ machines }) => fc.record({ kind: fc.constant('JumpClock'), target: from(machines), deltaMs: span(-60_000, 60_000) }),
  CrashUnsynced: ({ durable }) =>
    fc.record({
      kind: fc.constant('CrashUnsynced'),
      target: from(durable),
      forMs: span(500, 20_000),
      restartMs: fc.oneof(span(1, 20), span(20, 400)),
    }),
  DeposeElected: (targets) =>
    fc.record({
      kind: fc.constant('DeposeElected'),
      afterTripsMost: span(0, 8),
      forMs: span(2_000, 20_000),
      atCommit: fc.boolean(),
      ...stay(targets),
      ...asked(targets),
    }),
  CrashBetweenWrites: ({ writers }) =>
    fc.record({
      kind: fc.constant('CrashBetweenWrites'),
      target: from(writers),
      writes: span(1, 6),
      restartMs: span(10, 10_000),
    }),
  FreezeCache: ({ apiservers }) => fc.record({ kind: fc.constant('FreezeCache'), target: from(apiservers), forMs: span(500, 40_000) }),
  ExpireWatches: ({ writers, resources }) =>
    fc.record({
      kind: fc.constant('ExpireWatches'),
      target: from(writers),
      // What came of what it did is heard from others than its own.
      ...only(resources, ({ own, others }) => [...own, ...others, ...others]),
      forMs: span(500, resources === undefined ? 20_000 : 60_000),
    }),
  TimeTravel: ({ writers, resources }) =>
    fc.record({
      kind: fc.constant('TimeTravel'),
      // Who only reads has nothing to do twice.
      target: from(writers.filter((target) => !target.startsWith('kube-proxy'))),
      // What is to be done stands in its own: an old view of those does most harm.
      ...only(resources, ({ own, others }) => [...own, ...own, ...others]),
      afterMs: span(4_000, 25_000),
      restartMs: span(10, 2_000),
      forMs: span(10_000, 60_000),
    }),
  BreakConnections: ({ writers }) =>
    fc.record(
      { kind: fc.constant('BreakConnections'), target: from(writers), afterWrites: span(1, 4) },
      { requiredKeys: ['kind', 'target'] },
    ),
}

/** One fault of the kinds given. */
export const fault = (kinds: readonly FaultKind[], targets: Targets): fc.Arbitrary<Fault> =>
  fc.oneof(...kinds.map((kind) => BY_KIND[kind](targets)))
