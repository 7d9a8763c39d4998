/** How people sign a browser in to the page, on a real core: their balance, their rights, and the end of a session. */
import { sql } from 'drizzle-orm'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { allActions } from '../../src/bots/actions/index.ts'
import { allCommands } from '../../src/bots/commands/index.ts'
import { createDispatch } from '../../src/bots/dispatch.ts'
import { createWeb } from '../../src/bots/web/web.ts'
import type { Call } from '../../src/core/ports/chat.ts'
import { createApp } from '../../src/http/server/app.ts'
import { quickest } from '../helpers/backends.ts'
import { createChat, openTestCore, type TestCore } from '../helpers/core.ts'
import { keepLog } from '../helpers/log.ts'

const publicUrl = 'http://localhost:8080'
const apiKey = 'the-key-of-the-operator'
const admins = ['test:root']
const log = keepLog()

let test: TestCore
let web: ReturnType<typeof createWeb>
let app: ReturnType<typeof createApp>

beforeEach(async () => {
  const chat = createChat()
  test = await openTestCore(quickest, {
    chat,
    admins,
    publicUrl,
    surfaces: ({ database, secretKey }) => {
      web = createWeb({
        core: () => test.core,
        database,
        secretKey,
        publicUrl,
        apiKey,
        admins: new Set(admins),
        link: async () => publicUrl,
        streamAskMs: 50,
        log,
      })
      return [chat, web]
    },
  })
  app = createApp({ log, closeMs: 100, plugins: [web.plugin] })
  await web.start(createDispatch(test.core, { commands: allCommands, actions: allActions }))
})
afterEach(async () => {
  await app.close()
  await web.stop()
  await test.close()
})

/** A client that keeps its cookie as a browser does. */
function openBrowser() {
  let cookie = ''
  const ask = async (path: string, body?: object, headers: Record<string, string> = {}) => {
    const answer = await app.inject({
      method: body ? 'POST' : 'GET',
      url: path,
      headers: { host: 'localhost:8080', ...(cookie && { cookie }), ...headers },
      ...(body && { payload: body }),
    })
    const [given] = answer.cookies
    if (given) cookie = given.value === '' ? '' : `${given.name}=${given.value}`
    return answer
  }
  return {
    ask,
    cookie: () => cookie,
    session: async () => (await ask('/web/session')).json<{ visitor?: string; name?: string; trouble?: string }>(),
    signIn: async (proof: object) => {
      const answer = await ask('/web/signin', proof)
      return answer.statusCode === 200 ? 'ok' : answer.json<{ error: { kind: string } }>().error.kind
    },
    /** Resolves to the answer of the bot. */
    say: async (text: string) => {
      const id = crypto.randomUUID()
      const form = new FormData()
      form.set('id', id)
      form.set('text', text)
      const body = new Response(form)
      const payload = Buffer.from(await body.arrayBuffer())
      const headers = { host: 'localhost:8080', cookie, 'content-type': body.headers.get('content-type') ?? '' }
      const sent = await app.inject({ method: 'POST', url: '/web/messages', headers, payload })
      if (sent.statusCode !== 202) return `refused: ${sent.statusCode}`
      const answer = async () => {
        const all = (await ask('/web/messages')).json<{ id: string; text: string; state: string }[]>()
        return all.find((each) => each.id === `${id}:answer` && each.state !== 'waiting')?.text
      }
      await expect.poll(answer).toBeDefined()
      return answer()
    },
  }
}

const answer = async (text: string, over: Partial<Call> & { who?: string } = {}) => {
  const call = await test.say(text, { isPrivate: true, ...over })
  return test.chat.last(call.address)
}
const panelOf = async (who: string, over: Partial<Call> = {}) =>
  /http:\/\/localhost:8080\/#panel=([\w-]{43})$/.exec((await answer('/panel', { who, ...over }))?.text ?? '')?.[1] ?? ''
const keyOf = async (who: string, limits = '') =>
  /fb_[\w-]{43}/.exec((await answer(`/apikey create mine ${limits}`, { who }))?.text ?? '')?.[0] ?? ''

