import { spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { operatorToken } from '../../src/core/accounts/operator-token.ts'
import { type Service, startService } from '../chaos/service.ts'
import { freePort } from '../helpers/ports.ts'

const command = fileURLToPath(new URL('../../dist/cli/admin.js', import.meta.url))
const secret = 'a secret for tests, 32 characters'
const apiKey = 'the-operator-s-own-key'

describe('npm run admin, beside a running service with the embedded database', () => {
  let dataDir: string
  let settings: Record<string, string>
  let service: Service
  let port: number
  beforeAll(async () => {
    dataDir = await mkdtemp(join(tmpdir(), 'fluxbot-admin-'))
    port = await freePort()
    settings = { DATA_DIR: dataDir, PORT: String(port), SECRET_KEY: secret, API_KEY: apiKey }
    service = startService(settings)
    await service.ready
    // the operator's programs have an account once they have sent something
    const headers = { authorization: `Bearer ${apiKey}` }
    expect((await fetch(`http://127.0.0.1:${port}/api/v1/flux/config/user`, { headers })).status).toBe(200)
  })
  afterAll(async () => {
    await service.stop()
    await rm(dataDir, { recursive: true, force: true })
  })

  async function run(args: readonly string[], over: Record<string, string> = {}) {
    const { PATH, HOME } = process.env
    const child = spawn(process.execPath, [command, ...args], { env: { PATH, HOME, ...settings, ...over } })
    const [out, err, code] = await Promise.all([
      text(child.stdout),
      text(child.stderr),
      new Promise<number | null>((resolve) => child.once('exit', resolve)),
    ])
    return { out: out.trim(), err: err.trim(), code }
  }

  it('runs the commands of administrators as chats do, and records who acted', async () => {
    expect(await run(['credits', 'give', 'api:operator', '5', 'for', 'tests'])).toMatchObject({
      code: 0,
      out: expect.stringContaining('operator: +5'),
    })
    expect(await run(['limits', 'tier', 'gold', 'in_flight', '9'])).toMatchObject({
      code: 0,
      out: expect.stringContaining('Tier gold: 9 under way, 20 a minute'),
    })
    expect((await run(['limits', 'api:operator', 'tier', 'gold'])).out).toContain('tier gold')
    expect(await run(['credits', 'sku', '1019475255913222144', '100'])).toMatchObject({
      code: 0,
      out: expect.stringContaining('1019475255913222144 · 100 credits · not listed by Discord'),
    })
    expect((await run(['credits', 'sku'])).out).toContain('1019475255913222144 · 100 credits')
    const { out } = await run(['lookup', 'api:operator'])
    expect(out).toContain('👤 operator · ')
    expect(out).toContain('+5  for tests')
    expect(out).toContain('limits (cli): ')
  })

  it.each([
    [['ban', 'api:operator'], 'Administrators, and the accounts of the operator’s programs, cannot be banned.'],
    [['ban', '@stranger'], 'stranger is not known here.'],
    [['lookup', '00000000'], '00000000 is not known here.'],
    [['credits', 'sku', '1019475255913222144'], 'amount'],
    [['flux', 'a', 'cat'], 'Only commands for administrators work in the terminal.'],
    [['credits'], 'Only commands for administrators work in the terminal.'],
  ])('refuses %j with a sentence', async (args, sentence) => {
    expect(await run(args)).toMatchObject({ code: 1, out: '', err: expect.stringContaining(sentence) })
  })

  it('lists the commands, and says what is wrong with its settings', async () => {
    expect(await run([])).toMatchObject({ code: 2, err: expect.stringMatching(/^ {2}ban user \[reason\] \[days\] /m) })
    expect(await run(['lookup', '@bob'], { SECRET_KEY: 'another secret for tests, 32 char' })).toMatchObject({
      code: 1,
      err: expect.stringContaining('another secret key'),
    })
    const free = String(await freePort())
    expect(await run(['lookup', '@bob'], { PORT: free })).toMatchObject({
      code: 1,
      err: `fluxbot does not run at 127.0.0.1:${free} (ECONNREFUSED). Start it, or set HOST and PORT to its address.`,
    })
  })

  it.each([
    ['without the token', {}, 401],
    ['with the key of the operator’s programs', { authorization: `Bearer ${apiKey}` }, 401],
    ['through a name of the internet', { authorization: token(), host: 'flux.example.com' }, 403],
    ['by a name of this machine', { authorization: token(), host: 'localhost:1' }, 200],
  ])('is answered %s as it should be', async (_, headers, status) => {
    const body = JSON.stringify({ key: crypto.randomUUID(), text: 'limits' })
    const given = { 'content-type': 'application/json', ...headers }
    const answered = new Promise<number | undefined>((resolve, reject) => {
      const sent = request({ port, path: '/operations/commands', method: 'POST', headers: given }, (response) => {
        response.resume()
        resolve(response.statusCode)
      })
      sent.on('error', reject)
      sent.end(body)
    })
    expect(await answered).toBe(status)
    expect(service.log()).not.toContain(token().slice('Bearer '.length))
  })
})

function token(): string {
  return `Bearer ${operatorToken(Buffer.from(secret))}`
}
