/**
 * What tells two states of the cluster apart: all that can make a difference to what comes.
 *
 * Revisions themselves cannot. What matters of them is which changes of a resource each process has still to see, so
 * states that were reached by other ways and look the same from here on are one state. Maps are sorted: their order is
 * how they came about, not what they are.
 */
import type { Revision } from '../../model/state/keyspace.ts'
import { resourceOfKey } from '../../model/state/resources.ts'
import type { ApiObject } from '../../model/state/objects.ts'
import type { Keyspace, System } from '../../model/state/system.ts'

const numbers = new Map<string, number>()
const numbered = new WeakMap<object, number>()
/** A number for each value there is: equal values have equal numbers. */
const numberOf = (value: unknown): number => {
  if (typeof value !== 'object' || value === null) return numberOfText(JSON.stringify(value) ?? '')
  let number = numbered.get(value)
  if (number === undefined) {
    number = numberOfText(JSON.stringify(value))
    numbered.set(value, number)
  }
  return number
}
const numberOfText = (text: string): number => {
  let number = numbers.get(text)
  if (number === undefined) {
    number = numbers.size
    numbers.set(text, number)
  }
  return number
}

const ofMap = (map: ReadonlyMap<string, unknown>): string =>
  [...map]
    .map(([key, value]) => `${numberOfText(key)}=${numberOf(value)}`)
    .toSorted()
    .join(',')
const ofSet = (set: ReadonlySet<string>): string => [...set].toSorted().map(numberOfText).join(',')

/** The changes of a resource after a revision: what somebody at that revision has still to see. */
const unseen = ({ changes, revision }: Keyspace, resource: string, after: Revision): readonly { revision: Revision; text: string }[] =>
  changes.slice(changes.length - (revision - after)).flatMap((events, index) =>
    events
      .filter(({ kv }) => resourceOfKey(kv.key) === resource)
      .map(({ type, kv }) => ({
        revision: after + 1 + index,
        text: `${numberOfText(kv.key)}${type === 'PUT' ? `=${numberOf(kv.value)}` : '-'}`,
      })),
  )

const ofViews = ({ views, own, keyspace }: System): string =>
  [...views]
    .map(([place, revision]) => {
      const [process = '', resource = ''] = place.split(' ')
      const ahead = unseen(keyspace, resource, revision)
      const written = [...own].filter(([at]) => at.startsWith(`${process} /registry/${resource}/`))
      const remembered = written.map(([at, write]) => {
        const position = ahead.findIndex((change) => change.revision === write.revision)
        return `${numberOfText(at)}@${position}`
      })
      return `${numberOfText(place)}:${ahead.map(({ text }) => text).join(' ')}!${remembered.toSorted().join(' ')}`
    })
    .toSorted()
    .join(';')

/** Whether what one is about to write will be refused already. */
const ofAutoscalings = ({ autoscalings, keyspace }: System): string =>
  [...autoscalings]
    .map(([uid, { scaling, ...memory }]) => {
      const isCurrent = scaling !== null && keyspace.kvs.get(scaling.target)?.modRevision === scaling.version
      return `${numberOfText(uid)}=${numberOf(memory)}:${scaling === null ? '' : `${isCurrent ? scaling.replicas : 'late'}`}`
    })
    .toSorted()
    .join(',')

/** Of an attachment that is gone it makes no difference. */
const ofUnused = ({ unusedSince, keyspace }: System): string => {
  if (unusedSince.size === 0) return ''
  const there = new Set([...keyspace.kvs.values()].map(({ value }) => (value as ApiObject).metadata.uid))
  return ofMap(new Map([...unusedSince].filter(([uid]) => there.has(uid))))
}

const stored = new WeakMap<Keyspace['kvs'], string>()
const ofStore = ({ kvs }: Keyspace): string => {
  let found = stored.get(kvs)
  if (found === undefined) {
    found = [...kvs]
      .map(([key, { value }]) => `${numberOfText(key)}=${numberOf(value)}`)
      .toSorted()
      .join(',')
    stored.set(kvs, found)
  }
  return found
}

export const fingerprint = (system: System): string =>
  [
    ofStore(system.keyspace),
    String(system.nowMs),
    system.asked
      .map((one) => String(numberOf(one)))
      .toSorted()
      .join(','),
    ofViews(system),
    ofMap(system.incarnations),
    ofMap(system.loads),
    ofAutoscalings(system),
    ofMap(system.running),
    ofSet(system.stopping),
    ofMap(system.exits),
    ofSet(system.endedWell),
    ofMap(system.rules),
    ofMap(system.attached),
    ofMap(system.mounted),
    ofUnused(system),
    ofSet(system.machinesDown),
    ofSet(system.cutOff),
    String(system.users.length),
    numberOf(system.budget),
  ].join('|')
