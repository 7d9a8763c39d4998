import { sql } from 'drizzle-orm'
import type { FastifyInstance } from 'fastify'
import { request } from 'undici'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { isOperator, signInToken } from '../../src/bots/web/access.ts'
import { pruneWebMessages, readChanges } from '../../src/bots/web/messages.ts'
import { createWeb, type WebOptions } from '../../src/bots/web/web.ts'
import type { Call } from '../../src/core/ports/chat.ts'
import type { ImageFile } from '../../src/core/ports/images.ts'
import { status } from '../../src/http/operations/status.ts'
import { createApp } from '../../src/http/server/app.ts'
import { openTestDatabase, quickest, type TestDatabase } from '../helpers/backends.ts'
import { drawing, type FlatCall, flat, says } from '../helpers/chat.ts'
import { createGate } from '../helpers/gate.ts'
import { keepLog } from '../helpers/log.ts'
import { freePort } from '../helpers/ports.ts'
import { type SendOptions, visit } from '../helpers/visitor.ts'

const secretKey = Buffer.from('a secret key for tests, 32 chars')
const apiKey = 'the-key-of-the-operator'
const file: ImageFile = { data: Buffer.from('png'), type: 'image/png', width: 640, height: 360 }
const picture = { file, key: 'image/1/0-abc.png', name: 'cat.png', alt: 'a cat' }

let test: TestDatabase
let stops: (() => Promise<unknown>)[]
let calls: FlatCall[]
const log = keepLog()

beforeEach(async () => {
  test = await openTestDatabase(quickest)
  stops = [() => test.drop()]
  calls = []
})

afterEach(async () => {
  for (const stop of stops.toReversed()) await stop()
})

