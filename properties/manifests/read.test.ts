import { existsSync, mkdirSync, mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { readManifests } from './read.ts'

const write = (text: string, name = 'a.yaml'): string => {
  const folder = mkdtempSync(join(tmpdir(), 'manifests-'))
  writeFileSync(join(folder, name), text)
  return folder
}

const POD = 'apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec: {containers: [{name: c, image: i}]}\n'

// Each: what is in the file, and the one line it gives (after the path).
test.for<readonly [string, RegExp]>([
  ['a: [1\nb: {', /a\.yaml:\d+: document 1: expected YAML: /],
  ['- list', /a\.yaml:1: document 1: expected a Kubernetes object, found/],
  [`${POD}---\nkind: Pod\n`, /a\.yaml:6: document 2: apiVersion: expected a text/],
  ['apiVersion: v1\nkind: Widget\nmetadata: {name: x}\n', /a\.yaml:2: document 1: kind: expected a kind of v1, found "Widget"/],
  [POD.replace('image: i', 'image: 7'), /a\.yaml:4: document 1: spec\.containers\[?\.?0\]?\.image: expected a (string|text), found 7/],
])('%s', ([text, expected]) => {
  expect(() => readManifests([write(text)])).toThrow(expected)
})

test('an empty folder and a missing path are named', () => {
  const folder = mkdtempSync(join(tmpdir(), 'manifests-'))
  mkdirSync(join(folder, 'empty'))
  expect(() => readManifests([join(folder, 'empty')])).toThrow('expected manifests (.yaml, .yml, .json) in the folder, found none')
  expect(() => readManifests([join(folder, 'no')])).toThrow('found no such path')
})

test('documents, lists and JSON are all read; what is not simulated is said', () => {
  const list = `apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: ConfigMap, metadata: {name: m}}\n`
  const ingress = `---\napiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: s}\nspec: {defaultBackend: {service: {name: s, port: {number: 80}}}}\n`
  const folder = write(`${POD}---\n${list}${ingress}`)
  writeFileSync(join(folder, 'b.json'), JSON.stringify({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'n' } }))
  const read = readManifests([folder])
  expect([read.files, read.objects]).toEqual([2, 4])
  expect(read.manifests.map(({ kind }) => kind)).toEqual(['Namespace', 'ConfigMap', 'Pod'])
  expect(read.notes.join('\n')).toContain('Ingress default/s: networking.k8s.io/v1 Ingress is not simulated yet: left out')
})

/** Kubernetes' own example manifests, where they are at hand: EVENKEEL_MANIFESTS names the folder. */
const published = process.env['EVENKEEL_MANIFESTS'] ?? join(import.meta.dirname, '../../../shared/manifests')
test.runIf(existsSync(published))('every published example is read, and each object is accounted for', () => {
  const read = readManifests([published])
  expect([read.files, read.objects]).toEqual([61, 81])
  expect(read.manifests.length).toBeGreaterThan(20)
})
if (!existsSync(published))
  console.log(`absent, so not tested: the published manifests (${published}; EVENKEEL_MANIFESTS names the folder)`)
