import { execFileSync, spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { connect, createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { etcd, type EtcdArguments } from './etcd.ts'

const ROOT = join(import.meta.dirname, '..')
const PRESENT = spawnSync('etcd', ['--version']).status === 0
const absent = PRESENT ? '' : ' (not run: there is no etcd on this machine)'
const OPENSSL = spawnSync('openssl', ['version']).status === 0

const folder = mkdtempSync(join(tmpdir(), 'evenkeel-etcd-cli-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const report = join(folder, 'report')
const run = async (...args: readonly string[]) => {
  const child = spawn(process.execPath, ['cli/main.ts', 'etcd', '--report', report, ...args], { cwd: ROOT })
  let stdout = ''
  let stderr = ''
  child.stdout.on('data', (text) => (stdout += String(text)))
  child.stderr.on('data', (text) => (stderr += String(text)))
  const [status] = (await once(child, 'close')) as [number]
  return { status, stdout, stderr }
}
/** One clear line, and nothing else. */
const refused = async (said: RegExp, ...args: readonly string[]): Promise<void> => {
  const { status, stderr } = await run(...args)
  expect(stderr).toMatch(said)
  expect(stderr.trim().split('\n').length).toBe(1)
  expect(status).toBe(2)
}

const options: EtcdArguments = { binary: 'etcd', members: 3, time: 1_000, seed: '1', clients: 1, report }

// Each: options, what is said. Goal: bad input is one line that names the option; the command line ends with exit 2.
test.for<readonly [Partial<EtcdArguments>, RegExp]>([
  [{ binary: 'no-such-etcd' }, /^--binary: expected the program etcd at no-such-etcd, found no such program$/],
  [{ binary: process.execPath }, /^--binary: expected etcd, found a program that says 'v.*'$/],
  [{ faults: 'rain' }, /^--faults: expected none, or some of kill, pause, partition, slow, disk, found 'rain'$/],
  [{ faults: 'disk', members: 1 }, /^--faults: expected three members or more for disk/],
  [{ endpoints: 'somewhere' }, /^--endpoints: expected host:port, found 'somewhere'$/],
  [{ endpoints: '127.0.0.1:1', faults: 'kill' }, /^--faults: expected none with --endpoints/],
  [{ endpoints: 'https://127.0.0.1:1', cacert: 'none.pem' }, /^--cacert: expected a file in PEM form, found no file none\.pem$/],
  [{ endpoints: 'https://127.0.0.1:1', cacert: 'package.json' }, /^--cacert: expected CERTIFICATE in PEM form in package\.json$/],
  [{ endpoints: 'https://127.0.0.1:1', cert: 'package.json' }, /^--cert, --key: expected both or neither$/],
  [{ endpoints: '127.0.0.1:1', user: 'root' }, /^--user: expected name:password/],
])('etcd %j', async ([given, said]) => {
  await expect(etcd({ ...options, ...given }, '0', 'evenkeel etcd', new AbortController().signal)).rejects.toThrow(said)
})

test('nobody who listens: one line, exit 2', () =>
  refused(/^--endpoints: 127\.0\.0\.1:1: expected an etcd that answers, found nobody who listens there/, '--endpoints', '127.0.0.1:1'))

test('a server that speaks no gRPC, as an etcd of version 2: said plainly', async () => {
  const server = createServer((socket) => {
    socket.on('error', () => undefined)
    socket.once('data', () => socket.end('HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n'))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  await refused(
    /expected etcd's v3 interface \(gRPC\), found something else, such as an etcd of version 2/,
    '--endpoints',
    `127.0.0.1:${port}`,
  )
  server.close()
})

describe.skipIf(!PRESENT)(`a real etcd from the command line${absent}`, () => {
  test('three members under faults: exit 0, the report in all its forms, the history and the logs', async () => {
    const { status, stdout } = await run('--time', '5s', '--faults', 'kill,partition', '--seed', '3')
    expect(stdout).toMatch(/✓ held: \d+ guarantees/)
    expect(stdout).toMatch(/[1-9]\d* faults/)
    expect(status).toBe(0)
    for (const file of ['report.html', 'report.md', 'report.junit.xml', 'report.json', 'history.jsonl', 'etcd-0.log'])
      expect(existsSync(join(report, file)), file).toBe(true)
  })

  test('less than was asked for: exit 3, said plainly', async () => {
    const { status, stdout } = await run('--time', '1ms', '--members', '1', '--faults', 'none')
    expect(stdout).toMatch(/\? never judged: .*ETCD-/)
    expect(status).toBe(3)
  })
})

describe.skipIf(!PRESENT || !OPENSSL)(`a real etcd that asks for TLS${absent}`, () => {
  const file = (name: string): string => join(folder, name)
  const openssl = (...args: readonly string[]): Buffer => execFileSync('openssl', [...args], { stdio: ['ignore', 'pipe', 'ignore'] })
  const PORT = 19_379
  let server: ChildProcess

  const authority = (name: string): void => {
    openssl(
      'req',
      '-x509',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:P-256',
      '-nodes',
      '-days',
      '2',
      '-subj',
      `/CN=${name}`,
      ...['-keyout', file(`${name}.key`), '-out', file(`${name}.pem`)],
    )
  }

  beforeAll(async () => {
    authority('ours')
    authority('others')
    openssl(
      'req',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:P-256',
      '-nodes',
      '-subj',
      '/CN=member',
      '-addext',
      'subjectAltName=IP:127.0.0.1',
      ...['-keyout', file('member.key'), '-out', file('member.csr')],
    )
    openssl(
      'x509',
      '-req',
      '-in',
      file('member.csr'),
      '-CA',
      file('ours.pem'),
      '-CAkey',
      file('ours.key'),
      '-CAcreateserial',
      '-days',
      '2',
      '-copy_extensions',
      'copy',
      '-out',
      file('member.pem'),
    )
    const url = `https://127.0.0.1:${PORT}`
    server = spawn('etcd', [
      ...[
        '--data-dir',
        file('data'),
        '--listen-client-urls',
        url,
        '--advertise-client-urls',
        url,
        '--logger',
        'zap',
        '--log-level',
        'error',
      ],
      ...['--listen-peer-urls', 'http://127.0.0.1:19380', '--initial-advertise-peer-urls', 'http://127.0.0.1:19380'],
      ...['--initial-cluster', 'default=http://127.0.0.1:19380', '--cert-file', file('member.pem'), '--key-file', file('member.key')],
      ...['--client-cert-auth', '--trusted-ca-file', file('ours.pem')],
    ])
    for (let listens = false; !listens;) {
      const socket = connect(PORT, '127.0.0.1')
      listens = await new Promise((resolve) => socket.once('connect', () => resolve(true)).once('error', () => resolve(false)))
      socket.destroy()
    }
  })
  afterAll(() => {
    server?.kill('SIGKILL')
  })

  const address = `https://127.0.0.1:${PORT}`
  const ours = ['--cacert', file('ours.pem'), '--cert', file('member.pem'), '--key', file('member.key')]

  test('a certificate of an authority that is not trusted: said plainly, exit 2', () =>
    refused(/expected a certificate that can be trusted, found: /, '--endpoints', address, '--cacert', file('others.pem')))

  test('no certificate of our own where one is asked for: said plainly, exit 2', () =>
    refused(/^--endpoints: 127\.0\.0\.1:\d+: expected /, '--endpoints', address, '--cacert', file('ours.pem')))

  test('with the right ones: attached, judged, nothing of it touched', async () => {
    const { status, stdout } = await run('--endpoints', address, ...ours, '--time', '2s')
    expect(stdout).toContain('no process was touched')
    expect(stdout).toMatch(/✓ held/)
    expect(status).toBe(0)
    expect(server.exitCode).toBeNull()
  })
})
