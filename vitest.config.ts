/** Tests stand beside the code they are of. The last line printed counts them, for whoever reads only that. */
import { defineConfig } from 'vitest/config'
import type { Reporter, TestModule } from 'vitest/node'

const count: Reporter = {
  onTestRunEnd(modules: readonly TestModule[]) {
    let passed = 0
    let failed = 0
    for (const module of modules) {
      failed += module.errors().length
      for (const test of module.children.allTests()) {
        const { state } = test.result()
        if (state === 'passed') passed++
        else if (state === 'failed') failed++
      }
    }
    console.log(`${passed} passed, ${failed} failed`)
  },
}

export default defineConfig({
  test: {
    include: ['**/*.test.ts'],
    setupFiles: ['./vitest.setup.ts'],
    reporters: ['default', count],
    testTimeout: 120_000,
    // Some start processes of their own, which takes as long as it takes where others have the machine.
    hookTimeout: 120_000,
    // No retries: what fails now and then is broken.
    retry: 0,
  },
})
