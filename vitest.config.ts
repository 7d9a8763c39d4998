import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['tests/**/*.test.ts'],
    testTimeout: 180_000,
    hookTimeout: 120_000,
    // what is waited for comes at once on a quiet machine, and later on a busy one
    expect: { poll: { timeout: 15_000 } },
    // for two cores: of three that work, one waits for something
    maxWorkers: 3,
  },
})
