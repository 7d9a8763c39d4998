/** Runs the service in a process of its own on a new database: `dist/main.js`, or the composition of `child.ts`. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Redis } from 'ioredis'
import { type Backend, openTestDatabase } from '../../tests/helpers/backends.ts'
import type { Answers, ChildOptions } from './child.ts'
import { type Server, startServer } from './process.ts'

export interface Service extends Server {
  /** Returns a measurement. Only for the composition of `child.ts`. */
  ask<K extends keyof Answers>(what: K): Promise<Answers[K]>
}

interface ServiceOptions {
  kind: Backend
  env?: Record<string, string>
  /** Options of `child.ts`. Absent: `dist/main.js`. */
  composed?: ChildOptions
  /** Number of the Redis database, which is emptied before and after. */
  redisDatabase: number
  nodeArgs?: readonly string[]
}

export const operatorKey = 'the operator key of the benchmark'.replaceAll(' ', '-')

const root = fileURLToPath(new URL('../../', import.meta.url))

export async function startService(options: ServiceOptions): Promise<Service> {
  const { kind, env, composed, redisDatabase, nodeArgs = [] } = options
  const dataDir = await mkdtemp(join(tmpdir(), 'fluxbot-bench-'))
  // the embedded database runs in the process of the service
  const { url, drop } = kind === 'pglite' ? {} : await openTestDatabase('postgres')
  const redis = kind === 'redis' ? `${process.env.TEST_REDIS_URL}/${redisDatabase}` : undefined
  if (redis) await empty(redis)
  const program = composed
    ? ['--import', import.meta.resolve('tsx'), `${root}bench/parts/child.ts`]
    : [`${root}dist/main.js`]
  const server = await startServer({
    args: () => [...nodeArgs, ...program],
    env: (port) => ({
      PORT: String(port),
      PUBLIC_URL: `http://127.0.0.1:${port}`,
      DATA_DIR: dataDir,
      LOG_LEVEL: 'warn',
      API_KEY: operatorKey,
      PROVIDER_CONCURRENCY: '50',
      DATABASE_URL: url ?? '',
      REDIS_URL: redis ?? '',
      SECRET_KEY: 'a secret for benchmarks, 32 characters',
      BENCH: JSON.stringify(composed ?? {}),
      ...env,
    }),
    health: '/readyz',
    cwd: dataDir,
  })
  return {
    ...server,
    ask: (what) =>
      new Promise((resolve) => {
        server.child.once('message', (answer) => resolve(answer as never))
        server.child.send(what)
      }),
    stop: async () => {
      await server.stop()
      await drop?.()
      if (redis) await empty(redis)
      await rm(dataDir, { recursive: true, force: true })
    },
  }
}

async function empty(url: string): Promise<void> {
  const redis = new Redis(url)
  await redis.flushdb()
  redis.disconnect()
}
