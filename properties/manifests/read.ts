/**
 * Reads the user's manifests: files and folders of YAML or JSON, several documents a file, lists.
 *
 * Source of the order in which they are applied: what others refer to comes first, as `kubectl apply` users arrange it.
 */
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { isMap, LineCounter, parseAllDocuments, type Document } from 'yaml'
import type { Manifest } from '../../model/state/plan.ts'
import type { CustomResourceDefinition } from '../../model/state/custom.ts'
import { resourceOfKind } from '../../model/state/resources.ts'
import { cronProblem } from '../../impl/cron.ts'
import { minutesEast, UNKNOWN_ZONE } from '../../model/state/time-zones.ts'
import { InputError } from '../input.ts'
import { notSimulated } from './features.ts'
import { lookUp, type SchemaProblem } from './schema.ts'

export interface ReadManifests {
  /** In the order in which they are to be applied. */
  readonly manifests: readonly Manifest[]
  /** One line for each object, or part of one, that is not simulated. */
  readonly notes: readonly string[]
  readonly files: number
  readonly objects: number
  /** 'Deployment default/web' → 'web.yaml: document 1' */
  readonly places: ReadonlyMap<string, string>
}

/** Kinds without a namespace among those that are not simulated. */
const CLUSTER_KINDS =
  /^(Cluster\w*|CustomResourceDefinition|PersistentVolume|StorageClass|PriorityClass|IngressClass|RuntimeClass|CSI\w*|\w+WebhookConfiguration|APIService|ValidatingAdmissionPolicy\w*)$/
const EXTENSIONS = ['.yaml', '.yml', '.json']
const KINDS_IN_ORDER = [
  'CustomResourceDefinition',
  'Namespace',
  'PriorityClass',
  'ServiceAccount',
  'LimitRange',
  'ResourceQuota',
  'ConfigMap',
  'Secret',
  'StorageClass',
  'PersistentVolume',
  'PersistentVolumeClaim',
  'Service',
  'Endpoints',
  'PodDisruptionBudget',
  'Pod',
  'ReplicaSet',
  'ReplicationController',
  'Deployment',
  'StatefulSet',
  'DaemonSet',
  'Job',
  'CronJob',
  'HorizontalPodAutoscaler',
]
/** There from the beginning. */
const NAMESPACES: ReadonlySet<string> = new Set(['default', 'kube-system', 'kube-public', 'kube-node-lease'])

/** Throws InputError naming file, line, document, field and what was expected. */
export const readManifests = (paths: readonly string[]): ReadManifests => {
  const files = paths.flatMap(filesOf)
  const found = files.flatMap(readFile)
  if (found.length === 0) throw new InputError(paths.join(', '), 'expected at least one object, found none')
  const notes: string[] = []
  const defined = new Set(found.flatMap(({ object }) => definedBy(object)))
  const kept = new Map<string, Found>()
  for (const one of found) {
    const note = judge(one, defined)
    if (note !== null) {
      notes.push(`${one.place}: ${note}`)
      continue
    }
    const name = nameOf(one.object)
    const before = kept.get(name)
    if (before !== undefined) notes.push(`${before.place}: ${name} is defined again in ${one.place}: the later one is used`)
    kept.delete(name)
    kept.set(name, one)
    if (defined.has(kindOf(one.object)))
      notes.push(`${one.place}: ${name}: no controller of ${kindOf(one.object)} is simulated: it is stored, and stays as it is`)
    for (const feature of notSimulated(one.object)) notes.push(`${one.place}: ${name}: ${feature}`)
  }
  const manifests = [...kept.values()].map(({ object }) => withoutStatus(object)).toSorted((one, other) => rank(one) - rank(other))
  const missing = missingNamespaces(manifests)
  for (const namespace of missing) notes.push(`namespace ${namespace} is not among the manifests: it is made first`)
  const made = missing.map((name): Manifest => ({ apiVersion: 'v1', kind: 'Namespace', metadata: { name } }))
  if (wantsDefaultClass(manifests)) {
    notes.push('no storage class is the default among the manifests: one named standard is made first, as most clusters bring one')
    made.push(STANDARD)
  }
  return {
    manifests: [...made, ...manifests],
    notes,
    files: files.length,
    objects: found.length,
    places: new Map([...kept].map(([name, { place }]) => [name, place])),
  }
}

interface Found {
  readonly object: Manifest
  readonly place: string
  readonly refusal: string | null
}

export const nameOf = (object: Manifest): string => {
  // Of a kind that is not simulated nobody says here whether it has a namespace: most have.
  const namespaced =
    resourceOfKind(object.kind)?.namespaced ?? (object.metadata.namespace !== undefined || !CLUSTER_KINDS.test(object.kind))
  return `${object.kind} ${namespaced ? `${object.metadata.namespace ?? 'default'}/` : ''}${object.metadata.name}`
}

