/** The repository tests its own shape: layers, names, sizes, and that nothing of the machine it was written on stays in it. */
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join, normalize, relative, resolve } from 'node:path'
import { expect, test } from 'vitest'

const ROOT = import.meta.dirname
const tracked = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], { cwd: ROOT, encoding: 'utf8' })
  .trim()
  .split('\n')
  .filter((file) => existsSync(join(ROOT, file)))
const sources = tracked.filter((file) => file.endsWith('.ts'))
const code = sources.filter((file) => !file.endsWith('.test.ts'))
const textOf = (file: string): string => readFileSync(join(ROOT, file), 'utf8')

/** Each folder lists what it may import beside itself. Data flows one way. */
const LAYERS: Readonly<Record<string, readonly string[]>> = {
  'model/state': [],
  'model/components': ['model/state'],
  model: ['model/components', 'model/state'],
  sim: [],
  impl: ['sim', 'model/state'],
  properties: ['impl', 'sim', 'model', 'model/components', 'model/state'],
  traces: ['properties', 'sim', 'model', 'model/state'],
  reports: ['traces', 'properties', 'model', 'model/state'],
  bench: ['reports', 'properties', 'impl', 'sim', 'model', 'model/components', 'model/state'],
  examples: ['properties', 'impl', 'model/state'],
  cli: ['reports', 'traces', 'properties', 'model/state'],
}

const layerOf = (file: string): string | undefined =>
  Object.keys(LAYERS)
    .toSorted((one, other) => other.length - one.length)
    .find((layer) => file.startsWith(`${layer}/`))

interface Import {
  readonly file: string
  readonly target: string
  readonly types: boolean
}

const importsOf = (file: string): readonly Import[] =>
  [...textOf(file).matchAll(/^(?:import|export)\s+(type\s+)?(?:[^'"]*?\sfrom\s+)?'([^']+)'/gm)].map(([, type, target = '']) => ({
    file,
    target: target.startsWith('.') ? normalize(join(dirname(file), target)) : target,
    types: type !== undefined,
  }))

test('every source file stands in a layer, and imports only from layers before its own', () => {
  const wrong = code
    .filter((file) => file.includes('/'))
    .flatMap((file) => {
      const layer = layerOf(file)
      if (layer === undefined) return [`${file} stands in no layer`]
      return importsOf(file).flatMap(({ target }) => {
        const other = layerOf(target)
        if (other === undefined || other === layer || LAYERS[layer]?.includes(other)) return []
        return [`${file} imports ${target}`]
      })
    })
  expect(wrong).toEqual([])
})

test('model, sim and impl import no module of Node.js, and model no package at all', () => {
  const wrong = code.flatMap((file) =>
    importsOf(file).filter(({ target }) => {
      const layer = layerOf(file) ?? ''
      if (/^(model|sim|impl)/.test(layer) && target.startsWith('node:')) return true
      return layer.startsWith('model') && layerOf(target) === undefined
    }),
  )
  expect(wrong).toEqual([])
})

const AMBIENT =
  /\b(Date\.now|new Date\(\)|Math\.(random|log|exp|pow|sin|cos|tan)\b|performance\.|setTimeout|setInterval|setImmediate|process\.(env|hrtime|argv)|localeCompare|toLocale|async |await )/

test('model, sim and impl touch no clock, no randomness, no environment and no promise', () => {
  const wrong = code
    .filter((file) => /^(model|sim|impl)\//.test(file))
    .flatMap((file) =>
      textOf(file)
        .split('\n')
        .filter((line) => !/^\s*(\/\/|\/?\*)/.test(line) && AMBIENT.test(line))
        .map((line) => `${file}: ${line.trim()}`),
    )
  expect(wrong).toEqual([])
})

test('files stay short enough to be read at once', () => {
  const LINES_MOST = 600
  expect(sources.filter((file) => textOf(file).split('\n').length > LINES_MOST)).toEqual([])
})

test('only the command line, the benchmarks and the workers print', () => {
  const silent = code.filter((file) => /^(model|sim|impl|properties|traces|reports)\//.test(file))
  expect(silent.filter((file) => /\bconsole\.|process\.std(out|err)/.test(textOf(file)))).toEqual([])
})

test('nothing names a machine, a home folder or a private registry', () => {
  const pattern = new RegExp(['/wo' + 'rk/', '/ho' + 'me/[a-z]', 'localhost:\\d', '\\.inter' + 'nal\\b'].join('|'))
  const lock = /"resolved": "(?!https:\/\/registry\.npmjs\.org\/)/
  const texts = tracked.filter((file) => /\.(ts|js|json|md|yaml|yml|html)$|^\.ci\/|^LICENSE$/.test(file))
  expect(texts.filter((file) => pattern.test(textOf(file)))).toEqual([])
  expect(lock.test(textOf('package-lock.json'))).toBe(false)
})

test('documents name only files that exist', () => {
  const missing = tracked
    .filter((file) => file.endsWith('.md'))
    .flatMap((file) =>
      [...textOf(file).matchAll(/\]\((?!https?:|#)([^)#]+)[^)]*\)/g)]
        .map(([, target = '']) => relative(ROOT, resolve(ROOT, dirname(file), target)))
        .filter((target) => !existsSync(join(ROOT, target)))
        .map((target) => `${file}: ${target}`),
    )
  expect(missing).toEqual([])
})
