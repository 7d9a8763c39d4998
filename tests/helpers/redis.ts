/** A Redis server of one test, which may be filled, demoted or kept from saving. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { freePort } from './ports.ts'

/** Why no server can be started. undefined: a server can be started. */
export const noRedis = findProblem()

function findProblem(): string | undefined {
  try {
    execFileSync('redis-server', ['--version'], { stdio: 'ignore' })
    return undefined
  } catch {
    return 'there is no redis-server on this machine'
  }
}

export interface OwnRedis {
  url: string
  /** Where it saves its data. */
  folder: string
  /** Sends a command. */
  run(name: string, ...words: string[]): Promise<unknown>
  stop(): Promise<void>
}

export async function startRedis(): Promise<OwnRedis> {
  const port = await freePort()
  const folder = await mkdtemp(join(tmpdir(), 'fluxbot-redis-'))
  const settings = { port, dir: folder, bind: '127.0.0.1', save: '', appendonly: 'no' }
  const flags = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, String(value)])
  const server = spawn('redis-server', flags, { stdio: 'ignore' })
  const client = new Redis(`redis://127.0.0.1:${port}`)
  // it may still be starting
  client.on('error', () => {})
  await client.ping()
  return {
    url: `redis://127.0.0.1:${port}`,
    folder,
    run: (name, ...words) => client.call(name, ...words),
    stop: async () => {
      client.disconnect()
      await ended(server)
      await rm(folder, { recursive: true, force: true })
    },
  }
}

async function ended(server: ChildProcess): Promise<void> {
  if (server.exitCode !== null) return
  const exit = new Promise((resolve) => server.once('exit', resolve))
  server.kill('SIGKILL')
  await exit
}
