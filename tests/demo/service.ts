/** The built service, in a process of its own. */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../../', import.meta.url))
const readyMs = 150_000

export interface Service {
  /** Ends it, and removes what it has stored. */
  stop(): Promise<void>
}

/** Resolves once it is ready. */
export async function startService(settings: Record<string, string>): Promise<Service> {
  const dataDir = await mkdtemp(join(tmpdir(), 'fluxbot-demo-'))
  const { PATH, HOME } = process.env
  const child = spawn(process.execPath, [join(root, 'dist/main.js')], {
    cwd: tmpdir(),
    env: { PATH, HOME, DATA_DIR: dataDir, PORT: '0', LOG_LEVEL: 'silent', ...settings },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  async function stop(): Promise<void> {
    child.kill('SIGTERM')
    await ended
    await rm(dataDir, { recursive: true, force: true })
  }
  try {
    await untilReady(child)
  } catch (error) {
    await stop()
    throw error
  }
  return { stop }
}

function untilReady(child: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`not ready after ${readyMs} ms`)), readyMs)
    const settle = (act: () => void) => {
      clearTimeout(timer)
      act()
    }
    child.stdout?.on('data', (text: Buffer) => {
      if (text.includes('fluxbot is ready')) settle(resolve)
    })
    child.once('exit', (code) => settle(() => reject(new Error(`the service ended with ${code}`))))
  })
}
