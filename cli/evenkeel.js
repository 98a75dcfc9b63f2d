#!/usr/bin/env node
/**
 * The installed command. The sources are TypeScript: Node.js runs them as they are where it can, and through tsx where
 * it cannot (before 22.18, and inside node_modules).
 */
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const main = new URL('./main.ts', import.meta.url)
if (process.features.typescript && !main.pathname.includes('/node_modules/')) await import(main.href)
else {
  const tsx = fileURLToPath(import.meta.resolve('tsx'))
  const { status } = spawnSync(process.execPath, ['--import', tsx, fileURLToPath(main), ...process.argv.slice(2)], { stdio: 'inherit' })
  process.exitCode = status ?? 1
}
