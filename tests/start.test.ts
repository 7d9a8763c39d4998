/** Starts that must fail, as processes: each says which setting to change. And starts while a chat is away. */
import { cp, mkdtemp, readFile, rm, truncate, writeFile } from 'node:fs/promises'
import { createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sql } from 'drizzle-orm'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openDatabase } from '../src/db/open.ts'
import { runTry, startService } from './chaos/service.ts'
import { backends, createDatabase } from './helpers/backends.ts'
import { freePort } from './helpers/ports.ts'

const SECRET_KEY = 'a secret for tests, 32 characters'
let folder: string
/** A data folder that was used before. */
let used: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fluxbot-start-'))
  used = join(folder, 'used')
  await (await openDatabase({ dataDir: used })).close()
})
afterAll(() => rm(folder, { recursive: true, force: true, maxRetries: 3 }))

async function failure(settings: Record<string, string>): Promise<string> {
  const service = startService({ PORT: '0', ...settings })
  await expect(service.ready).rejects.toThrow('ended with 1')
  return service.log()
}

async function copyOf(name: string): Promise<string> {
  const copy = join(folder, name)
  await cp(used, copy, { recursive: true })
  return copy
}

describe('a start fails with a sentence', () => {
  it('about DATA_DIR when it is a file, below one, or cannot be made', async () => {
    const file = join(folder, 'file')
    await writeFile(file, '')
    for (const DATA_DIR of [file, join(file, 'data'), '/proc/fluxbot'])
      expect(await failure({ DATA_DIR })).toContain(`DATA_DIR ${DATA_DIR} cannot be used, because it`)
  })

  it('about the embedded database when it is damaged, and leaves it as it is', async () => {
    const damaged = await copyOf('damaged')
    await truncate(join(damaged, 'db/global/pg_control'), 10)
    expect(await failure({ DATA_DIR: damaged })).toMatch(/embedded database in .* cannot be opened: .*DATA_DIR/)
    expect((await readFile(join(damaged, 'db/global/pg_control'))).length).toBe(10)
  })

  it('about a database of a newer version', async () => {
    const newer = await copyOf('newer')
    const database = await openDatabase({ dataDir: newer })
    await database.rows(sql`insert into drizzle.__drizzle_migrations (hash, created_at) values ('x', 9999999999999)`)
    await database.close()
    expect(await failure({ DATA_DIR: newer })).toMatch(/newer version of fluxbot: update fluxbot.*DATA_DIR/)
  })

  it('about a damaged secret key', async () => {
    const dataDir = await copyOf('key')
    await writeFile(join(dataDir, 'secret.key'), '')
    expect(await failure({ DATA_DIR: dataDir })).toMatch(/secret\.key is damaged: restore it/)
  })

  it('about HOST when it is not an address of this machine', async () => {
    const dataDir = await copyOf('host')
    for (const HOST of ['203.0.113.5', 'no-such-host.invalid'])
      expect(await failure({ DATA_DIR: dataDir, HOST })).toContain(`HOST ${HOST} is not an address of this machine`)
  })

  it('about a data folder or a port in use', async () => {
    const [dataDir, other] = [await copyOf('taken'), await copyOf('other')]
    const port = await freePort()
    const service = startService({ DATA_DIR: dataDir, PORT: String(port) })
    await service.ready
    expect(await failure({ DATA_DIR: dataDir })).toMatch(/DATA_DIR[\s\S]*DATABASE_URL/)
    expect(await failure({ DATA_DIR: other, PORT: String(port) })).toContain('PORT')
    await service.stop()
  })
})

