/** Runs servers in processes of their own, so that their processor time is separate from that of the client. */
import { type ChildProcess, spawn } from 'node:child_process'
import type { AddressInfo } from 'node:net'
import { createServer } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

export interface Server {
  url: string
  pid: number
  child: ChildProcess
  stop(): Promise<void>
}

interface ServerOptions {
  /** Arguments of `node`. */
  args(port: number): string[]
  env?(port: number): NodeJS.ProcessEnv
  /** Path that answers 200 once the server is ready. */
  health: string
  cwd?: string
}

const startMs = 30_000
const stopMs = 15_000

/** Resolves once the server is ready. Its standard error is inherited. */
export async function startServer({ args, env, health, cwd }: ServerOptions): Promise<Server> {
  const port = await freePort()
  const url = `http://127.0.0.1:${port}`
  const child = spawn(process.execPath, args(port), {
    cwd,
    env: { ...process.env, ...env?.(port) },
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  })
  const killed = () => child.kill('SIGKILL')
  process.once('exit', killed)
  const stop = async () => {
    child.kill('SIGTERM')
    const late = setTimeout(killed, stopMs)
    while (child.exitCode === null && child.signalCode === null) await sleep(20)
    clearTimeout(late)
    process.off('exit', killed)
  }
  const deadline = Date.now() + startMs
  while (!(await answers(`${url}${health}`))) {
    if (child.exitCode !== null || Date.now() > deadline) {
      await stop()
      throw new Error(`${args(port)[0]} did not start: run \`npm run build\` and check its output above`)
    }
    await sleep(50)
  }
  return { url, pid: child.pid as number, child, stop }
}

async function answers(url: string): Promise<boolean> {
  return fetch(url).then(
    (response) => response.ok,
    () => false,
  )
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}
