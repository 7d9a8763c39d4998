import { defineConfig } from 'vitest/config'

/** Tests of parts that share one process: loading the code once instead of once for each file halves their time. */
const together = ['http', 'core', 'models', 'net', 'storage', 'providers', 'bots'].map(
  (part) => `tests/${part}/**/*.test.ts`,
)

/** Left out of the usual run, which has to end within minutes: `npm run test:long` runs them. */
const long = [
  'tests/bench.test.ts',
  'tests/restore.test.ts',
  'tests/start.test.ts',
  'tests/cli/providers.test.ts',
  'tests/pooler.test.ts',
  'tests/providers/faults.*.test.ts',
  'tests/bots/page-session.browser.test.ts',
  'tests/bots/telegram/checkout.test.ts',
  'tests/queue/sentinel.test.ts',
  'tests/queue/tls.test.ts',
  'tests/demo/**/*.test.ts',
  ...[
    'broadcast',
    'broadcast-many',
    'discord',
    'every-backend',
    'linking',
    'lost',
    'paused',
    'presses',
    'purchases',
    'shards',
    'stopped',
    'storm',
    'telegram',
  ].map((name) => `tests/chaos/${name}.test.ts`),
]

/** Do more in `npm run test:long` than in the usual run. */
const longer = [
  'tests/repository/contributing.test.ts',
  'tests/http/api/fuzz.test.ts',
  'tests/http/api/openai/bodies.test.ts',
  'tests/emulators/s3.test.ts',
]

export default defineConfig({
  test: {
    globalSetup: 'tests/helpers/store.ts',
    testTimeout: 300_000,
    hookTimeout: 200_000,
    // what is waited for comes at once on a quiet machine, and later on a busy one
    expect: { poll: { timeout: 60_000 } },
    // for two cores: of five that work, three wait for something
    maxWorkers: 5,
    projects: [
      {
        extends: true,
        test: { name: 'parts', include: together, exclude: long, isolate: false, env: { KEEP_DATABASES_OPEN: 'true' } },
      },
      { extends: true, test: { name: 'apart', include: ['tests/**/*.test.ts'], exclude: [...together, ...long] } },
      { extends: true, test: { name: 'long', include: [...long, ...longer], env: { LONG: '1' } } },
    ],
  },
})
