/** What we are measured beside: @portkey-ai/gateway, which passes requests on and keeps nothing. */
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { say } from './figures.ts'
import { type Server, startServer } from './process.ts'

const folder = fileURLToPath(new URL('../gateway/', import.meta.url))
const program = `${folder}node_modules/@portkey-ai/gateway/build/start-server.js`

/** undefined: it cannot be had here. Installed at the first use, outside of the service's own packages. */
export async function startGateway(): Promise<Server | undefined> {
  if (!existsSync(program) && !install()) return undefined
  return startServer({ args: (port) => [program, `--port=${port}`, '--headless'], health: '/', cwd: folder })
}

function install(): boolean {
  say('@portkey-ai/gateway is not here yet: npm ci --ignore-scripts --prefix bench/gateway')
  const { status, stderr, error } = spawnSync('npm', ['ci', '--ignore-scripts', '--prefix', folder], {
    encoding: 'utf8',
    timeout: 300_000,
  })
  if (status === 0 && existsSync(program)) return true
  const why =
    error?.message ??
    stderr
      ?.trim()
      .split('\n')
      .findLast((line) => line.startsWith('npm error')) ??
    'no reason'
  say(`It could not be installed, so there is nothing to compare with: ${why}`)
  return false
}