describe('a conversation', () => {
  it('turns a message into a call, and its answer into an event', async () => {
    const { web, visit } = await start()
    const ann = await visit()
    const events = await ann.listen()
    const sent = await ann.send('a cat 16:9', { id: 'message-0001' })
    expect(sent).toEqual({ status: 202, body: { id: 'message-0001' } })
    expect(await events.next()).toMatchObject({ id: 'message-0001', role: 'person', text: 'a cat 16:9' })
    const call = await nextCall()
    expect(call).toMatchObject({
      key: `${ann.visitor}:message-0001`,
      surface: 'web',
      address: `${ann.visitor}:message-0001`,
      from: { id: ann.visitor, name: ann.visitor.slice(0, 10) },
      locale: 'en',
      act: { kind: 'message', text: 'a cat 16:9' },
      command: '',
      text: 'a cat 16:9',
      options: {},
      images: [],
    })
    const posted = await web.post(call.address, drawing('a cat', 50))
    const waiting = await events.next()
    expect(waiting).toMatchObject({ id: 'message-0001:answer', role: 'bot', state: 'waiting', percent: 50 })
    await web.edit(posted, says('a cat', 'done', { pictures: [picture] }))
    const done = await events.next()
    expect(done).toMatchObject({
      id: waiting.id,
      state: 'done',
      images: [
        {
          url: expect.stringMatching(/^\/image\/image\/1\/0-abc.png\?signature=\d+$/),
          width: 640,
          height: 360,
          alt: 'a cat',
        },
      ],
    })
    expect(Number(done.version)).toBeGreaterThan(Number(waiting.version))
  })

  it('shows previews without storing them', async () => {
    const { web, visit } = await start()
    const ann = await visit()
    const events = await ann.listen()
    await ann.send('a cat', { id: 'message-0001' })
    const { address } = await nextCall()
    await events.next()
    const preview = { file, key: '', name: 'preview.webp', alt: 'a cat' }
    await web.post(address, says('Drawing', 'waiting', { pictures: [preview] }))
    const url = expect.stringMatching(/^data:image\/png;base64,/)
    expect(await events.next()).toMatchObject({ state: 'waiting', images: [{ url, original: url }] })
  })

  it('replaces an answer by a later one, but never an end by a waiting message', async () => {
    const { web, visit } = await start()
    const ann = await visit()
    await ann.send('a cat', { id: 'message-0001' })
    const { address } = await nextCall()
    for (const text of ['one', 'two']) await web.post(address, says(text, 'info'))
    await web.post(address, says('done', 'done'))
    await web.post(address, says('late', 'waiting'))
    expect((await ann.messages()).map(({ text }) => text)).toEqual(['a cat', 'done'])
  })

  it('is shown after a reload with newly signed links and an original for each picture', async () => {
    const { web, visit } = await start()
    const ann = await visit()
    await ann.send('a cat', { id: 'message-0001' })
    await web.post((await nextCall()).address, says('a cat', 'done', { pictures: [picture] }))
    const first = await ann.messages()
    const second = await ann.messages()
    const urls = [first, second].map((shown) => imagesOf(shown)[0]?.url)
    expect(urls[0]).not.toBe(urls[1])
    const [row] = await test.database.rows<{ body: unknown }>(
      sql`select body from web_messages where id like '%answer'`,
    )
    expect(JSON.stringify(row)).not.toContain('signature')
    const original = imagesOf(second)[0]?.original ?? ''
    const redirect = await ann.ask(original)
    expect(redirect.status).toBe(302)
    expect(redirect.headers.location).toMatch(/^\/image\/image\/1\/0-abc\.png\?signature=/)
    expect((await (await visit()).ask(original)).status).toBe(404)
    const events = await ann.listen()
    expect([await events.next(), await events.next()].map(({ text }) => text)).toEqual(['a cat', 'a cat'])
  })

  it('belongs to one visitor', async () => {
    const { visit } = await start()
    const [ann, bob] = [await visit(), await visit()]
    expect(ann.visitor).not.toBe(bob.visitor)
    await ann.send('mine', { id: 'message-0001' })
    await bob.send('his', { id: 'message-0001' })
    expect((await ann.messages()).map(({ text }) => text)).toEqual(['mine'])
    expect((await bob.messages()).map(({ text }) => text)).toEqual(['his'])
    const forged = await ann.ask('/web/session', { headers: { cookie: ann.cookie.replace(/.$/, '0_') } })
    expect(JSON.parse(forged.text).visitor).toBeUndefined()
  })

  it('resumes after a lost connection, and includes changes that were committed late', async () => {
    const { web, visit } = await start()
    const ann = await visit()
    await ann.send('one', { id: 'message-0001' })
    const last = Number((await ann.messages())[0]?.version)
    await test.database.rows(sql`insert into web_messages (id, visitor, version, body)
      values (${`${ann.visitor.slice(4)}:message-late`}, ${ann.visitor.slice(4)}, ${last - 1_000_000},
        '{"role":"person","text":"late"}')`)
    const events = await ann.listen({ 'last-event-id': String(last) })
    const texts = [await events.next(), await events.next()].map(({ text }) => text)
    expect(texts).toContain('late')
    await web.post((await nextCall()).address, says('answer', 'info'))
    expect(await events.next()).toMatchObject({ text: 'answer' })
  })

  it('is read completely when many messages have changed', async () => {
    const { visit } = await start()
    const ann = await visit()
    const visitor = ann.visitor.slice(4)
    await test.database.rows(sql`insert into web_messages (id, visitor, version, body)
      select ${visitor} || ':' || n, ${visitor}, 1000 + n / 10, '{"role":"person","text":"x"}'
      from generate_series(1, 250) n`)
    const events = await ann.listen({ 'last-event-id': '1' })
    const ids = new Set<unknown>()
    while (ids.size < 250) ids.add((await events.next()).id)
    expect(await ann.messages()).toHaveLength(100)
    const changes = await readChanges(test.database, visitor, { version: 1024, id: '' })
    expect(changes.map(({ version }) => version)).toEqual([...Array(10).fill(1024), 1025])
  })

  it('passes on commands, languages and pictures as every surface does', async () => {
    const { visit } = await start()
    const ann = await visit()
    await ann.send(' /Credits  give @me 5 ', { locale: 'zh-CN,zh;q=0.9' })
    expect(await nextCall()).toMatchObject({ command: 'credits', text: 'give @me 5', locale: 'zh' })
    await ann.send('/help')
    expect(await nextCall()).toMatchObject({ command: 'help', text: '', locale: 'en' })
    await ann.send('/ not a command')
    expect(await nextCall()).toMatchObject({ command: '', text: '/ not a command' })
  })

  it('has pictures as on every surface, and keeps them until it is handled', async () => {
    const loaded: string[] = []
    const { visit } = await start({}, async ({ images }) => {
      for (const image of images) loaded.push(String(await image.load(10)))
      await expect(images[1]?.load(2)).rejects.toMatchObject({ kind: 'image_too_big' })
    })
    const ann = await visit()
    await ann.send('', { files: [Buffer.from('one'), Buffer.from('two')] })
    const { images } = await nextCall()
    expect(images.map(({ name, bytes }) => [name, bytes])).toEqual([
      ['0.png', 3],
      ['1.png', 3],
    ])
    await expect.poll(() => loaded).toEqual(['one', 'two'])
    expect((await ann.messages()).at(-1)).toMatchObject({ files: ['0.png', '1.png'] })
    await expect.poll(() => test.database.rows(sql`select 1 from inbox_files`)).toEqual([])
    await expect(images[0]?.load(10)).rejects.toMatchObject({ kind: 'image_unreachable' })
  })
})

