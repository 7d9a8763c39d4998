/** Searches a dump of all tables for the codes, keys and links with a token that the page was asked for, and finds none. */
import { sql } from 'drizzle-orm'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { allActions } from '../../../src/bots/actions/index.ts'
import { allCommands } from '../../../src/bots/commands/index.ts'
import { createDispatch } from '../../../src/bots/dispatch.ts'
import { signInToken } from '../../../src/bots/web/access.ts'
import { forgetSecrets } from '../../../src/bots/web/messages.ts'
import { createWeb } from '../../../src/bots/web/web.ts'
import type { Call } from '../../../src/core/ports/chat.ts'
import { createApp } from '../../../src/http/server/app.ts'
import { quickest } from '../../helpers/backends.ts'
import { says } from '../../helpers/chat.ts'
import { createChat, openTestCore, type TestCore } from '../../helpers/core.ts'
import { dump, linesWith } from '../../helpers/dump.ts'
import { keepLog } from '../../helpers/log.ts'
import { freePort } from '../../helpers/ports.ts'
import { visit } from '../../helpers/visitor.ts'

const hidden = 'What is hidden here was shown for 10 minutes, and cannot be shown again.'

let test: TestCore
let stops: (() => Promise<unknown>)[]
let port: number
let first: Awaited<ReturnType<typeof process>>

beforeEach(async () => {
  stops = []
  port = await freePort()
  const chat = createChat()
  test = await openTestCore(quickest, { chat, admins: ['test:root'], publicUrl: `http://localhost:${port}` })
  first = await process(test.core.secretKey, port)
})
afterEach(async () => {
  for (const stop of stops.toReversed()) await stop()
  await test.close()
})

/** A process that serves the page. */
async function process(secretKey: Buffer, at: number) {
  const log = keepLog()
  const { database } = test.core
  const publicUrl = `http://localhost:${at}`
  const admins = new Set(['test:root'])
  const web = createWeb({
    core: () => test.core,
    database,
    secretKey,
    publicUrl,
    admins,
    link: async () => publicUrl,
    log,
  })
  const surfaces = new Map([...test.core.surfaces, ['web', web]] as const)
  const app = createApp({ log, closeMs: 100, plugins: [web.plugin] })
  await web.start(createDispatch({ ...test.core, surfaces }, { commands: allCommands, actions: allActions }))
  await app.listen({ port: at, host: '127.0.0.1' })
  stops.push(
    () => web.stop(),
    () => app.close(),
  )
  return { web, port: at, stop: async () => Promise.all([web.stop(), app.close()]) }
}

/** A browser that is signed in as administrator, or as the person whose `/panel` link it opens. */
async function browser(who?: string) {
  const url = `http://localhost:${port}`
  const seen = await visit({ url, port, token: who === undefined ? signInToken(test.core.secretKey) : '', stops })
  let { cookie } = seen
  if (who !== undefined) {
    const [, panel] = /#panel=([\w-]{43})/.exec(await inChat('/panel', { who })) ?? []
    const body = JSON.stringify({ panel })
    const signed = await seen.ask('/web/signin', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body,
    })
    cookie = String(signed.headers['set-cookie']).split(';')[0] ?? ''
  }
  const headers = { cookie }
  const messages = async (at = port) => {
    const own = { ...headers, host: `localhost:${at}` }
    const answer = await fetch(`http://127.0.0.1:${at}/web/messages`, { headers: own })
    return (await answer.json()) as { id: string; text: string; state?: string; buttons?: { id: string }[][] }[]
  }
  const answerTo = async (id: string, at = port) => (await messages(at)).find((each) => each.id === `${id}:answer`)
  return {
    messages,
    answerTo,
    /** Resolves to the id of the message once it is answered. */
    say: async (text: string) => {
      const id = crypto.randomUUID()
      expect(await seen.send(text, { id, headers })).toMatchObject({ status: 202 })
      await expect.poll(async () => (await answerTo(id))?.text).toBeDefined()
      return id
    },
    press: (button: string, message: string) =>
      seen.ask('/web/presses', {
        method: 'POST',
        headers: { ...headers, 'content-type': 'application/json' },
        body: JSON.stringify({ id: crypto.randomUUID(), button, message }),
      }),
  }
}

const inChat = async (text: string, over: Partial<Call> & { who?: string } = {}) =>
  test.chat.last((await test.say(text, { isPrivate: true, ...over })).address)?.text ?? ''

/** Lines of the whole database with one of the words. */
const stored = async (...words: string[]) => linesWith(await dump(test.core.database), words)
const handled = () =>
  expect.poll(() => test.core.database.rows(sql`select key from inbox where handled_at is null`)).toEqual([])
const codeIn = (text: string) => /[0-9A-Z]{4}-[0-9A-Z]{4}/.exec(text)?.[0] ?? 'no code'