describe('a link from /panel', () => {
  it('signs one browser in to the account of the person', async () => {
    await answer('/credits give @me 80', { who: 'root' })
    const token = await panelOf('ann')
    const [first, second] = [openBrowser(), openBrowser()]
    expect(await first.signIn({ panel: token })).toBe('ok')
    expect(await second.signIn({ panel: token })).toBe('link_over')
    expect(await first.session()).toMatchObject({ name: 'ann', person: true })
    expect(await second.session()).toMatchObject({ trouble: 'sign_in' })
    expect(await first.say('/credits')).toContain('20 credits')
    const users = await test.core.database.rows(sql`select name from users order by name`)
    expect(users).toEqual([{ name: 'ann' }, { name: 'root' }])
  })

  it('gives a browser the history of the chat, and one conversation to all browsers of the person', async () => {
    await test.work()
    expect(await test.ended(await test.say('a red fox'))).toBe('delivered')
    const [first, second] = [openBrowser(), openBrowser()]
    for (const browser of [first, second]) expect(await browser.signIn({ panel: await panelOf('ann') })).toBe('ok')
    expect(await first.say('/history')).toContain('a red fox')
    expect((await second.ask('/web/messages')).body).toContain('a red fox')
    const other = openBrowser()
    await other.signIn({ panel: await panelOf('bob') })
    expect((await other.ask('/web/messages')).json()).toEqual([])
  })

  it('keeps the rights of administrators, and gives them to no one else', async () => {
    const [admin, person] = [openBrowser(), openBrowser()]
    await admin.signIn({ panel: await panelOf('root') })
    await person.signIn({ panel: await panelOf('ann') })
    expect(await admin.say('/credits give test:ann 5')).toContain('25 credits')
    expect(await person.say('/credits give @me 5')).toContain('Only administrators')
    const entries = await test.core.database.rows(sql`select actor from ledger where amount = 5`)
    expect(entries).toEqual([{ actor: 'test:root' }])
  })

  it('expires after 10 minutes, and is stored as a hash', async () => {
    const token = await panelOf('ann')
    const rows = await test.core.database.rows<{ hash: string; seconds: number }>(
      sql`select *, extract(epoch from expires_at - now())::int as seconds from panel_links`,
    )
    expect(rows[0]?.seconds).toBeGreaterThan(590)
    expect(rows[0]?.seconds).toBeLessThanOrEqual(600)
    expect(JSON.stringify(rows)).not.toContain(token)
    await test.core.database.rows(sql`update panel_links set expires_at = now()`)
    expect(await openBrowser().signIn({ panel: token })).toBe('link_over')
  })

  it('is the same when its call is handled again, and works once', async () => {
    const first = await panelOf('ann', { key: 'test:again', address: 'test:a' })
    expect(await panelOf('ann', { key: 'test:again', address: 'test:b' })).toBe(first)
    expect(await openBrowser().signIn({ panel: first })).toBe('ok')
    expect(await openBrowser().signIn({ panel: first })).toBe('link_over')
  })

  it('is shown in private chats only', async () => {
    expect((await answer('/panel', { isPrivate: false }))?.text).toContain('in private chats only')
    expect(await test.core.database.rows(sql`select 1 from panel_links`)).toEqual([])
  })

  it.each([{}, { panel: '' }, { panel: 'x'.repeat(43) }, { panel: 7 }, { panel: 'a', key: 'b' }])(
    'that is %j signs in no browser',
    async (body) => {
      const browser = openBrowser()
      expect(await browser.signIn(body)).not.toBe('ok')
      expect(await browser.session()).toMatchObject({ trouble: 'sign_in' })
    },
  )
})

describe('an API key', () => {
  it('signs in as its person, until it is revoked', async () => {
    const key = await keyOf('ann')
    const browser = openBrowser()
    expect(await browser.signIn({ key })).toBe('ok')
    expect(await browser.session()).toMatchObject({ name: 'ann' })
    await answer(`/apikey revoke ${key.slice(-4)}`)
    expect(await browser.session()).toMatchObject({ trouble: 'sign_in' })
    expect(await browser.say('a cat')).toBe('refused: 401')
    expect(await browser.signIn({ key })).toBe('wrong_key')
  })

  it('with limits of its own signs in no browser', async () => {
    for (const limits of ['--cap 5', '--models sketch'])
      expect(await openBrowser().signIn({ key: await keyOf('ann', limits) })).toBe('limited_key')
  })

  it('is not locked out by wrong tries from the same address', async () => {
    const browser = openBrowser()
    const key = await keyOf('ann')
    for (let n = 0; n < 5; n++) expect(await browser.signIn({ key: `fb_${'x'.repeat(42)}${n}` })).toBe('wrong_key')
    expect(await browser.signIn({ key: 'a guess' })).toBe('too_many_tries')
    expect(await browser.signIn({ key })).toBe('ok')
    expect(await browser.signIn({ panel: await panelOf('ann') })).toBe('ok')
  })
})

