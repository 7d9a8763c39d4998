/** The built service as real processes, to be killed and started again. */
import { type ChildProcess, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const main = fileURLToPath(new URL('../../dist/main.js', import.meta.url))
const readyMs = 60_000

export interface Service {
  ready: Promise<void>
  kill(): Promise<unknown>
  /** With which code it ended; null: something killed it. */
  stop(): Promise<number | null>
  /** What it wrote to standard error. */
  log(): string
}

export function startService(settings: Readonly<Record<string, string>>): Service {
  const { PATH, HOME } = process.env
  const child = spawn(process.execPath, [main], { env: { PATH, HOME, ...settings }, stdio: ['ignore', 'pipe', 'pipe'] })
  let log = ''
  child.stderr.on('data', (text: Buffer) => {
    log = (log + text).slice(-100_000)
  })
  const ended = new Promise<number | null>((resolve) => child.once('exit', (code) => resolve(code)))
  const end = async (signal: NodeJS.Signals) => {
    child.kill(signal)
    return ended
  }
  return { ready: untilReady(child, () => log), kill: () => end('SIGKILL'), stop: () => end('SIGTERM'), log: () => log }
}

function untilReady(child: ChildProcess, log: () => string): Promise<void> {
  const ready = new Promise<void>((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`not ready after ${readyMs} ms: ${log()}`)), readyMs)
    child.stdout?.on('data', (text: Buffer) => {
      if (!text.includes('fluxbot is ready')) return
      clearTimeout(timer)
      resolve()
    })
    child.once('exit', (code, signal) => {
      clearTimeout(timer)
      reject(new Error(`ended with ${code ?? signal}: ${log()}`))
    })
  })
  // a process may be killed before anyone waits for it
  ready.catch(() => undefined)
  return ready
}
