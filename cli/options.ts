/** What options of the command line may say, and one clear line for what they may not. */
import { availableParallelism } from 'node:os'
import { InvalidArgumentError } from 'commander'
import type { ClusterShape } from '../model/state/plan.ts'
import { TIE_RULES, type Ties } from '../properties/compare/policy.ts'
import { nodes, standardShape, type NodeSize } from '../properties/generators/shapes.ts'
import { SUITES } from '../properties/suites/register.ts'
import type { Suite } from '../properties/suites/suite.ts'

export const wholeNumber =
  (least: number, most: number) =>
  (text: string): number => {
    const value = Number(text)
    if (!/^\d+$/.test(text) || value < least || value > most)
      throw new InvalidArgumentError(`expected a whole number from ${least} to ${most}, found '${text}'`)
    return value
  }

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 }

/** '60s', '500ms', '2m', '1h' → milliseconds. */
export const span = (text: string): number => {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/.exec(text)
  if (match === null) throw new InvalidArgumentError(`expected a time such as 60s, 5m or 1h, found '${text}'`)
  return Number(match[1]) * (UNITS[match[2] ?? 's'] ?? 1_000)
}

/** A number above 0 and up to 100. */
export const share = (text: string): number => {
  const value = Number(text)
  if (!/^\d+(\.\d+)?$/.test(text) || value <= 0 || value > 100)
    throw new InvalidArgumentError(`expected a share such as 0.9 or 1.3, found '${text}'`)
  return value
}

export const tieRule = (text: string): Ties => {
  const rule = TIE_RULES.find((one) => one === text)
  if (rule === undefined) throw new InvalidArgumentError(`expected one of ${TIE_RULES.join(', ')}, found '${text}'`)
  return rule
}

export const suiteList = (text: string): readonly Suite[] =>
  text.split(',').map((name) => {
    const suite = SUITES.find((one) => one.name === name.trim())
    if (suite === undefined)
      throw new InvalidArgumentError(`expected suites among ${SUITES.map((one) => one.name).join(', ')}, found '${name}'`)
    return suite
  })

export const quantity = (text: string): string => {
  if (!/^\d+(\.\d+)?(m|k|M|G|T|Ki|Mi|Gi|Ti)?$/.test(text))
    throw new InvalidArgumentError(`expected a quantity such as 4, 500m or 8Gi, found '${text}'`)
  return text
}

/** Kubernetes' default of 300 s before pods leave a lost node, shortened so that a run shows it. */
export const clusterOf = (count: number, size: NodeSize): ClusterShape => standardShape(nodes(count, size))

export const defaultWorkers = (): number => Math.max(1, Math.min(8, availableParallelism()))
