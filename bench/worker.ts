/** Measures one benchmark in a process of its own: its memory is its own, and nothing before it has shaped the compiled code. */
import { measure } from './measure.ts'
import { BENCHMARKS } from './register.ts'

export interface Order {
  readonly name: string
  readonly repetitions: number
}

process.once('message', (order: Order) => {
  const benchmark = BENCHMARKS.find((one) => one.name === order.name)
  if (benchmark === undefined) throw new Error(`no benchmark ${order.name}`)
  process.send?.(measure(benchmark, order.repetitions))
  process.disconnect()
})
