import { execFile, spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openTestDatabase, quickest } from '../helpers/backends.ts'
import { freePort } from '../helpers/ports.ts'
import { noRedis, type OwnRedis, startRedis } from '../helpers/redis.ts'

const run = promisify(execFile)

describe.skipIf(noRedis !== undefined)(`Redis with TLS${noRedis ? ` (skipped: ${noRedis})` : ''}`, () => {
  let folder: string
  let redis: OwnRedis
  let port: number
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'fluxbot-tls-'))
    const file = (name: string) => join(folder, name)
    const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
    const openssl = (...words: string[]) => run('openssl', words)
    await openssl('req', '-x509', ...key, '-keyout', file('ca.key'), '-out', file('ca.pem'), '-subj', '/CN=Private CA')
    await openssl(
      'req',
      ...key,
      '-keyout',
      file('own.key'),
      '-out',
      file('own.csr'),
      '-subj',
      '/CN=localhost',
      '-addext',
      'subjectAltName=DNS:localhost',
    )
    const signer = ['-CA', file('ca.pem'), '-CAkey', file('ca.key'), '-CAcreateserial', '-copy_extensions', 'copy']
    await openssl('x509', '-req', '-in', file('own.csr'), ...signer, '-out', file('own.pem'))
    port = await freePort()
    const tls = {
      'tls-port': port,
      'tls-cert-file': file('own.pem'),
      'tls-key-file': file('own.key'),
      'tls-ca-cert-file': file('ca.pem'),
    }
    redis = await startRedis({ ...tls, 'tls-auth-clients': 'no' })
    await redis.run('acl', 'setuser', 'fluxbot', 'on', '>p@ss,word', '~*', '&*', '+@all')
  })
  afterAll(async () => {
    await redis?.stop()
    await rm(folder, { recursive: true, force: true })
  })

  const start = async (authority: string | undefined) => {
    const database = await openTestDatabase(quickest)
    const redisUrl = `rediss://fluxbot:p%40ss%2Cword@localhost:${port}/0`
    const job = randomUUID()
    const options = {
      url: database.url,
      dataDir: join(folder, 'data'),
      redis: { redisUrl },
      prefix: 'tls',
      lane: 'main',
      add: job,
    }
    const script = fileURLToPath(new URL('child.ts', import.meta.url))
    const child = spawn(process.execPath, ['--import', 'tsx', script, JSON.stringify(options)], {
      env: { ...process.env, ...(authority && { NODE_EXTRA_CA_CERTS: authority }) },
    })
    let output = ''
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (data) => (output += data))
    const exited = new Promise((resolve) => child.once('exit', resolve))
    return {
      job,
      output: () => output,
      exited,
      async stop() {
        child.kill('SIGKILL')
        await exited
        await database.drop()
      },
    }
  }

  test('of a private authority is used with NODE_EXTRA_CA_CERTS, a user and a password', async () => {
    const child = await start(join(folder, 'ca.pem'))
    await expect.poll(child.output, { timeout: 60_000 }).toContain(`has ${child.job}`)
    await child.stop()
  })

  test('of a private authority is refused without, and the error says what to set', async () => {
    const child = await start(undefined)
    await child.exited
    expect(child.output()).toMatch(/Cannot reach Redis at localhost:\d+: .*certificate.* NODE_EXTRA_CA_CERTS/)
    expect(child.output()).not.toContain('p@ss')
    await child.stop()
  })
})