describe('the page', () => {
  it('gives no API key, sign-in link, credit code or export link, so that none of them is stored', async () => {
    const [operator, root, ann] = [await browser(), await browser('root'), await browser('ann')]
    for (const [who, text] of [
      [ann, '/apikey create mine'],
      [ann, '/panel'],
      [ann, '/privacy export'],
      [operator, '/apikey create mine'],
      [root, '/credits code 50'],
    ] as const) {
      expect((await who.answerTo(await who.say(text)))?.text, text).toContain('in private chats only')
    }
    await handled()
    const made = await test.core.database.rows(sql`
      select hash from api_keys union all select hash from credit_codes union all select hash from privacy_exports`)
    expect(made).toEqual([])
    expect((await dump(test.core.database)).filter((line) => /fb_[\w-]{43}|\/exports\/[\w-]{43}/.test(line))).toEqual(
      [],
    )
  })

  it('shows a code for ten minutes, also after a reload and in another process, and stores it sealed', async () => {
    const ann = await browser('ann')
    const id = await ann.say('/link')
    const shown = await ann.answerTo(id)
    const code = codeIn(shown?.text ?? '')
    expect(shown?.text).not.toContain(hidden)
    await handled()
    expect(await stored(code, code.replace('-', ''))).toEqual([])
    const second = await process(test.core.secretKey, await freePort())
    await first.stop()
    expect(await ann.answerTo(id, second.port)).toEqual(shown)

    await test.core.database.rows(sql`update web_messages set sealed_until = now() where sealed is not null`)
    const later = await ann.answerTo(id, second.port)
    expect(later?.text).toContain('/link ••••')
    expect(later?.text).toContain(hidden)
    expect(JSON.stringify(later)).not.toContain(code)
    await forgetSecrets(test.core.database)
    expect(await test.core.database.rows(sql`select id from web_messages where sealed is not null`)).toEqual([])
  })

  it('stores no code that a person writes, nor the button that joins by it', async () => {
    const code = codeIn(await inChat('/link', { who: 'bob' }))
    const ann = await browser('ann')
    const id = await ann.say(`/link ${code}`)
    const button = (await ann.answerTo(id))?.buttons?.[0]?.[0]?.id ?? ''
    const [, , ref = 'no ref'] = button.split(':')
    await handled()
    expect(await stored(code, code.replace('-', ''), ref)).toEqual([])
    expect((await ann.messages()).find((each) => each.id === id)?.text).toBe('/link ••••')
    expect((await ann.press(button, `${id}:answer`)).status).toBe(202)
    const people = () => test.core.database.rows(sql`select count(distinct user_id)::int as n from identities`)
    await expect.poll(people).toEqual([{ n: 1 }])
    await handled()
    expect(await stored(code, code.replace('-', ''), ref)).toEqual([])
  })

  it('stores no credit code that a person redeems', async () => {
    const code = /[0-9A-Z]{4}(-[0-9A-Z]{4}){3}/.exec(await inChat('/credits code 50 9', { who: 'root' }))?.[0] ?? ''
    const ann = await browser('ann')
    const id = await ann.say(` /Redeem  ${code}`)
    expect((await ann.answerTo(id))?.text).toContain('50 credits')
    await handled()
    expect(await stored(code, code.replaceAll('-', ''))).toEqual([])
    expect((await ann.messages()).find((each) => each.id === id)?.text).toBe(' /Redeem  ••••')
  })

  it('hides the secrets of any reply, in toasts as well', async () => {
    const key = `fb_${'k'.repeat(43)}`
    const address = `web:a-visitor:${crypto.randomUUID()}` as const
    for (const more of [{}, { toast: true }]) {
      await first.web.post(address, says(`Key: ${key}, key: ${key}`, 'info', { secrets: [key], ...more }))
    }
    expect(await stored(key)).toEqual([])
    const rows = await test.core.database.rows(sql`select body->>'text' as text from web_messages order by id`)
    expect(rows).toEqual(Array(2).fill({ text: `Key: ••••, key: ••••\nℹ️ ${hidden}` }))
  })

  it('keeps a secret hidden after SECRET_KEY has changed, and once its message has changed', async () => {
    const ann = await browser('ann')
    const id = await ann.say('/link')
    const code = codeIn((await ann.answerTo(id))?.text ?? '')
    const [row] = await test.core.database.rows<{ id: string; visitor: string }>(
      sql`select id, visitor from web_messages where sealed is not null`,
    )
    await first.web.changeButtons(`web:${row?.visitor}:${id}`, { locale: 'en', buttons: [] })
    expect(JSON.stringify(await ann.answerTo(id))).not.toContain(code)

    const again = await ann.say('/link')
    await test.core.database.rows(sql`
      update web_messages set sealed = regexp_replace(sealed, '^v1[.][0-9a-f]+', 'v1.00000000') where sealed is not null`)
    expect((await ann.answerTo(again))?.text).toContain('/link ••••')
  })
})
