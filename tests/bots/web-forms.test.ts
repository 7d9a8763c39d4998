/** Forms on the page that are sent with pictures. */
import { sql } from 'drizzle-orm'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { signInToken } from '../../src/bots/web/access.ts'
import { createWeb } from '../../src/bots/web/web.ts'
import type { Call } from '../../src/core/ports/chat.ts'
import { createApp } from '../../src/http/server/app.ts'
import { openTestDatabase, quickest, type TestDatabase } from '../helpers/backends.ts'
import { keepLog } from '../helpers/log.ts'
import { freePort } from '../helpers/ports.ts'
import { visit } from '../helpers/visitor.ts'

const secretKey = Buffer.from('a secret key for tests, 32 chars')
const submission = { id: 'form-0001', form: '1:edit:one', message: 'message-0001:answer', fields: { prompt: 'a hat' } }

let test: TestDatabase
let stops: (() => Promise<unknown>)[]
beforeEach(async () => {
  test = await openTestDatabase(quickest)
  stops = [() => test.drop()]
})
afterEach(async () => {
  for (const stop of stops.toReversed()) await stop()
})

async function open(handle: (call: Call) => Promise<void>) {
  const log = keepLog()
  const port = await freePort()
  const web = createWeb({
    core: () => {
      throw new Error('no core in this test')
    },
    database: test.database,
    secretKey,
    publicUrl: `http://localhost:${port}`,
    link: async (key) => `http://localhost:${port}/image/${key}`,
    log,
  })
  const app = createApp({ log, plugins: [web.plugin] })
  const url = await app.listen({ port, host: '127.0.0.1' })
  stops.push(() => app.close())
  await web.start(handle)
  stops.push(() => web.stop())
  const ann = await visit({ url, port, token: signInToken(secretKey), stops })
  return async (form: string, files: Buffer[]) => {
    const parts = new FormData()
    parts.set('form', form)
    for (const [n, data] of files.entries()) parts.append('images', new Blob([new Uint8Array(data)]), `${n}.png`)
    const body = new Response(parts)
    const headers = { 'content-type': body.headers.get('content-type') ?? '' }
    return ann.ask('/web/forms', { method: 'POST', headers, body: Buffer.from(await body.arrayBuffer()) })
  }
}

it('arrive with their pictures, which are gone once the form was handled', async () => {
  const loaded: string[] = []
  const calls: Call[] = []
  const submit = await open(async (call) => {
    for (const image of call.images) loaded.push(String(await image.load(100)))
    calls.push(call)
  })
  expect((await submit(JSON.stringify(submission), [Buffer.from('one'), Buffer.from('two')])).status).toBe(202)
  await expect.poll(() => calls.length).toBe(1)
  expect(calls[0]?.act).toMatchObject({ kind: 'form', form: '1:edit:one', fields: { prompt: 'a hat' } })
  expect(loaded).toEqual(['one', 'two'])
  const files = () => test.database.rows(sql`select act from inbox_files`)
  await expect.poll(files).toEqual([])
})

it('are refused when they are malformed or have too many pictures', async () => {
  const submit = await open(async () => undefined)
  expect((await submit('{', [])).status).toBe(400)
  const many = Array.from({ length: 15 }, () => Buffer.from('x'))
  const refused = await submit(JSON.stringify(submission), many)
  expect([refused.status, JSON.parse(refused.text).error.kind]).toEqual([400, 'too_many_files'])
})