describe('a message', () => {
  it('that is sent three times, to two processes, is handled once', async () => {
    const [first, second] = [await start(), await start()]
    const ann = await first.visit()
    const files = [Buffer.from('one')]
    const elsewhere = { url: second.url, id: 'message-0001', files }
    for (const at of [{ id: 'message-0001', files }, elsewhere, elsewhere]) {
      expect((await ann.send('a cat', at)).status).toBe(202)
    }
    expect(await nextCall()).toMatchObject({ key: `${ann.visitor}:message-0001` })
    await expect.poll(unhandled).toBe(0)
    expect((await ann.send('a cat', elsewhere)).status).toBe(202)
    expect(await ann.messages()).toHaveLength(1)
    expect(await unhandled()).toBe(0)
    expect(await test.database.rows(sql`select 1 from inbox_files`)).toEqual([])
    expect(calls).toEqual([])
  })

  it('is handled by another process, with its pictures, if the one that answered 202 died', async () => {
    const died = await start({}, () => new Promise(() => {}))
    expect((await (await died.visit()).send('a cat', { files: [Buffer.from('one')] })).status).toBe(202)
    const abandoned = await nextCall()
    void died.web.stop()
    const loaded: string[] = []
    await start({}, async ({ images }) => void loaded.push(String(await images[0]?.load(10))))
    await expect.poll(() => loaded).toEqual(['one'])
    expect(await nextCall()).toMatchObject({ key: abandoned.key, text: 'a cat' })
    await expect.poll(unhandled).toBe(0)
  })

  it('waits for the earlier ones of its visitor', async () => {
    let finish = () => {}
    const { visit } = await start({}, () => new Promise<void>((resolve) => (finish = resolve)))
    const ann = await visit()
    for (const text of ['one', 'two']) await ann.send(text)
    await expect.poll(() => calls.map(({ text }) => text)).toEqual(['one'])
    finish()
    await expect.poll(() => calls.map(({ text }) => text)).toEqual(['one', 'two'])
    finish()
  })

  it('gets status 202 even when handling it fails', async () => {
    const { visit } = await start({}, () => {
      throw new Error('broken on purpose')
    })
    expect((await (await visit()).send('a cat')).status).toBe(202)
    await until(() => log.lines.some((line) => line.includes('broken on purpose')))
  })
})

