import { connect } from 'node:net'
import { sql } from 'drizzle-orm'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { accountOf } from '../../../src/core/accounts/accounts.ts'
import { createApiKey } from '../../../src/core/accounts/api-keys.ts'
import { openSession } from '../../../src/core/accounts/sessions.ts'
import { createExportLink } from '../../../src/core/privacy/export-links.ts'
import { openEverything, type Service } from '../api/service.ts'

const publicUrl = 'https://pictures.example.org/flux'
const ann = { id: 'test:ann', name: 'ann', handle: 'ann' }

describe('an archive of what is kept about a person', () => {
  let service: Service
  let userId: string
  let id: string

  beforeAll(async () => {
    service = await openEverything({ publicUrl, limits: { welcome: 20 } })
    const { test } = service
    await test.work()
    const call = await test.say('a cat --seed 7 --no dogs')
    await test.ended(call)
    userId = await accountOf(test.core, ann)
    const [row] = await test.core.database.rows<{ id: string }>(sql`select id from generations`)
    id = row?.id ?? ''
    await createApiKey(test.core, { userId, name: 'mine' })
    await test.say('', { act: { kind: 'press', button: `1:favourite:${id}` } })
    await test.core.database.rows(sql`
      insert into orders (id, user_id, platform, item, credits, amount, currency)
      values ('0197a000-0000-7000-8000-000000000001', ${userId}::uuid, 'telegram', 'ten', 10, 50, 'XTR')`)
  })
  afterAll(async () => expect(await service.close()).toEqual([]))

  /** The path of the link in the answer to `/privacy export`. */
  async function ask(over: { isPrivate?: boolean; who?: string } = { isPrivate: true }): Promise<string> {
    const { address } = await service.test.say('/privacy export', over)
    const text = service.test.chat.last(address)?.text ?? ''
    return /https:\/\/pictures\.example\.org(\/flux\/exports\/[\w-]{43})$/.exec(text)?.[1] ?? text
  }
  const download = (path: string) => service.app.inject({ method: 'POST', url: path, headers: fromForm, payload: '' })

  it('is downloaded with the button of a page, so that previews of the link do not get it', async () => {
    const path = await ask()
    const page = await service.app.inject(path)
    expect(page.statusCode).toBe(200)
    expect(page.headers['content-type']).toMatch(/^text\/html/)
    expect(page.headers['cache-control']).toBe('no-store')
    expect(page.body).toContain('<form method="post">')
    const sent = await download(path)
    expect(sent.headers['content-type']).toBe('application/zip')
    expect(sent.headers['cache-control']).toBe('no-store')
    const files = filesIn(sent.rawPayload)
    expect([...files.keys()]).toEqual(['data.json', `pictures/${id}/output-1.png`])
    const picture = await service.test.core.database.rows<{ key: string }>(
      sql`select key from images where role = 'output'`,
    )
    const stored = await service.test.core.store.get(picture[0]?.key ?? '')
    expect(files.get(`pictures/${id}/output-1.png`)).toEqual(stored?.data)
    const data = JSON.parse(files.get('data.json')?.toString() ?? '')
    expect(data.account).toMatchObject({ id: userId, name: 'ann', balance: 19 })
    expect(data.identities).toMatchObject([{ id: 'test:ann', name: 'ann', handle: 'ann' }])
    expect(data.keys).toEqual([
      expect.objectContaining({ name: 'mine', lastCharacters: expect.stringMatching(/^.{4}$/) }),
    ])
    expect(data.keys[0]).not.toHaveProperty('hash')
    expect(data.orders).toMatchObject([{ item: 'ten', credits: 10, state: 'open' }])
    expect(data.favourites).toMatchObject([{ request: id }])
    expect(data.entries.map(({ kind }: { kind: string }) => kind)).toEqual(['grant', 'hold', 'capture'])
    expect(data.requests).toMatchObject([
      {
        id,
        state: 'delivered',
        request: { prompt: 'a cat', negative: 'dogs', seed: '7' },
        files: [`pictures/${id}/output-1.png`],
      },
    ])
  })

  it('is there for a day, and its link is not stored', async () => {
    const path = await ask()
    const token = path.split('/').at(-1) ?? ''
    const { rows } = service.test.core.database
    expect(await rows(sql`select from privacy_exports where position(${token} in hash) > 0`)).toEqual([])
    expect((await download(`${path.slice(0, -1)}!`)).statusCode).toBe(404)
    await rows(sql`update privacy_exports set expires_at = now()`)
    expect((await download(path)).statusCode).toBe(404)
    expect((await service.app.inject(path)).statusCode).toBe(404)
  })

  it('has one valid link, the newest', async () => {
    const [older, newer] = [await ask(), await ask()]
    expect((await service.app.inject(older)).statusCode).toBe(404)
    expect((await service.app.inject(newer)).statusCode).toBe(200)
    expect((await service.app.inject(newer.replace('/flux', ''))).statusCode).toBe(200)
  })

  it('is refused where the answer would be stored, and to people without an account', async () => {
    expect(await ask({ isPrivate: false })).toMatch(/private/)
    expect(await ask({ isPrivate: true, who: 'stranger' })).toBe('Nothing is kept about you.')
    expect(await service.test.core.database.rows(sql`select from identities where id = 'test:stranger'`)).toEqual([])
  })

  it('is explained with the browsers that are signed in, which it lists without what signs in', async () => {
    const { test, app } = service
    const { address } = await test.say('/privacy', { isPrivate: true })
    expect(test.chat.last(address)?.text).toContain('browsers that are signed in to the page as you')
    const path = await ask()
    expect((await app.inject(path)).body).toContain('the sessions of browsers')
    const token = await openSession(test.core, ann.id)
    const archive = (await download(path)).rawPayload
    const data = JSON.parse(filesIn(archive).get('data.json')?.toString() ?? '')
    expect(data.sessions).toEqual([{ person: ann.id, createdAt: expect.any(String), expiresAt: expect.any(String) }])
    expect(archive.includes(token)).toBe(false)
  })

  it('is not read further than the client has read', async () => {
    const { core } = service.test
    const { store } = core
    let reads = 0
    const big = Buffer.alloc(4 * 1024 * 1024)
    Object.assign(store, {
      get: async () => {
        reads++
        return { data: big, type: 'image/png' }
      },
    })
    await core.database.rows(sql`
      insert into images (key, generation_id, role, position, type, width, height, bytes)
      select 'image/more/' || n, ${id}::uuid, 'output', n, 'image/png', 1, 1, 1 from generate_series(1, 200) n`)
    const path = new URL(await createExportLink(core, userId, 'slow')).pathname
    const address = new URL(await service.app.listen({ port: 0, host: '127.0.0.1' }))
    const socket = connect(Number(address.port), address.hostname)
    socket.write(
      `POST ${path} HTTP/1.1\r\nhost: x\r\ncontent-type: ${fromForm['content-type']}\r\ncontent-length: 0\r\n\r\n`,
    )
    await expect.poll(() => reads).toBeGreaterThan(1)
    socket.pause()
    const seen: number[] = []
    const standsStill = () => seen.push(reads) > 1 && seen.at(-2) === reads
    await expect.poll(standsStill, { interval: 300 }).toBe(true)
    expect(reads).toBeLessThan(20)
    // one at a time for each person
    expect((await download(path)).statusCode).toBe(503)
    socket.destroy()
  })
})

const fromForm = { 'content-type': 'application/x-www-form-urlencoded' }

/** Of a ZIP archive without compression, by its central directory. */
function filesIn(archive: Buffer): Map<string, Buffer> {
  const end = archive.lastIndexOf(Buffer.from([0x50, 0x4b, 5, 6]))
  const files = new Map<string, Buffer>()
  let at = archive.readUInt32LE(end + 16)
  for (let left = archive.readUInt16LE(end + 10); left > 0; left--) {
    const [size, nameLength, extraLength] = [
      archive.readUInt32LE(at + 24),
      archive.readUInt16LE(at + 28),
      archive.readUInt16LE(at + 30),
    ]
    const start = archive.readUInt32LE(at + 42)
    const name = archive.subarray(at + 46, at + 46 + nameLength).toString()
    const from = start + 30 + archive.readUInt16LE(start + 26) + archive.readUInt16LE(start + 28)
    files.set(name, archive.subarray(from, from + size))
    at += 46 + nameLength + extraLength + archive.readUInt16LE(at + 32)
  }
  return files
}
