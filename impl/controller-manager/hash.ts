/** Short names for what objects hold: of a template, of a revision. */
import { digest } from '../../sim/hash.ts'

const HASH_LETTERS = 'bcdfghjklmnpqrstvwxz2456789'

/** Ten letters, the same for the same value. */
export const hashLetters = (value: unknown): string => {
  const made = digest(value)
  let text = ''
  let rest = made.high
  for (let letter = 0; letter < 10; letter++) {
    if (letter === 5) rest = made.low
    text += HASH_LETTERS[rest % HASH_LETTERS.length]
    rest = Math.floor(rest / HASH_LETTERS.length)
  }
  return text
}
