/** evenkeel schedule: where kube-scheduler would place pods, and why. */
import { profilesFrom } from '../properties/compare/policy.ts'
import { InputError } from '../properties/input.ts'
import { annotated } from '../properties/schedule/annotations.ts'
import { placePending, type Placement } from '../properties/schedule/place.ts'
import { readCluster, type GivenCluster } from '../properties/schedule/read.ts'
import { Recorder } from '../properties/schedule/record.ts'
import { closingLine, explanationLines, openingLine, placementLines } from '../reports/schedule.ts'

export interface ScheduleArguments {
  readonly cluster: readonly string[]
  /** 'name' or 'namespace/name'. */
  readonly pod?: string
  readonly config?: string
  readonly explain?: true
  readonly json?: true
}

/** Returns the exit code. */
export const schedule = ({ cluster: paths, pod, config, explain, json }: ScheduleArguments): number => {
  const recorder = new Recorder()
  const profiles = profilesFrom(config, recorder.registry)
  const cluster = readCluster(paths)
  const wanted = pod === undefined ? null : chosenOf(cluster, pod)
  const placements = placePending(cluster, profiles, recorder).filter((one) => wanted === null || one.pod.metadata.uid === wanted)
  if (json === true) console.log(JSON.stringify({ apiVersion: 'v1', kind: 'List', items: placements.map(annotated) }, null, 2))
  else for (const line of linesOf(cluster, placements, explain === true || pod !== undefined)) console.log(line)
  return placements.every(({ node, profile }) => node !== null || profile === null) ? 0 : 1
}

const linesOf = (cluster: GivenCluster, placements: readonly Placement[], explain: boolean): readonly string[] => [
  openingLine(cluster),
  ...cluster.notes.map((note) => `  note: ${note}`),
  ...(placements.length === 0 ? [] : ['', ...placementLines(placements)]),
  ...(explain ? placements.flatMap(explanationLines) : []),
  ...(placements.length === 0 ? [] : ['', closingLine(placements)]),
]

/** The uid of the pod that is asked about. */
const chosenOf = ({ pending, running }: GivenCluster, given: string): string => {
  const isIt = ({ metadata }: (typeof pending)[number]): boolean =>
    given.includes('/') ? `${metadata.namespace}/${metadata.name}` === given : metadata.name === given
  const found = pending.filter(isIt)
  const [first] = found
  if (first !== undefined && found.length === 1) return first.metadata.uid
  if (first !== undefined) throw new InputError('--pod', `expected namespace/name, since there are ${found.length} pods named '${given}'`)
  const there = running.find(isIt)
  if (there !== undefined) throw new InputError('--pod', `expected a pod that is not placed yet; '${given}' runs on ${there.spec.nodeName}`)
  const some = pending.slice(0, 5).map(({ metadata }) => `${metadata.namespace}/${metadata.name}`)
  throw new InputError(
    '--pod',
    `expected a pod that is to be placed${some.length === 0 ? '' : `, such as ${some.join(', ')}`}; found no '${given}'`,
  )
}
