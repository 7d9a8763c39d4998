/** Runs the built service as a process that tests can kill and start again. */
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { databaseSettings } from '../helpers/pgbouncer.ts'

const main = fileURLToPath(new URL('../../dist/main.js', import.meta.url))
const tryCommand = fileURLToPath(new URL('../../dist/cli/try.js', import.meta.url))
const readyMs = 150_000

export interface Service {
  ready: Promise<void>
  kill(): Promise<unknown>
  /** Stops the process as a suspended machine does, and lets it go on. */
  suspend(): void
  resume(): void
  /** Resolves with the exit code, or null if a signal ended the process. */
  stop(): Promise<number | null>
  /** The latest 100,000 characters of its standard error. */
  log(): string
  /** All of its standard output. */
  output(): string
}

export function startService(settings: Readonly<Record<string, string>>): Service {
  const { PATH, HOME } = process.env
  const { DATABASE_URL: url, ...others } = settings
  // processes that live for seconds do not need the embedded database compiled twice, which takes a third of their CPU time
  const child = spawn(process.execPath, ['--liftoff-only', main], {
    env: { PATH, HOME, ...(url && databaseSettings(url)), ...others },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let log = ''
  let output = ''
  child.stdout.on('data', (text: Buffer) => {
    output += text
  })
  child.stderr.on('data', (text: Buffer) => {
    log = (log + text).slice(-100_000)
  })
  const ended = new Promise<number | null>((resolve) => child.once('exit', (code) => resolve(code)))
  const end = async (signal: NodeJS.Signals) => {
    child.kill(signal)
    return ended
  }
  return {
    ready: untilReady(child, () => log),
    kill: () => end('SIGKILL'),
    suspend: () => void child.kill('SIGSTOP'),
    resume: () => void child.kill('SIGCONT'),
    stop: () => end('SIGTERM'),
    log: () => log,
    output: () => output,
  }
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
  // a test may kill the process without waiting for it
  ready.catch(() => undefined)
  return ready
}

/** `npm run try` with these words. */
export function runTry(words: string, dataDir: string): Promise<{ code: number; out: string; err: string }> {
  const env = { PATH: process.env.PATH, DATA_DIR: dataDir }
  return new Promise((resolve) => {
    execFile(process.execPath, ['--liftoff-only', tryCommand, words], { env }, (error, out, err) =>
      resolve({ code: typeof error?.code === 'number' ? error.code : 0, out, err }),
    )
  })
}
