import { fc, test } from '@fast-check/vitest'
import { expect } from 'vitest'
import { thousandths } from '../model/state/quantity.ts'
import { matchesLabels, matchesPairs } from '../model/state/selector.ts'
import { milli } from './quantity.ts'
import { selects, selectsPairs } from './selector.ts'

const quantity = fc
  .tuple(fc.integer({ min: 0, max: 99_999 }), fc.constantFrom('', '.5', '.25'), fc.constantFrom('', 'm', 'k', 'M', 'G', 'Ki', 'Mi', 'Gi'))
  .map(([whole, fraction, suffix]) => `${whole}${fraction}${suffix}`)

// Goal: the implementation reads quantities and selectors as their plain definition does. Method: both on the same input.
test.prop([quantity])('quantities mean the same to implementation and model', (text) => {
  expect(Math.abs(milli(text) - thousandths(text))).toBeLessThanOrEqual(1)
})

const word = fc.constantFrom('a', 'b', 'c')
const labels = fc.dictionary(word, word, { maxKeys: 3 })
const expression = fc.record({
  key: word,
  operator: fc.constantFrom('In' as const, 'NotIn' as const, 'Exists' as const, 'DoesNotExist' as const),
  values: fc.array(word, { minLength: 1, maxLength: 2 }),
})

test.prop([fc.record({ matchLabels: labels, matchExpressions: fc.array(expression, { maxLength: 2 }) }), labels])(
  'label selectors mean the same to implementation and model',
  (selector, on) => {
    expect(selects(selector, on)).toBe(matchesLabels(selector, on))
    expect(selectsPairs(selector.matchLabels, on)).toBe(matchesPairs(selector.matchLabels, on))
  },
)
