/**
 * `npm run admin -- <command> …`: the commands that administrators use in chats, from the terminal. The running service answers, because
 * the embedded database belongs to one process.
 */
import { randomUUID } from 'node:crypto'
import { existsSync } from 'node:fs'
import { type IncomingMessage, request } from 'node:http'
import { json } from 'node:stream/consumers'
import { z } from 'zod'
import { adminCommands } from '../bots/terminal/terminal.ts'
import { type Config, loadConfig } from '../config.ts'
import { operatorToken } from '../core/accounts/operator-token.ts'
import { wordsFor } from '../locales/index.ts'
import { secretKey } from '../storage/secret-key.ts'

const timeoutMs = 60_000
const answer = z.object({ text: z.string(), failed: z.boolean() })

async function main(): Promise<number> {
  const text = process.argv.slice(2).join(' ').trim()
  if (text === '' || text === 'help' || text === '--help') {
    process.stderr.write(usage())
    return 2
  }
  const config = loadConfig()
  if (config.secretKey === undefined && !existsSync(config.dataDir)) throw notRunning(config)
  const token = operatorToken(await secretKey(config.secretKey, config.dataDir))
  const response = await send(config, token, JSON.stringify({ key: randomUUID(), text }))
  // a response that is not read keeps the process from ending
  const received = await json(response)
  const problem = problems[response.statusCode ?? 0]
  if (problem) throw new Error(problem)
  const { failed, ...reply } = answer.parse(received)
  ;(failed ? process.stderr : process.stdout).write(`${reply.text}\n`)
  return failed ? 1 : 0
}

/** HTTP status → what to do. */
const problems: Readonly<Record<number, string>> = {
  401: 'The running service has another secret key. Use the SECRET_KEY and DATA_DIR that it was started with.',
  403: 'The program at this port does not accept commands from this machine. Check HOST and PORT.',
  404: 'The process at this port takes no commands. Use the PORT of a fluxbot process whose ROLES include http.',
  500: 'The service failed. Its log says why.',
}

function send(config: Config, token: string, body: string): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const { host, port } = reachedAt(config)
    const headers = {
      host: `localhost:${port}`,
      authorization: `Bearer ${token}`,
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(body),
    }
    const sent = request({ host, port, path: '/operations/commands', method: 'POST', headers, timeout: timeoutMs })
    sent.on('response', resolve)
    sent.on('timeout', () => sent.destroy(new Error(`The service did not answer within ${timeoutMs / 1000} s.`)))
    sent.on('error', (error: NodeJS.ErrnoException) =>
      reject(error.code === undefined ? error : notRunning(config, error.code)),
    )
    sent.end(body)
  })
}

/** A service that listens on every address of this machine is reached by the loopback one. */
function reachedAt({ host, port }: Config): { host: string; port: number } {
  if (host === '0.0.0.0') return { host: '127.0.0.1', port }
  return { host: host === '::' ? '::1' : host, port }
}

function notRunning(config: Config, code?: string): Error {
  const { host, port } = reachedAt(config)
  const where = `${host.includes(':') ? `[${host}]` : host}:${port}`
  return new Error(
    `fluxbot does not run at ${where}${code === undefined ? '' : ` (${code})`}. Start it, or set HOST and PORT to its address.`,
  )
}

function usage(): string {
  const { commands } = wordsFor('en')
  const lines = adminCommands.map(({ name, options }) => {
    const given = Object.entries(options).map(([option, { required, flag, named }]) => {
      const written = `${flag ? '--' : ''}${flag || named ? `${option} …` : option}`
      return required ? written : `[${written}]`
    })
    return `  ${[name, ...given].join(' ').padEnd(70)} ${commands[name].description}`
  })
  return `npm run admin -- <command>\n\n${lines.join('\n')}\n`
}

process.exitCode = await main().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.message : error}\n`)
  return 1
})