const kindOf = ({ apiVersion, kind }: Manifest): string => `${apiVersion} ${kind}`

/** What a definition of custom resources lets others be: 'example.com/v1 Database'. */
const definedBy = (object: Manifest): readonly string[] => {
  if (object.kind !== 'CustomResourceDefinition') return []
  const { group, names, versions } = object['spec'] as CustomResourceDefinition['spec']
  return versions.filter(({ served }) => served).map(({ name }) => `${group}/${name} ${names.kind}`)
}

/** Custom objects come last: whatever they are about is there then. */
const rank = ({ kind }: Manifest): number => (KINDS_IN_ORDER.includes(kind) ? KINDS_IN_ORDER.indexOf(kind) : KINDS_IN_ORDER.length)

/** Null: it is applied. Else why not. */
const judge = ({ object, refusal }: Found, defined: ReadonlySet<string>): string | null => {
  if (refusal !== null) return `${nameOf(object)}: the API server refuses it: ${refusal}: left out`
  const { apiVersion, kind } = object as { readonly apiVersion: string; readonly kind: string }
  const known = lookUp(apiVersion, kind)
  if (!known.known && known.removed !== null)
    return `${nameOf(object)}: ${apiVersion} is no longer served by Kubernetes (use ${known.removed}): left out`
  if (defined.has(kindOf(object))) return null
  if (!KINDS_IN_ORDER.includes(kind)) return `${nameOf(object)}: ${apiVersion} ${kind} is not simulated yet: left out`
  const clock = kind === 'CronJob' ? clockProblem(object) : null
  return clock === null ? null : `${nameOf(object)}: ${clock}: left out`
}

/** A schedule or time zone that the simulated API server does not take. */
const clockProblem = (object: Manifest): string | null => {
  const { schedule, timeZone } = (object['spec'] ?? {}) as { readonly schedule?: string; readonly timeZone?: string }
  const problem = cronProblem(schedule ?? '')
  if (problem !== null) return `spec.schedule: ${problem}`
  const known = timeZone === undefined || minutesEast(timeZone) !== undefined
  return known ? null : `spec.timeZone: unknown time zone "${timeZone}": ${UNKNOWN_ZONE}`
}

const missingNamespaces = (manifests: readonly Manifest[]): readonly string[] => {
  const there = new Set(manifests.filter((manifest) => manifest.kind === 'Namespace').map((manifest) => manifest.metadata.name))
  const named = manifests.flatMap((manifest) => manifest.metadata.namespace ?? [])
  return [...new Set(named)].filter((namespace) => !there.has(namespace) && !NAMESPACES.has(namespace))
}

const IS_DEFAULT = 'storageclass.kubernetes.io/is-default-class'
const STANDARD: Manifest = {
  apiVersion: 'storage.k8s.io/v1',
  kind: 'StorageClass',
  metadata: { name: 'standard', annotations: { [IS_DEFAULT]: 'true' } },
  provisioner: 'evenkeel.example/disk',
  volumeBindingMode: 'WaitForFirstConsumer',
}

/** Some claim names no class, and would wait for ever. */
const wantsDefaultClass = (manifests: readonly Manifest[]): boolean => {
  const specs = manifests.flatMap((manifest) => {
    const spec = manifest['spec'] as ClaimingSpec | undefined
    if (manifest.kind === 'PersistentVolumeClaim') return [spec]
    return (spec?.volumeClaimTemplates ?? []).map((template) => template.spec)
  })
  const isDefault = ({ kind, metadata }: Manifest): boolean => kind === 'StorageClass' && metadata.annotations?.[IS_DEFAULT] === 'true'
  return specs.some((spec) => spec?.storageClassName === undefined) && !manifests.some(isDefault)
}
interface ClaimingSpec {
  readonly storageClassName?: string
  readonly volumeClaimTemplates?: readonly { readonly spec?: ClaimingSpec }[]
}

const withoutStatus = (object: Manifest): Manifest => {
  const { status: _status, ...rest } = object
  return rest
}

// Files

/** The files of a path: itself, or the manifests in a folder and those below. Throws InputError. */
export const filesOf = (path: string): readonly string[] => {
  let stat
  try {
    stat = statSync(path)
  } catch {
    throw new InputError(path, 'expected a file or folder of manifests, found no such path')
  }
  if (!stat.isDirectory()) return [path]
  const files = filesIn(path)
  if (files.length === 0) throw new InputError(path, `expected manifests (${EXTENSIONS.join(', ')}) in the folder, found none`)
  return files
}

