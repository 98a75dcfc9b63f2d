/** Makes the folder a report is to be written to, before the work whose result it is to keep. */
import { accessSync, constants, existsSync, mkdirSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { InputError } from '../properties/input.ts'

/**
 * With all folders above it. Throws InputError when it cannot be made or written to.
 *
 * Level by level: asked for all levels at once, Node.js never returns where a file system refuses with ENOENT (/proc).
 */
export const makeFolder = (folder: string): void => {
  try {
    const missing: string[] = []
    for (let path = folder; !existsSync(path); path = dirname(path)) missing.unshift(path)
    for (const path of missing) mkdirSync(path)
    if (!statSync(folder).isDirectory()) throw new InputError(folder, 'expected a folder, found a file')
    accessSync(folder, constants.W_OK)
  } catch (error) {
    if (error instanceof InputError) throw error
    throw new InputError(folder, `expected a folder that can be written (${(error as NodeJS.ErrnoException).code ?? 'error'})`)
  }
}
