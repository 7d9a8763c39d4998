/** Starts @portkey-ai/gateway, which forwards requests and stores nothing, for comparison. */
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { say } from './figures.ts'
import { type Server, startServer } from './process.ts'

const folder = fileURLToPath(new URL('../gateway/', import.meta.url))
const program = `${folder}node_modules/@portkey-ai/gateway/build/start-server.js`

/** Installs the gateway on first use, apart from the service's own packages. Absent: it could not be installed. */
export async function startGateway(): Promise<Server | undefined> {
  if (!existsSync(program) && !install()) return undefined
  return startServer({ args: (port) => [program, `--port=${port}`, '--headless'], health: '/', cwd: folder })
}

function install(): boolean {
  say('installing @portkey-ai/gateway: npm ci --ignore-scripts --prefix bench/gateway')
  const { status, stderr, error } = spawnSync('npm', ['ci', '--ignore-scripts', '--prefix', folder], {
    encoding: 'utf8',
    timeout: 300_000,
  })
  if (status === 0 && existsSync(program)) return true
  const reason =
    error?.message ??
    stderr
      ?.trim()
      .split('\n')
      .findLast((line) => line.startsWith('npm error')) ??
    'unknown reason'
  say(`could not install the gateway; measuring without a comparison: ${reason}`)
  return false
}