const filesIn = (folder: string): readonly string[] =>
  readdirSync(folder, { withFileTypes: true })
    .toSorted((one, other) => (one.name < other.name ? -1 : 1))
    .flatMap((entry) => {
      const path = join(folder, entry.name)
      if (entry.isDirectory()) return entry.name.startsWith('.') || entry.name === 'node_modules' ? [] : filesIn(path)
      return EXTENSIONS.some((extension) => entry.name.endsWith(extension)) ? [path] : []
    })

const readFile = (path: string): readonly Found[] => {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    throw new InputError(path, `expected a readable file (${(error as NodeJS.ErrnoException).code ?? 'error'})`)
  }
  const lines = new LineCounter()
  const documents = parseAllDocuments(text, { lineCounter: lines })
  return [...documents].flatMap((document, index) => readDocument(path, index + 1, document as Document, lines))
}

const readDocument = (path: string, number: number, document: Document, lines: LineCounter): readonly Found[] => {
  const [broken] = document.errors
  if (broken !== undefined) {
    const { line } = lines.linePos(broken.pos[0])
    throw new InputError(
      `${path}:${line}`,
      `document ${number}: expected YAML: ${broken.message.replace(/ at line \d+, column \d+:[\s\S]*$/, '')}`,
    )
  }
  const value: unknown = document.toJS()
  // Nothing between two separators, or only comments.
  if (value === null || value === undefined) return []
  return objectsIn(value, []).map(({ object, at }) => ({
    ...checked(object, at, { path, number, document, lines }),
    place: `${path}: document ${number}`,
  }))
}

interface Where {
  readonly path: string
  readonly number: number
  readonly document: Document
  readonly lines: LineCounter
}

/** A List is its items. */
const objectsIn = (value: unknown, at: readonly (string | number)[]): readonly { object: unknown; at: readonly (string | number)[] }[] => {
  const list = value as { readonly kind?: unknown; readonly items?: unknown }
  const isList =
    typeof value === 'object' && value !== null && typeof list.kind === 'string' && list.kind.endsWith('List') && Array.isArray(list.items)
  if (!isList) return [{ object: value, at }]
  return (list.items as unknown[]).flatMap((item, index) => objectsIn(item, [...at, 'items', index]))
}

const checked = (value: unknown, at: readonly (string | number)[], where: Where): Pick<Found, 'object' | 'refusal'> => {
  const fail = (field: readonly (string | number)[], expected: string, found: unknown): never => {
    const name = field.length === 0 ? '' : `${field.join('.')}: `
    const shown = found === undefined ? '' : `, found ${short(found)}`
    throw new InputError(
      `${where.path}:${lineOf(where, [...at, ...field])}`,
      `document ${where.number}: ${name}expected ${expected}${shown}`,
    )
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return fail([], 'a Kubernetes object', value)
  const object = value as Record<string, unknown>
  for (const field of ['apiVersion', 'kind']) {
    if (typeof object[field] !== 'string') fail([field], 'a text', object[field] ?? 'nothing')
  }
  const { apiVersion, kind } = object as { apiVersion: string; kind: string }
  const metadata = object['metadata'] as Record<string, unknown> | undefined
  const known = lookUp(apiVersion, kind)
  if (!known.known && known.removed === null && !known.custom) fail(['kind'], `a kind of ${apiVersion}`, kind)
  const problems: readonly SchemaProblem[] = known.known ? known.problems(object) : []
  const wrong = problems.find((problem) => !problem.refused)
  if (wrong !== undefined) fail(wrong.path, wrong.expected, valueAt(object, wrong.path))
  if (typeof metadata?.['name'] !== 'string' || metadata['name'] === '')
    fail(['metadata', 'name'], 'a name', metadata?.['generateName'] === undefined ? undefined : 'generateName, which apply does not take')
  const refused = problems.find((problem) => problem.refused)
  const refusal =
    refused === undefined ? null : `${refused.path.join('.')}: expected ${refused.expected}, found ${short(valueAt(object, refused.path))}`
  return { object: object as unknown as Manifest, refusal }
}

const valueAt = (object: unknown, path: readonly string[]): unknown =>
  path.reduce<unknown>(
    (value, step) => (typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[step] : undefined),
    object,
  )

const short = (value: unknown): string => {
  const text = JSON.stringify(value) ?? 'nothing'
  return text.length > 60 ? `${text.slice(0, 57)}…` : text
}

/** The line of a field, or of the nearest thing around it that is there. */
const lineOf = ({ document, lines }: Where, at: readonly (string | number)[]): number => {
  for (let length = at.length; length >= 0; length--) {
    const node: unknown = length === 0 ? document.contents : document.getIn(at.slice(0, length), true)
    const range = (node as { readonly range?: readonly number[] } | undefined)?.range
    if (range?.[0] !== undefined) return lines.linePos(range[0]).line
    if (length === 0 && isMap(node)) return 1
  }
  return 1
}