describe.runIf(backends().includes('postgres'))('a start with servers', () => {
  let url: string
  let drop: () => Promise<unknown>
  beforeAll(async () => {
    const created = await createDatabase()
    url = created.url
    drop = created.drop
    await (await openDatabase({ url, dataDir: '' })).close()
  })
  afterAll(() => drop())

  it('fails when Postgres belongs to a newer version', async () => {
    const database = await openDatabase({ url, dataDir: '' })
    try {
      await database.rows(sql`insert into drizzle.__drizzle_migrations (hash, created_at) values ('x', 9999999999999)`)
      const settings = { DATA_DIR: join(folder, 'pg'), DATABASE_URL: url, SECRET_KEY }
      expect(await failure(settings)).toMatch(/newer version of fluxbot: update fluxbot.*DATABASE_URL/)
    } finally {
      await database.rows(sql`delete from drizzle.__drizzle_migrations where hash = 'x'`)
      await database.close()
    }
  })

  it('fails when Postgres is read-only; a process that runs already is not ready', async () => {
    const own = await createDatabase()
    const database = await openDatabase({ url: own.url, dataDir: '', maxConnections: 1 })
    const admin = await openDatabase({ url: own.url, dataDir: '', maxConnections: 1 })
    try {
      await database.ping()
      const name = sql.identifier(new URL(own.url).pathname.slice(1))
      await admin.rows(sql`alter database ${name} set default_transaction_read_only = on`)
      await admin.rows(sql`select pg_terminate_backend(pid) from pg_stat_activity
        where datname = current_database() and pid <> pg_backend_pid()`)
      const ping = () =>
        database.ping().then(
          () => 'written',
          (error: Error) => error.message,
        )
      await expect.poll(ping).toContain('read-only')
      const settings = { DATA_DIR: join(folder, 'read-only'), DATABASE_URL: own.url, SECRET_KEY }
      expect(await failure(settings)).toMatch(/read-only.*must be named by DATABASE_URL/)
    } finally {
      await Promise.all([database.close(), admin.close()])
      await own.drop()
    }
  })

  it('fails when Redis accepts connections but never answers, and says so meanwhile', async () => {
    const sockets: Socket[] = []
    const silent: Server = createServer((socket) => void sockets.push(socket))
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve))
    const { port } = silent.address() as { port: number }
    const service = startService({
      DATA_DIR: join(folder, 'redis'),
      PORT: '0',
      DATABASE_URL: url,
      SECRET_KEY,
      REDIS_URL: `redis://:secret-word@127.0.0.1:${port}`,
    })
    await expect(service.ready).rejects.toThrow('ended with 1')
    expect(service.output()).toContain(`Waiting for Redis at 127.0.0.1:${port}`)
    expect(service.log()).toMatch(/Cannot reach Redis at 127\.0\.0\.1:\d+: .*Check REDIS_URL/)
    expect(service.log()).not.toContain('secret-word')
    for (const socket of sockets) socket.destroy()
    silent.close()
  })

  it('fails when Redis takes no writes', async () => {
    const REDIS_URL = process.env.TEST_REDIS_URL ?? ''
    const user = `reader-${process.pid}`
    const redis = new Redis(REDIS_URL)
    await redis.call('ACL', 'SETUSER', user, 'on', '>reader-password', '~*', '+@read', '+@connection', '+info')
    const limited = new URL(REDIS_URL)
    Object.assign(limited, { username: user, password: 'reader-password' })
    try {
      const settings = { DATA_DIR: join(folder, 'acl'), DATABASE_URL: url, SECRET_KEY, REDIS_URL: limited.href }
      const log = await failure(settings)
      expect(log).toMatch(/Cannot (use|reach) Redis at .*REDIS_URL/)
      expect(log).not.toContain('reader-password')
    } finally {
      await redis.call('ACL', 'DELUSER', user)
      redis.disconnect()
    }
  })
})

it('a start serves HTTP while a chat is away, and says that it is not connected', async () => {
  const [port, away] = [await freePort(), await freePort()]
  const service = startService({
    DATA_DIR: await copyOf('away'),
    PORT: String(port),
    TELEGRAM_TOKEN: `123456:${'A'.repeat(35)}`,
    TELEGRAM_API_URL: `http://127.0.0.1:${away}`,
    API_KEY: 'a-key-for-this-test',
  })
  const status = async () => (await fetch(`http://127.0.0.1:${port}/healthz`)).status
  await expect.poll(() => status().catch(() => 0), { timeout: 200_000 }).toBe(200)
  await service.ready
  expect(service.output()).toMatch(/Opening the embedded database/)
  expect(service.output()).toMatch(/Telegram +not connected yet \(.*\); still trying/)
  const ready = async (headers: Record<string, string> = {}) => {
    const answer = await fetch(`http://127.0.0.1:${port}/readyz`, { headers })
    return { status: answer.status, parts: ((await answer.json()) as { parts: Record<string, string> }).parts }
  }
  expect(await ready()).toMatchObject({ status: 503, parts: { telegram: 'not ready', database: 'ready' } })
  const told = await ready({ authorization: 'Bearer a-key-for-this-test' })
  expect(told.parts).toMatchObject({ telegram: expect.stringContaining('Telegram cannot be reached') })
  await service.stop()
})

it('`try` exits with 2 when a request is refused and with 1 when it fails, and says why', async () => {
  const dataDir = await copyOf('try')
  expect(await runTry('a cat --ar 5:7', dataDir)).toMatchObject({
    code: 2,
    out: '',
    err: expect.stringContaining('5:7'),
  })
  const failed = await runTry('a cat [fail moderated]', dataDir)
  expect(failed).toMatchObject({ code: 1, err: expect.stringContaining('content') })
  expect(JSON.parse(failed.out)).toMatchObject({ status: 'failed', credits: 0, file: null })
})
