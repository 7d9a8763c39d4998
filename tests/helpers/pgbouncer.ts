/** PgBouncer in front of the Postgres of TEST_DATABASE_URL, as a process of its own that ends with the tests. */
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { freePort } from './ports.ts'

const binary = (process.env.PATH ?? '')
  .split(':')
  .concat('/usr/sbin')
  .map((folder) => join(folder, 'pgbouncer'))
  .find((path) => existsSync(path))

/** For `describe.skipIf`. On CI its tests must run. */
export function lacksPgBouncer(): boolean {
  const lacks = !binary || !process.env.TEST_DATABASE_URL
  if (lacks && process.env.CI) throw new Error('Install pgbouncer and set TEST_DATABASE_URL: on CI its tests must run.')
  return lacks
}

export interface PgBouncer {
  /** The same database, through the pooler. */
  through(url: string): string
  stop(): Promise<void>
}

interface Options {
  mode?: 'transaction' | 'session' | 'statement'
  /** Connections to Postgres, for each database. */
  size?: number
  /** More lines of its settings. */
  lines?: readonly string[]
}

export async function startPgBouncer({ mode = 'transaction', size = 5, lines = [] }: Options = {}): Promise<PgBouncer> {
  const behind = new URL(process.env.TEST_DATABASE_URL as string)
  const port = await freePort()
  const folder = await mkdtemp(join(tmpdir(), 'fluxbot-pgbouncer-'))
  const file = join(folder, 'pgbouncer.ini')
  const password = behind.password ? ` password='${decodeURIComponent(behind.password)}'` : ''
  await writeFile(
    file,
    [
      '[databases]',
      `* = host=${behind.hostname} port=${behind.port || 5432} user=${decodeURIComponent(behind.username)}${password}`,
      '[pgbouncer]',
      'listen_addr = 127.0.0.1',
      `listen_port = ${port}`,
      'unix_socket_dir =',
      // clients need no password and become the user above
      'auth_type = any',
      `pool_mode = ${mode}`,
      `default_pool_size = ${size}`,
      'max_client_conn = 1000',
      ...lines,
    ].join('\n'),
  )
  // it refuses to run as root, so another user reads the file
  await chmod(folder, 0o755)
  const asOther = process.getuid?.() === 0 ? ['-u', 'postgres'] : []
  const child = spawn(binary as string, [...asOther, file], { stdio: ['ignore', 'ignore', 'pipe'] })
  const end = () => void child.kill('SIGKILL')
  process.once('exit', end)
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  const output: string[] = []
  await new Promise<void>((resolve, reject) => {
    createInterface({ input: child.stderr }).on('line', (line) => {
      output.push(line)
      if (line.includes('process up')) resolve()
    })
    child.once('error', reject)
    child.once('exit', () => reject(new Error(`pgbouncer ended: ${output.slice(-5).join(' | ')}`)))
  })
  // it does not keep the process of the tests going
  child.unref()
  ;(child.stderr as unknown as { unref(): void }).unref()
  return {
    through(url) {
      const pooled = new URL(url)
      Object.assign(pooled, { hostname: '127.0.0.1', port: String(port), password: '' })
      return pooled.href
    },
    async stop() {
      process.off('exit', end)
      child.ref()
      end()
      await ended
      await rm(folder, { recursive: true, force: true })
    },
  }
}

let common: Promise<PgBouncer> | undefined
let started: PgBouncer | undefined

/** With TEST_PGBOUNCER=1, all tests on Postgres go through one; undefined without. */
export async function commonPgBouncer(): Promise<PgBouncer | undefined> {
  if (process.env.TEST_PGBOUNCER !== '1') return undefined
  common ??= startPgBouncer()
  started = await common
  return started
}

/** Of a process of the service on this database, which a test has made before. */
export const databaseSettings = (url: string) =>
  started ? { DATABASE_URL: started.through(url), DATABASE_DIRECT_URL: url } : { DATABASE_URL: url }