describe('access to the page', () => {
  it.each([
    ['another site', { origin: 'https://evil.example' }],
    ['a page without an origin', { origin: 'null' }],
    ['another port of this machine', { origin: 'http://localhost:1' }],
    ['another site, according to the browser', { 'sec-fetch-site': 'cross-site' }],
    ['a foreign host name that resolves to this machine', { host: 'evil.example' }],
  ])('is refused to %s', async (_name, headers) => {
    const { visit } = await start()
    const ann = await visit()
    for (const path of ['/web/messages', '/web/events']) {
      const refused = await ann.ask(path, { headers })
      expect([refused.status, JSON.parse(refused.text).error.kind]).toEqual([403, 'foreign'])
    }
    expect((await ann.send('a cat', { headers })).status).toBe(403)
    expect(calls).toEqual([])
    expect(JSON.parse((await ann.ask('/web/session', { headers })).text)).toMatchObject({ trouble: 'foreign' })
  })

  it('is allowed to our own page under each name of this machine', async () => {
    const { visit, port } = await start()
    const ann = await visit()
    for (const name of ['localhost', '127.0.0.1', '[::1]']) {
      const headers = { host: `${name}:${port}`, origin: `http://${name}:${port}`, 'sec-fetch-site': 'same-origin' }
      expect((await ann.send('a cat', { headers })).status).toBe(202)
    }
  })

  it('needs the sign-in link or the key, and ends when the key changes', async () => {
    const { visit } = await start()
    const ann = await visit('')
    expect(ann.session).toMatchObject({ trouble: 'sign_in' })
    expect((await ann.send('a cat')).status).toBe(401)
    const wrong = await ann.signIn('a guess')
    expect([wrong.status, JSON.parse(wrong.text).error.message]).toEqual([401, 'That key is wrong.'])
    const right = await ann.signIn(apiKey)
    expect(right.status).toBe(200)
    const cookie = String(right.headers['set-cookie'])
    expect(cookie).toMatch(/HttpOnly; SameSite=Strict/)
    expect(cookie).not.toContain(apiKey)
    const headers = { cookie: cookie.split(';')[0] as string }
    expect((await ann.send('a cat', { headers })).status).toBe(202)
    const other = await start({ apiKey: 'another-key' })
    expect((await (await other.visit('')).send('a cat', { headers })).status).toBe(401)
  })

  it('is given by the sign-in link, which leaves the address at once and works until the secret key changes', async () => {
    const { visit } = await start()
    const link = await (await visit('')).ask(`/?token=${signInToken(secretKey)}`)
    expect([link.status, link.headers.location, link.headers['cache-control']]).toEqual([303, '/', 'no-store'])
    expect(String(link.headers['set-cookie'])).toMatch(/; Path=\/; HttpOnly; SameSite=Strict/)
    expect(String(link.headers['set-cookie'])).not.toContain(signInToken(secretKey))
    const ann = await visit()
    const again = await ann.ask(`/?token=${signInToken(secretKey)}`)
    const headers = { cookie: String(again.headers['set-cookie']).split(';')[0] as string }
    const session = JSON.parse((await ann.ask('/web/session', { headers })).text) as { visitor: string }
    expect(session.visitor).toBe(ann.visitor)
    expect(JSON.parse((await ann.ask('/web/session')).text)).toMatchObject({ trouble: 'sign_in' })
    const other = await start({ secretKey: Buffer.from('another secret key for the tests') })
    expect((await (await other.visit('')).send('a cat', { headers })).status).toBe(401)
    expect((await other.visit()).session).toMatchObject({ trouble: 'sign_in' })
  })

  it.each(['wrong', '', '&token=x'])('is not given by a link with the token %j', async (token) => {
    const { visit } = await start()
    expect((await visit(token)).session).toMatchObject({ trouble: 'sign_in' })
  })

  it('makes browsers that signed in administrators, and no other identity', async () => {
    const { visit } = await start()
    const [byLink, byKey] = [await visit(), await visit('')]
    const cookie = String((await byKey.signIn(apiKey)).headers['set-cookie']).split(';')[0] as string
    const session = JSON.parse((await byKey.ask('/web/session', { headers: { cookie } })).text) as { visitor: string }
    expect([byLink.visitor, session.visitor].map(isOperator)).toEqual([true, true])
    for (const id of ['web:x', 'web:x-operator', 'web:*', `discord:${byLink.visitor}`])
      expect(isOperator(id)).toBe(false)
  })

  it('works behind a proxy that changes the Host header, for pages of the public address only', async () => {
    const { visit, port } = await start({ publicUrl: 'https://pictures.example.org/flux' })
    const { cookie } = await visit()
    const ask = async (origin: string) => {
      const headers = { host: `127.0.0.1:${port}`, origin, cookie, 'sec-fetch-site': 'same-origin' }
      return (await (await visit('')).send('a cat', { headers })).status
    }
    expect(await ask('https://pictures.example.org')).toBe(202)
    expect(await ask('https://evil.example')).toBe(403)
  })

  it('is refused for a minute after five wrong keys, even with the right one', async () => {
    const { visit } = await start()
    const ann = await visit('')
    for (let n = 0; n < 5; n++) expect((await ann.signIn(`guess ${n}`)).status).toBe(401)
    expect((await ann.signIn(apiKey)).status).toBe(429)
  })

  it('counts only wrong keys as tries', async () => {
    const { visit } = await start()
    const ann = await visit('')
    for (let n = 0; n < 4; n++) expect((await ann.signIn(`guess ${n}`)).status).toBe(401)
    for (let n = 0; n < 6; n++) expect((await ann.signIn(apiKey)).status).toBe(200)
  })

  it('is refused without a key and without the link, and the page names all ways in', async () => {
    const { visit } = await start({ apiKey: undefined })
    const ann = await visit('')
    expect(ann.session).toMatchObject({ trouble: 'sign_in' })
    for (const name of ['/apikey', '/panel', 'API_KEY']) expect(JSON.stringify(ann.session)).toContain(name)
    expect((await ann.signIn('')).status).toBe(401)
    expect((await ann.signIn('undefined')).status).toBe(401)
    expect((await ann.send('a cat')).status).toBe(401)
  })
})