describe('a session', () => {
  it('that ends also ends the open pages of its browser', async () => {
    const browser = openBrowser()
    await browser.signIn({ panel: await panelOf('ann') })
    let ended = false
    const stream = app
      .inject({ url: '/web/events', headers: { host: 'localhost:8080', cookie: browser.cookie() } })
      .then(({ statusCode }) => {
        ended = true
        return statusCode
      })
    await browser.say('/help')
    expect(ended).toBe(false)
    await browser.ask('/web/signout', {})
    expect(await stream).toBe(200)
  })

  it('ends when the person signs out, also for a copy of the cookie', async () => {
    const browser = openBrowser()
    await browser.signIn({ panel: await panelOf('ann') })
    const copied = { cookie: browser.cookie() }
    expect((await browser.ask('/web/signout', {})).statusCode).toBe(200)
    expect(browser.cookie()).toBe('')
    const again = await app.inject({ url: '/web/session', headers: { host: 'localhost:8080', ...copied } })
    expect(again.json()).toMatchObject({ trouble: 'sign_in' })
  })

  it('ends in all browsers of the account with /panel end', async () => {
    const [first, second, other] = [openBrowser(), openBrowser(), openBrowser()]
    for (const browser of [first, second]) await browser.signIn({ panel: await panelOf('ann') })
    await other.signIn({ panel: await panelOf('bob') })
    const unused = await panelOf('ann')
    expect((await answer('/panel end'))?.text).toContain('2 browsers were signed out')
    for (const browser of [first, second]) expect(await browser.session()).toMatchObject({ trouble: 'sign_in' })
    expect(await openBrowser().signIn({ panel: unused })).toBe('link_over')
    expect(await other.session()).toMatchObject({ name: 'bob' })
  })

  it('ends with its time, and with the API_KEY that opened it', async () => {
    const [person, operator] = [openBrowser(), openBrowser()]
    await person.signIn({ panel: await panelOf('ann') })
    expect(await operator.signIn({ key: apiKey })).toBe('ok')
    await test.core.database.rows(sql`update web_sessions set expires_at = now() where identity = 'test:ann'`)
    await test.core.database.rows(
      sql`update web_sessions set operator_key = 'of another key' where identity <> 'test:ann'`,
    )
    for (const browser of [person, operator]) expect(await browser.session()).toMatchObject({ trouble: 'sign_in' })
  })

  it('has a cookie that scripts and other sites cannot use, and no readable secret in the database', async () => {
    const key = await keyOf('ann')
    const answer = await app.inject({
      method: 'POST',
      url: '/web/signin',
      headers: { host: 'localhost:8080' },
      payload: { key },
    })
    expect(answer.cookies).toMatchObject([{ name: 'fluxbot_session', httpOnly: true, sameSite: 'Strict', path: '/' }])
    const rows = JSON.stringify(await test.core.database.rows(sql`select * from web_sessions`))
    expect(rows).not.toContain(answer.cookies[0]?.value ?? '?')
    expect(rows).not.toContain(key)
  })

  it.each([
    ['another origin', { origin: 'https://evil.example' }],
    ['another site, according to the browser', { 'sec-fetch-site': 'cross-site' }],
    ['a foreign host name', { host: 'evil.example' }],
  ])('is not opened or ended from %s', async (_name, headers) => {
    const browser = openBrowser()
    const token = await panelOf('ann')
    expect((await browser.ask('/web/signin', { panel: token }, headers)).statusCode).toBe(403)
    expect(await browser.signIn({ panel: token })).toBe('ok')
    expect((await browser.ask('/web/signout', {}, headers)).statusCode).toBe(403)
    expect(await browser.session()).toMatchObject({ name: 'ann' })
  })
})
