/** A history against a model, part by part (P-compositionality, Horn and Kroening 2015), with the reason in words. */
import { worst, type Verdict } from '../verdict.ts'
import type { Operation, SequentialModel } from './model.ts'
import { BUDGET, search, type Budget, type Result } from './search.ts'

export interface SearchReport {
  readonly verdict: Verdict
  readonly operations: number
  readonly parts: number
  readonly configurations: number
  /** In words: what cannot be placed and why, or where the budget ran out. Empty when it holds. */
  readonly why: readonly string[]
}

/** How many operations of the prefix, and how many open ones, are shown. */
const SHOWN = 8

/** A history is linearizable exactly when each of its parts is; each is searched by itself. */
export const checkOperations = <State, Input, Output>(
  operations: readonly Operation<Input, Output>[],
  model: SequentialModel<State, Input, Output>,
  budget: Budget = BUDGET,
): SearchReport => {
  const parts = Map.groupBy(operations, ({ input }) => model.part(input))
  const verdicts: Verdict[] = []
  const why: string[] = []
  let configurations = 0
  for (const [part, own] of parts) {
    const result = search(own, model, budget)
    configurations += result.configurations
    verdicts.push(result.verdict)
    if (result.verdict !== 'holds') why.push(...explain(result, model, part))
    // One part that is not linearizable is enough.
    if (result.verdict === 'violated') break
  }
  return { verdict: worst(verdicts), operations: operations.length, parts: parts.size, configurations, why }
}

const explain = <State, Input, Output>(
  result: Exclude<Result<Input, Output>, { verdict: 'holds' }>,
  model: SequentialModel<State, Input, Output>,
  part: string,
): readonly string[] => {
  const text = ({ input, output, process, lines: [from, to] }: Operation<Input, Output>): string => {
    const place = from === 0 ? '' : to === 0 ? `, from line ${from}` : `, lines ${from}–${to}`
    return `${model.describe(input, output)} (process ${process}${place})`
  }
  const where = part === '' ? '' : ` of ${part}`
  if (result.verdict === 'unknown')
    return [`undecided${where}: the budget ran out at ${text(result.at)} after ${result.configurations} configurations`]
  const { blocked, order, open, states } = result
  return [
    `no order${where} allows ${text(blocked)}`,
    `the longest prefix that has one ends with ${order.length === 0 ? 'nothing' : `${order.length} operations, the last of them:`}`,
    ...order.slice(-SHOWN).map((one) => `  ${text(one)}`),
    `after it the state can be ${states.slice(0, SHOWN).join(' or ')}${states.length > SHOWN ? ` or ${states.length - SHOWN} others` : ''}`,
    ...(open.length === 0 ? [] : ['open at that moment:', ...open.slice(0, SHOWN).map((one) => `  ${text(one)}`)]),
    ...(open.length > SHOWN ? [`  and ${open.length - SHOWN} more`] : []),
  ]
}
