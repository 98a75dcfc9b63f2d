/** evenkeel explore: small instances of the model, walked in full. */
import { exploreCluster, type Instance } from '../properties/explore/cluster.ts'
import { INSTANCES } from '../properties/explore/instances.ts'
import { InputError } from '../properties/input.ts'
import { columns } from '../reports/table.ts'

const VIOLATED = 1
const INCONCLUSIVE = 3

export const instanceNames: readonly string[] = Object.keys(INSTANCES)
const instances: ReadonlyMap<string, Instance> = new Map(Object.entries(INSTANCES))

const instanceNamed = (name: string): readonly [string, Instance] => {
  const instance = instances.get(name)
  if (instance === undefined) throw new InputError('explore', `expected instances among ${instanceNames.join(', ')}, found '${name}'`)
  return [name, instance]
}

/** Returns the exit code. Names: those to explore; none: all. */
export const exploreInstances = (names: readonly string[]): number => {
  const chosen = (names.length === 0 ? instanceNames : names).map(instanceNamed)
  const rows: (readonly (string | number)[])[] = []
  let states = 0
  let complete = true
  for (const [name, instance] of chosen) {
    const explored = exploreCluster(instance)
    if (explored.printed !== null) {
      console.log(`✗ ${name}: ${instance.sentence}\n${explored.printed}`)
      return VIOLATED
    }
    states += explored.statesDistinct
    complete &&= explored.complete
    rows.push([name, explored.statesDistinct, explored.transitions, explored.depth, instance.sentence])
  }
  for (const line of columns([['instance', 'states', 'steps', 'depth', 'what happens'], ...rows])) console.log(line)
  console.log(`\n${complete ? '✓ held' : '? no violation, but not all states were reached'}: ${chosen.length} instances, ${states} states`)
  return complete ? 0 : INCONCLUSIVE
}
