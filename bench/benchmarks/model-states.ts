/** The explorer of the model: every state of a small cluster, each step judged by all invariants that can be judged there. */
import { environment } from '../../model/components/environment.ts'
import { clusterWith, COMPONENTS } from '../../model/model.ts'
import { begin, exploreCluster } from '../../properties/explore/cluster.ts'
import { fingerprint } from '../../properties/explore/fingerprint.ts'
import { INSTANCES } from '../../properties/explore/instances.ts'
import type { Benchmark } from '../benchmark.ts'

const INSTANCE = INSTANCES.recreate

/** The same states, told apart and nothing else: no judging, no shortest runs, no coming to rest. */
const walk = (): number => {
  const machine = clusterWith({ ...COMPONENTS, environment })
  const queue = [begin(INSTANCE)]
  const known = new Set(queue.map(fingerprint))
  for (let state = queue.pop(); state !== undefined; state = queue.pop()) {
    for (const action of machine.enabled(state)) {
      const after = machine.next(state, action)
      const print = fingerprint(after)
      if (known.has(print)) continue
      known.add(print)
      queue.push(after)
    }
  }
  return known.size
}

export const modelStates: Benchmark = {
  name: 'model-states',
  sentence: 'states of a small cluster explored in full, every step judged',
  units: 'states',
  baseline: 'the same states walked and told apart, nothing judged',
  prepare: () => ({ subject: () => exploreCluster(INSTANCE).statesDistinct, baseline: walk }),
}
