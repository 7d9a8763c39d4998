/** The backups of docs/operations.md, restored into an installation that has never run. */
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { cp, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startService } from './chaos/service.ts'
import { backends, createDatabase } from './helpers/backends.ts'
import { freePort } from './helpers/ports.ts'

const run = promisify(execFile)
const key = 'operator-key-of-the-restore-test'
const secret = 'a secret for tests, 32 characters'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fluxbot-restore-'))
})
afterAll(() => rm(folder, { recursive: true, force: true, maxRetries: 3 }))

/** A request to the running service, by the operator. */
type Call = (path: string, body?: object) => Promise<Response>

interface Installation {
  settings: Readonly<Record<string, string>>
}

async function whileRunning<T>({ settings }: Installation, use: (call: Call) => Promise<T>): Promise<T> {
  const port = await freePort()
  const service = startService({ PORT: String(port), API_KEY: key, SECRET_KEY: secret, ...settings })
  await service.ready
  try {
    return await use((path, body) =>
      fetch(`http://127.0.0.1:${port}${path}`, {
        method: body ? 'POST' : 'GET',
        headers: { authorization: `Bearer ${key}`, ...(body && { 'content-type': 'application/json' }) },
        ...(body && { body: JSON.stringify(body) }),
      }),
    )
  } finally {
    await service.stop()
  }
}

/** Stores a provider's key and draws a picture. Resolves to the id of the request. */
async function fill(call: Call): Promise<string> {
  const stored = await call('/api/config', { provider: 'doubao', name: 'ark', api_key: 'sk-of-the-restore-test' })
  expect(stored.status, await stored.text()).toBe(201)
  const drawn = await call('/v1/images/generations', { prompt: 'a lighthouse', model: 'sketch' })
  expect(drawn.status).toBe(200)
  const [item] = await historyOf(call)
  return item?.id ?? ''
}

/** Without the links, which differ each time. */
async function historyOf(call: Call) {
  const { items } = (await (await call('/api/history')).json()) as { items: { id: string; prompt: string }[] }
  return items.map(({ id, prompt }) => ({ id, prompt }))
}

/** What an operator would miss: the history, the picture, the credits, and a stored key that can still be decrypted. */
async function recordOf(call: Call, id: string) {
  const [history, user, models, picture] = await Promise.all([
    historyOf(call),
    call('/api/v1/flux/config/user').then((response) => response.json()),
    call('/v1/models').then((response) => response.json()),
    call(`/image/${id}`).then((response) => response.arrayBuffer()),
  ])
  return { history, user, models, picture: createHash('sha256').update(Buffer.from(picture)).digest('hex') }
}

describe('a backup', () => {
  it('of DATA_DIR restores everything', async () => {
    const [before, copy] = [join(folder, 'before'), join(folder, 'copy')]
    const { id, record } = await used({ settings: { DATA_DIR: before } })
    expect(record.history).toEqual([{ id, prompt: 'a lighthouse' }])
    expect(JSON.stringify(record.models)).toContain('seedream')
    await cp(before, copy, { recursive: true })
    await rm(before, { recursive: true })
    await expect(whileRunning({ settings: { DATA_DIR: copy } }, (call) => recordOf(call, id))).resolves.toEqual(record)
  })

  it.runIf(backends().includes('postgres'))('of Postgres and the pictures restores everything', async () => {
    const [first, second] = await Promise.all([createDatabase(), createDatabase()])
    const [before, copy] = [join(folder, 'before-postgres'), join(folder, 'copy-postgres')]
    const dump = join(folder, 'fluxbot.dump')
    try {
      const { id, record } = await used({ settings: { DATA_DIR: before, DATABASE_URL: first.url } })
      await run('pg_dump', ['--format=custom', '--file', dump, first.url])
      await cp(join(before, 'images'), join(copy, 'images'), { recursive: true })
      await run('pg_restore', ['--no-owner', '--dbname', second.url, dump])
      const restored = { settings: { DATA_DIR: copy, DATABASE_URL: second.url } }
      await expect(whileRunning(restored, (call) => recordOf(call, id))).resolves.toEqual(record)
    } finally {
      await Promise.all([first.drop(), second.drop()])
    }
  })
})

const used = (installation: Installation) =>
  whileRunning(installation, async (call) => {
    const id = await fill(call)
    return { id, record: await recordOf(call, id) }
  })