describe('limits', () => {
  it.each<[string, SendOptions & { text?: string }, number, string]>([
    ['fifteen pictures', { files: Array.from({ length: 15 }, () => Buffer.from('x')) }, 400, 'too_many_files'],
    ['a picture over 10 MB', { files: [Buffer.alloc(10 * 2 ** 20 + 1)] }, 413, 'image_too_big'],
    ['over 50 MB in all', { files: Array.from({ length: 6 }, () => Buffer.alloc(9 * 2 ** 20)) }, 413, 'upload_too_big'],
    ['a text that is too long', { text: 'x'.repeat(70_000) }, 413, 'message_too_long'],
    ['an empty message', { text: ' ' }, 400, 'empty_message'],
    ['an invalid id', { text: 'x', id: '../../x' }, 400, 'bad_message'],
  ])('refuse %s with a reason, and nothing is stored', async (_name, { text = '', ...rest }, status, kind) => {
    const { visit } = await start()
    const ann = await visit()
    const refused = await ann.send(text, rest)
    expect(refused).toMatchObject({ status, body: { error: { kind } } })
    expect(refused.body.error?.message).toMatch(/\.$/)
    expect(await ann.messages()).toEqual([])
    expect(calls).toEqual([])
  })

  it('handle a form once, from however many tabs it is sent', async () => {
    const { visit } = await start()
    const ann = await visit()
    for (const id of ['form-0001', 'form-0002']) {
      const fields = { prompt: 'a dog' }
      const body = JSON.stringify({ id, form: '1:edit:one', message: 'message-0001:answer', fields })
      const headers = { 'content-type': 'application/json' }
      expect((await ann.ask('/web/forms', { method: 'POST', headers, body })).status).toBe(202)
    }
    await expect.poll(() => calls.length).toBe(1)
    const rows = await test.database.rows(sql`select handled_at is not null as handled from inbox`)
    expect(rows).toHaveLength(1)
    expect(calls[0]).toMatchObject({ key: `${ann.visitor}:form-0001` })
  })

  it('of one visitor leave room for those of others, and are refused when too many wait', async () => {
    const gate = createGate()
    const { visit } = await start({}, async (call) => {
      if (call.from.id === ann.visitor) await gate.pass(call)
    })
    const [ann, bob] = [await visit(), await visit()]
    const press = async ({ ask }: typeof ann, n: number) => {
      const body = JSON.stringify({ id: `press-${1000 + n}`, button: '1:edit:one', message: 'm' })
      return ask('/web/presses', { method: 'POST', headers: { 'content-type': 'application/json' }, body })
    }
    const pressed = await Promise.all(Array.from({ length: 50 }, (_, n) => press(ann, n)))
    expect(new Set(pressed.map(({ status }) => status))).toEqual(new Set([202]))
    const refused = await press(ann, 50)
    expect(refused.status).toBe(429)
    expect(JSON.parse(refused.text)).toMatchObject({ error: { kind: 'too_many_acts' } })
    expect((await ann.send('a cat')).status).toBe(429)
    expect((await press(ann, 0)).status).toBe(202)
    expect((await press(bob, 0)).status).toBe(202)
    await until(() => calls.some(({ from }) => from.id === bob.visitor))
    expect(calls.filter(({ from }) => from.id === ann.visitor).length).toBeLessThanOrEqual(4)
    gate.open()
    await expect.poll(unhandled).toBe(0)
    expect((await press(ann, 50)).status).toBe(202)
  })

  it.each([
    ['/web/presses', { id: 'press-0001', message: 'm' }],
    ['/web/presses', { id: 'press-0001', button: '1:edit:one' }],
    ['/web/presses', { id: 'x', button: '1:edit:one', message: 'm' }],
    ['/web/presses', { id: 'press-0001', button: 'b'.repeat(101), message: 'm' }],
    ['/web/forms', { id: 'form-0001', form: '1:edit:one', message: 'm' }],
    ['/web/forms', { id: 'form-0001', form: '1:edit:one', message: 'm', fields: { prompt: 7 } }],
    ['/web/forms', { id: 'form-0001', form: '1:edit:one', message: 'm', fields: { prompt: 'x'.repeat(20_001) } }],
    ['/web/forms', { id: 'form-0001', form: 1, message: 'm', fields: {} }],
    ['/web/forms', { id: '../../x', form: '1:edit:one', message: 'm', fields: {} }],
    ['/web/forms', null],
    ['/web/forms/closed', { message: 7 }],
  ])('of %s refuse %j', async (path, body) => {
    const { visit } = await start()
    const ann = await visit()
    const headers = { 'content-type': 'application/json' }
    const refused = await ann.ask(path, { method: 'POST', headers, body: JSON.stringify(body) })
    expect([refused.status, JSON.parse(refused.text).error.kind]).toEqual([400, 'bad_message'])
    expect(calls).toEqual([])
  })

  it('allow fourteen pictures', async () => {
    const { visit } = await start()
    const files = Array.from({ length: 14 }, () => Buffer.from('x'))
    expect((await (await visit()).send('', { files })).status).toBe(202)
    expect((await nextCall()).images).toHaveLength(14)
  })

  it('refuse a body that is not a form', async () => {
    const { visit } = await start()
    const headers = { 'content-type': 'application/json' }
    const refused = await (await visit()).ask('/web/messages', { method: 'POST', headers, body: '{}' })
    expect(refused.status).toBe(400)
  })

  it('allow four streams for each visitor, and a new one once one is closed', async () => {
    const { visit } = await start()
    const ann = await visit()
    const streams = []
    for (let n = 0; n < 4; n++) streams.push(await ann.listen())
    expect((await ann.ask('/web/events')).status).toBe(429)
    await (await visit()).listen()
    await streams[0]?.close()
    await until(async () => {
      const { status } = await ann.listen()
      return status === 200
    })
  })

  it('bound the number of all streams', async () => {
    const { visit } = await start({ mostStreams: 2 })
    for (let n = 0; n < 2; n++) await (await visit()).listen()
    expect((await (await visit()).ask('/web/events')).status).toBe(429)
  })
})

