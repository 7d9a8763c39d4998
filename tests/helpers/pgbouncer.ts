/** PgBouncer in front of the Postgres of TEST_DATABASE_URL, as a process of its own, which ends with that of the tests. */
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { chmod, mkdtemp, writeFile } from 'node:fs/promises'
import type { Socket } from 'node:net'
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
  // the shell reads until this process ends or closes the pipe, however it ends, and then ends the pooler
  const script = '"$@" & cat > /dev/null; kill -9 $!; rm -rf "$0"'
  const command = ['-c', script, folder, binary as string, ...asOther, file]
  const child = spawn('sh', command, { stdio: ['pipe', 'ignore', 'pipe'] })
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  const output: string[] = []
  await new Promise<void>((resolve, reject) => {
    createInterface({ input: child.stderr }).on('line', (line) => {
      output.push(line)
      if (line.includes('process up')) resolve()
      if (line.includes('FATAL')) reject(new Error(`pgbouncer did not start: ${output.slice(-5).join(' | ')}`))
    })
    child.once('error', reject)
  })
  // it does not keep the process of the tests going
  for (const part of [child, child.stdin as Socket, child.stderr as Socket]) part.unref()
  return {
    through(url) {
      const pooled = new URL(url)
      Object.assign(pooled, { hostname: '127.0.0.1', port: String(port), password: '' })
      return pooled.href
    },
    async stop() {
      child.ref()
      child.stdin.end()
      await ended
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
