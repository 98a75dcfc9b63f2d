import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { Report } from '../reports/report.ts'

const ROOT = join(import.meta.dirname, '..')
const evenkeel = (...args: readonly string[]) => {
  const folder = mkdtempSync(join(tmpdir(), 'evenkeel-'))
  const { status, stdout, stderr } = spawnSync(process.execPath, ['cli/main.ts', ...args], { cwd: ROOT, encoding: 'utf8' })
  return { status, stdout, stderr, folder }
}
const inFolder = (...args: readonly string[]) => {
  const folder = mkdtempSync(join(tmpdir(), 'evenkeel-'))
  return { ...evenkeel(...args, '--report', folder), folder }
}

// Each: arguments, exit code, what is said. Goal: what scripts and people rely on at the command line.
test.for<readonly [readonly string[], number, RegExp]>([
  [['--version'], 0, /^\d+\.\d+\.\d+\n$/],
  [['--help'], 0, /Will it come back level\?/],
  [['check', '--runs', 'x'], 2, /expected a whole number from 1 to \d+, found 'x'/],
  [['check', '--suite', 'nope'], 2, /expected suites among etcd, .*convergence, found 'nope'/],
  [['check', '--bug', 'Z9'], 2, /bug: expected one of .*, found 'Z9'/],
  [['check', 'no/such/folder'], 2, /no\/such\/folder: expected a file or folder of manifests, found no such path/],
  [['check', 'package.json', '--suite', 'etcd'], 2, /--suite: expected no suites beside manifests/],
  [['check', '--runs', '1', '--report', 'package.json'], 2, /package\.json: expected a folder, found a file/],
  [['explore', 'nope'], 2, /explore: expected instances among scheduling, .*, found 'nope'/],
  [['explore', 'scheduling', 'background'], 0, /✓ held: 2 instances, 217 states/],
  [['history', 'package.json', '--model', 'etcd'], 2, /package\.json:\d+: expected a JSON object, found/],
  [['history', 'no.log', '--model', 'nope'], 2, /Allowed choices are register, cas-register, kv, etcd/],
  [['cases', 'nope'], 2, /cases: expected one of histories.*, found 'nope'/],
  [['schedule', '--cluster', 'examples/manifests'], 2, /examples\/manifests: expected at least one Node, found none/],
  [['replay', 'no.json'], 2, /no\.json: expected a trace file, found no such file/],
  [['report', 'package.json'], 2, /package\.json: format: expected a report of format/],
])('evenkeel %j', ([args, status, said]) => {
  const run = evenkeel(...args)
  expect(run.stdout + run.stderr).toMatch(said)
  expect(run.status).toBe(status)
})

test('manifests that converge: exit 0, a report in all its forms', () => {
  const { status, stdout, folder } = inFolder('check', 'examples/manifests', '--runs', '3')
  expect(stdout).toContain('Report: ')
  expect(status).toBe(0)
  for (const file of ['report.html', 'report.md', 'report.junit.xml', 'report.json']) expect(existsSync(join(folder, file))).toBe(true)
  const again = inFolder('report', join(folder, 'report.json'))
  expect(again.status).toBe(2)
  const to = mkdtempSync(join(tmpdir(), 'evenkeel-'))
  expect(evenkeel('report', join(folder, 'report.json'), '--to', to).status).toBe(0)
  expect(readFileSync(join(to, 'report.html'), 'utf8')).toBe(readFileSync(join(folder, 'report.html'), 'utf8'))
})

test('a deployment that asks for 1000 cores: exit 1, and the reason the scheduler gives', () => {
  const { status, stdout } = inFolder('check', 'examples/manifests-too-big', '--runs', '2')
  expect(stdout).toMatch(/Insufficient cpu/)
  expect(status).toBe(1)
})

test('a seeded bug: exit 1, the invariant named, and a trace that replays with its hash in a process of its own', () => {
  const { status, stdout, folder } = inFolder('check', '--bug', 'E2', '--failures', '1', '--shrink', '200')
  expect(stdout).toMatch(/ETCD-S[367]/)
  expect(status).toBe(1)
  const report = JSON.parse(readFileSync(join(folder, 'report.json'), 'utf8')) as Report
  const [failure] = report.failures
  const replayed = evenkeel('replay', join(folder, failure?.file ?? ''), '--quiet')
  expect(replayed.stdout).toContain(`history hash ${failure?.trace.hash}: the same as in the trace`)
  expect(replayed.status).toBe(1)
})