describe('starting and stopping', () => {
  it('refuses messages before it has started', async () => {
    const { visit } = await start({}, undefined, false)
    expect(await (await visit()).send('a cat')).toMatchObject({ status: 503, body: { error: { kind: 'starting' } } })
  })

  it('waits for running handlers when it stops, and other processes can post without starting', async () => {
    let finish = () => {}
    const { web, visit } = await start({}, () => new Promise<void>((resolve) => (finish = resolve)))
    await (await visit()).send('a cat')
    await until(() => calls.length > 0)
    let stopped = false
    const stopping = web.stop().then(() => {
      stopped = true
    })
    await createWeb(optionsFor(1)).post((await nextCall()).address, says('still here', 'info'))
    expect(stopped).toBe(false)
    finish()
    await stopping
  })

  it('ends open streams when the server closes', async () => {
    const { app, visit } = await start()
    const events = await (await visit()).listen()
    await app.close()
    await expect(events.next()).rejects.toThrow('ended')
  })
})

it('serves the page with a strict content security policy, and a status to programs', async () => {
  const { url } = await start()
  const page = await request(url, { headers: { accept: 'text/html' } })
  expect(await page.body.text()).toContain('<script type="module" src="/web/assets/app.js">')
  const policy = String(page.headers['content-security-policy'])
  expect(policy).toContain("default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' http")
  expect(policy).toContain("frame-ancestors 'none'")
  expect(policy).not.toContain('unsafe')
  const described = await request(url, { headers: { accept: 'application/json' } })
  expect(await described.body.json()).toMatchObject({ service: 'fluxbot', status: 'running' })
  for (const name of ['index.html', '..%2fpackage.json', 'constructor']) {
    expect((await request(`${url}/web/assets/${name}`)).statusCode).toBe(404)
  }
})

