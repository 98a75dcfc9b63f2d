/**
 * The natural logarithm by the four rules alone, so that its last bit is the same on every engine.
 *
 * x is brought to [1/√2, √2) by halving, where ln x = 2 artanh((x − 1)/(x + 1)) converges fast.
 */
const TERMS = 30

/** Of a finite number above 0. */
export const naturalLog = (x: number): number => {
  let rest = x
  let halvings = 0
  while (rest >= Math.SQRT2) {
    rest /= 2
    halvings++
  }
  while (rest < Math.SQRT1_2) {
    rest *= 2
    halvings--
  }
  const z = (rest - 1) / (rest + 1)
  let power = z
  let sum = 0
  for (let term = 0; term < TERMS; term++) {
    sum += power / (2 * term + 1)
    power *= z * z
  }
  return halvings * Math.LN2 + 2 * sum
}
