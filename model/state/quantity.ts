/**
 * Quantities, by plain definition: a number and a suffix that says how many of what.
 *
 * Source: https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/
 */
import type { Quantity } from './objects.ts'

const SUFFIXES: Readonly<Record<string, number>> = {
  n: 1e-9,
  u: 1e-6,
  m: 1e-3,
  '': 1,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  P: 1e15,
  E: 1e18,
  Ki: 1024,
  Mi: 1024 ** 2,
  Gi: 1024 ** 3,
  Ti: 1024 ** 4,
  Pi: 1024 ** 5,
  Ei: 1024 ** 6,
}

/** In thousandths of the unit, rounded to the nearest. NaN for what is not a quantity. */
export const thousandths = (quantity: Quantity): number => {
  const digits = Number.parseFloat(quantity)
  const exponent = /^[+-]?[\d.]+[eE][+-]?\d+$/.test(quantity)
  const suffix = exponent ? '' : quantity.replace(/^[+-]?[\d.]+/, '')
  const factor = SUFFIXES[suffix]
  return factor === undefined ? Number.NaN : Math.round(digits * factor * 1000)
}