it('deletes old messages and keeps newer ones', async () => {
  const { visit } = await start()
  const ann = await visit()
  await ann.send('old', { id: 'message-0001' })
  await ann.send('young', { id: 'message-0002' })
  await test.database.rows(
    sql`update web_messages set created_at = now() - interval '31 days' where id like '%message-0001'`,
  )
  expect(await pruneWebMessages(test.database, 30)).toBe(1)
  expect((await ann.messages()).map(({ text }) => text)).toEqual(['young'])
})

// ── Helpers ──

const imagesOf = (messages: Record<string, unknown>[]) =>
  (messages.at(-1)?.images ?? []) as { url: string; original: string }[]

let links = 0

const optionsFor = (port: number): WebOptions => ({
  core: () => {
    throw new Error('these tests need no core')
  },
  database: test.database,
  secretKey,
  publicUrl: `http://localhost:${port}`,
  apiKey,
  link: async (key) => `http://localhost:${port}/image/${key}?signature=${++links}`,
  log,
})

/** Starts a server on a free port, which is chosen first because the options contain the address. */
async function start(
  over: Partial<WebOptions> = {},
  handle: (call: Call) => Promise<void> = async () => {},
  started = true,
) {
  links = 0
  const port = await freePort()
  const web = createWeb({ ...optionsFor(port), ...over })
  const app: FastifyInstance = createApp({
    log,
    closeMs: 100,
    plugins: [web.plugin, status({ ready: async () => ({}) })],
  })
  if (started) {
    await web.start(async (call) => {
      calls.push(flat(call))
      await handle(call)
    })
  }
  const url = await app.listen({ port, host: '127.0.0.1' })
  stops.push(
    () => app.close(),
    () => web.stop(),
  )
  const right = signInToken(secretKey)
  return { web, app, url, port, visit: (token = right) => visit({ url, port, token, stops }) }
}

async function unhandled(): Promise<number> {
  return (await test.database.rows(sql`select key from inbox where handled_at is null`)).length
}

async function nextCall(): Promise<FlatCall> {
  await until(() => calls.length > 0)
  return calls.shift() as FlatCall
}

/** Waits without a timeout of its own; the test has one. */
async function until(check: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await check())) await new Promise((resolve) => setTimeout(resolve, 5))
}
