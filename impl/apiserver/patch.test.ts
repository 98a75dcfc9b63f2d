import { expect, test } from 'vitest'
import { jsonPatch, mergePatch, strategicMerge } from './patch.ts'

test('a JSON patch changes a copy, or names the operation that does not fit', () => {
  const target = { metadata: { labels: { app: 'web' } }, list: [1, 2] }
  const patched = jsonPatch(target, [
    { op: 'add', path: '/metadata/labels/a~1b', value: 'x' },
    { op: 'remove', path: '/list/0' },
    { op: 'copy', from: '/metadata/labels/app', path: '/name' },
  ])
  expect(patched).toEqual({ metadata: { labels: { app: 'web', 'a/b': 'x' } }, list: [2], name: 'web' })
  expect(target.list).toEqual([1, 2])
  expect(() => jsonPatch(target, [{ op: 'remove', path: '/nothing/here' }])).toThrow('remove operation does not apply')
  expect(() => jsonPatch(target, [{ op: 'test', path: '/list/0', value: 5 }])).toThrow('testing path /list/0 failed')
})

// The example of RFC 7386, section 3.
test('a merge patch removes what is null', () => {
  const target = { title: 'Goodbye!', author: { givenName: 'John', familyName: 'Doe' }, tags: ['example', 'sample'], content: 'This' }
  const patch = { title: 'Hello!', phoneNumber: '+01-123-456-7890', author: { familyName: null }, tags: ['example'] }
  expect(mergePatch(target, patch)).toEqual({
    title: 'Hello!',
    author: { givenName: 'John' },
    tags: ['example'],
    content: 'This',
    phoneNumber: '+01-123-456-7890',
  })
})

test('a strategic merge merges containers by name', () => {
  const target = {
    containers: [
      { name: 'a', image: '1' },
      { name: 'b', image: '1' },
    ],
  }
  expect(
    strategicMerge(target, {
      containers: [
        { name: 'b', image: '2' },
        { name: 'a', $patch: 'delete' },
      ],
    }),
  ).toEqual({
    containers: [{ name: 'b', image: '2' }],
  })
})
