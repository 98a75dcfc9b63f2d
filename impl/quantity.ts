/**
 * Kubernetes quantities as whole numbers: CPU and the like in thousandths, the rest in units.
 *
 * Source: https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/
 */
const FORM = /^([+-]?)(\d+(?:\.\d*)?|\.\d+)(?:([eE])([+-]?\d+)|(Ki|Mi|Gi|Ti|Pi|Ei|n|u|m|k|M|G|T|P|E))?$/
const BINARY = ['Ki', 'Mi', 'Gi', 'Ti', 'Pi', 'Ei']
const DECIMAL: Readonly<Record<string, number>> = { n: -9, u: -6, m: -3, k: 3, M: 6, G: 9, T: 12, P: 15, E: 18 }
/** Exact: the engine's exponentiation is not relied on. */
const POWERS = Array.from({ length: 31 }, (_, exponent) => Number(`1e${exponent}`))

const known = new Map<string, number>()

/** Thousandths, rounded up. Throws an Error naming the text when it is no quantity. */
export const milli = (quantity: string): number => {
  let found = known.get(quantity)
  if (found === undefined) {
    found = parse(quantity)
    known.set(quantity, found)
  }
  return found
}

const parse = (quantity: string): number => {
  const match = FORM.exec(quantity)
  if (match === null) throw new Error(`'${quantity}' is not a quantity`)
  const [, sign, digits, exponentMark, exponent, suffix = ''] = match
  const number = Number(digits) * (sign === '-' ? -1 : 1)
  const binary = BINARY.indexOf(suffix)
  if (binary >= 0) return Math.ceil(number * 1024 ** (binary + 1) * 1000)
  const power = 3 + (exponentMark === undefined ? (DECIMAL[suffix] ?? 0) : Number(exponent))
  const scaled = power >= 0 ? number * (POWERS[power] ?? Infinity) : number / (POWERS[-power] ?? Infinity)
  // A decimal fraction is not exact in binary: what is a whole number but for that is taken as one.
  const nearest = Math.round(scaled)
  return Math.abs(scaled - nearest) < 1e-6 ? nearest : Math.ceil(scaled)
}
