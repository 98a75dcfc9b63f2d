/**
 * Processes of our own, and their end: however this process ends, they end with it.
 *
 * A small shell holds the list of those alive and reads it from a pipe that only we write to: when we are gone, by
 * whatever way, the pipe ends and it kills what is still on the list.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { closeSync, openSync } from 'node:fs'
import { createServer } from 'node:net'
import { InputError } from '../../input.ts'

const WATCHDOG = `alive=' '
while read -r sign pid; do
  case "$sign" in
    +) alive="$alive$pid " ;;
    -) alive="\${alive%% $pid *} \${alive#* $pid }" ;;
  esac
done
for pid in $alive; do kill -KILL "$pid"; done 2>/dev/null`

let watchdog: ChildProcess | null = null

const tell = (line: string): void => {
  if (watchdog === null) {
    watchdog = spawn('/bin/sh', ['-c', WATCHDOG], { detached: true, stdio: ['pipe', 'ignore', 'ignore'] })
    watchdog.unref()
    // It must not keep us alive.
    ;(watchdog.stdin as unknown as { unref?(): void }).unref?.()
    watchdog.stdin?.on('error', () => undefined)
  }
  watchdog.stdin?.write(line)
}

export interface Started {
  readonly pid: number
  /** Resolves when it has ended, by itself or not. */
  readonly ended: Promise<{ readonly code: number | null; readonly signal: NodeJS.Signals | null }>
  signal(signal: NodeJS.Signals): void
}

/** In a process group of its own, so that Ctrl-C at a terminal reaches only us. What it prints is added to the log file. */
export const start = async (binary: string, args: readonly string[], logFile: string): Promise<Started> => {
  const log = openSync(logFile, 'a')
  const child = spawn(binary, [...args], { detached: true, stdio: ['ignore', log, log] })
  closeSync(log)
  const [error] = (await Promise.race([once(child, 'spawn'), once(child, 'error').catch((failure: unknown) => [failure])])) as [unknown?]
  if (error !== undefined || child.pid === undefined) throw new InputError('--binary', `expected a program that runs, found ${binary}`)
  const { pid } = child
  tell(`+ ${pid}\n`)
  const ended = once(child, 'exit').then(([code, signal]) => {
    tell(`- ${pid}\n`)
    return { code: code as number | null, signal: signal as NodeJS.Signals | null }
  })
  return {
    pid,
    ended,
    signal: (signal) => {
      child.kill(signal)
    },
  }
}

/**
 * Below the range that systems take for outgoing connections: a port that a member gives up while it is down must not be
 * taken by a connection that looks for it there.
 */
const PORTS = { from: 20_000, to: 32_000 } as const

/** Ports of the loopback interface that nobody listens on now, all different. */
export const freePorts = async (count: number): Promise<readonly number[]> => {
  const ports = new Set<number>()
  while (ports.size < count) {
    const port = randomInt(PORTS.from, PORTS.to)
    if (!ports.has(port) && (await isFree(port))) ports.add(port)
  }
  return [...ports]
}

const isFree = async (port: number): Promise<boolean> => {
  const server = createServer().listen(port, '127.0.0.1')
  try {
    await once(server, 'listening')
  } catch {
    return false
  }
  await once(server.close(), 'close')
  return true
}
