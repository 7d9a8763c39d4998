/** What the page shows beside the words: options that models take, and the price before anything is sent. */
import { eq } from 'drizzle-orm'
import { request } from 'undici'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { allActions } from '../../src/bots/actions/index.ts'
import { allCommands } from '../../src/bots/commands/index.ts'
import { createDispatch } from '../../src/bots/dispatch.ts'
import { signInToken } from '../../src/bots/web/access.ts'
import { createWeb } from '../../src/bots/web/web.ts'
import { accountOf, readAccount } from '../../src/core/accounts/accounts.ts'
import { saveSettings } from '../../src/core/accounts/settings.ts'
import type { Core } from '../../src/core/core.ts'
import { generations } from '../../src/db/schema/generations.ts'
import { createApp } from '../../src/http/server/app.ts'
import { models } from '../../src/models/index.ts'
import { quickest } from '../helpers/backends.ts'
import { createPlain, openTestCore, type TestCore } from '../helpers/core.ts'
import { keepLog } from '../helpers/log.ts'
import { freePort } from '../helpers/ports.ts'

interface Offer {
  id: string
  title: string
  aspects: string[]
  count: number
  seed: boolean
  negative: boolean
  strength?: { min: number; max: number }
  enhance: boolean
}

interface Quote {
  price?: number
  summary?: string
  balance: string
  trouble?: string
}

let test: TestCore
let core: Core
let url: string
let headers: Record<string, string>
let visitor: string
const stops: (() => unknown)[] = []

beforeAll(async () => {
  const port = await freePort()
  const providers = [createPlain(), createPlain({ name: 'fal' })]
  test = await openTestCore(quickest, { providers, models: models.filter(({ id }) => /^(flux-|sketch)/.test(id)) })
  core = test.core
  const log = keepLog()
  url = `http://127.0.0.1:${port}`
  const { database, secretKey } = core
  const link = async (key: string) => `${url}/image/${key}`
  const web = createWeb({ core: () => core, database, secretKey, publicUrl: url, link, log })
  core = { ...core, surfaces: new Map([['web', web]]) }
  await web.start(createDispatch(core, { commands: allCommands, actions: allActions }))
  const app = createApp({ log, closeMs: 100, plugins: [web.plugin] })
  await app.listen({ port, host: '127.0.0.1' })
  const opened = await request(`${url}/?token=${signInToken(secretKey)}`)
  await opened.body.dump()
  headers = { cookie: String(opened.headers['set-cookie']).split(';')[0] as string }
  visitor = ((await (await ask('/web/session')).body.json()) as { visitor: string }).visitor
  stops.push(
    () => app.close(),
    () => web.stop(),
    () => test.close(),
  )
})
afterAll(async () => {
  for (const stop of stops) await stop()
})

describe('the options', () => {
  it('are those that each model takes, with its price', async () => {
    const { models: offered, automatic } = await offers(0)
    const byId = new Map(offered.map((each) => [each.id, each]))
    expect(byId.get('sketch')).toEqual({
      id: 'sketch',
      title: 'Sketch (built in) · 1 credit',
      aspects: expect.arrayContaining(['1:1', '16:9']),
      count: 4,
      seed: true,
      negative: true,
      enhance: false,
    })
    expect(byId.get('flux-dev')).toMatchObject({ negative: false, seed: true })
    expect(automatic).toMatchObject({ negative: true, count: 4 })
  })

  it('follow the number of attached pictures', async () => {
    const names = async (images: number) => (await offers(images)).models.map(({ id }) => id)
    expect(await names(0)).not.toContain('flux-dev-redux')
    expect(await names(1)).toEqual(expect.arrayContaining(['flux-dev', 'flux-dev-redux', 'sketch']))
    expect(await names(14)).toEqual(['sketch'])
    const dev = (await offers(1)).models.find(({ id }) => id === 'flux-dev')
    expect(dev).toHaveProperty('strength')
    expect((await offers(0)).models.find(({ id }) => id === 'flux-dev')).not.toHaveProperty('strength')
  })

  it('are for visitors who have signed in', async () => {
    for (const path of ['/web/composer?images=0', '/web/quote']) {
      const options = path.endsWith('quote') ? { method: 'POST' as const, body: '{}' } : {}
      const { statusCode, body } = await request(url + path, {
        ...options,
        headers: { 'content-type': 'application/json' },
      })
      await body.dump()
      expect(statusCode).toBe(401)
    }
  })
})

describe('the price of what is composed', () => {
  it.each<[string, Record<string, unknown>, number, number, string]>([
    ['', {}, 0, 4, 'flux-dev'],
    ['a cat', { model: 'sketch', count: 3 }, 0, 3, 'sketch'],
    ['a cat --n 2', { model: 'sketch' }, 0, 2, 'sketch'],
    ['/flux a cat --n 2', { model: 'sketch', count: 4 }, 0, 4, 'sketch'],
    ['a cat --model sketch', {}, 0, 1, 'sketch'],
    ['', { model: 'sketch' }, 2, 1, 'sketch'],
  ])('%j with %j and %i pictures is quoted as it would be charged', async (text, options, images, price, id) => {
    const model = core.models.all().find((each) => each.id === id)
    const quoted = await quote(text, options, images)
    const count = Number(options.count ?? /--n (\d)/.exec(text)?.[1] ?? 1)
    expect(quoted.price).toBe((model?.price ?? 0) * count)
    if (id === 'sketch') expect(quoted.price).toBe(price)
    expect(quoted.summary).toContain(model?.title)
    expect(quoted).not.toHaveProperty('trouble')
  })

  it.each<[string, Record<string, unknown>, RegExp]>([
    ['a cat', { model: 'flux-dev', negative: 'dogs' }, /flux-dev does not take --no/],
    ['a cat --lora warm', { model: 'flux-dev' }, /flux-dev does not take --lora\. .*sketch/],
    ['a cat', { model: 'nothing' }, /no model "nothing"/],
    ['a cat', { aspect: '17:3' }, /17:3/],
    ['a cat', { count: 9, model: 'sketch' }, /"9" does not fit --n/],
    ['a cat', { seed: 'x' }, /"x" does not fit --seed/],
    ['a cat', { enhance: 'on' }, /enhancement is not set up/],
    ['a cat --nonsense', {}, /no option --nonsense/],
  ])('%j with %j is refused in the words of the answer to it', async (text, options, words) => {
    const quoted = await quote(text, options)
    expect(quoted).not.toHaveProperty('price')
    expect(quoted.trouble).toMatch(words)
    expect(await answerTo(text, options)).toBe(quoted.trouble)
  })

  it('is refused for credits that are missing, and names the balance', async () => {
    const { balance, trouble } = await quote('a cat', { model: 'flux-max', count: 4 })
    expect(balance).toBe('20 credits left')
    expect(trouble).toMatch(/That costs \d+ credits and you have 20/)
  })

  it.each(['/history', '/help', '/credits'])('of %s is none', async (text) => {
    expect(await quote(text, { model: 'sketch' })).toEqual({ balance: '20 credits left' })
  })

  it.each([{ prompt: 'x' }, { image1: 'x' }, { nonsense: 1 }, { count: null }])('does not take %j', async (options) => {
    const { statusCode, body } = await ask('/web/quote', { text: 'a cat', images: 0, options })
    await body.dump()
    expect(statusCode).toBe(400)
    expect((await send('a cat', options)).status).toBe(400)
  })
})

it('sends options with the words as one request, and charges what was quoted', async () => {
  const options = { model: 'sketch', aspect: '16:9', count: 2, seed: '7', negative: 'dogs, cars' }
  const text = 'a cat --steps 5 --lora warm:0.5'
  const { price } = await quote(text, options)
  const { id } = await send(text, options)
  await expect.poll(() => stored(id)).toBeDefined()
  expect(await stored(id)).toMatchObject({
    request: {
      prompt: 'a cat',
      model: 'sketch',
      aspect: '16:9',
      count: 2,
      seed: '7',
      negative: 'dogs, cars',
      steps: 5,
      loras: [{ path: 'warm', scale: 0.5 }],
    },
    price,
  })
  const account = await readAccount(core, await accountOf(core, { id: visitor, name: visitor.slice(0, 10) }))
  expect(account).toMatchObject({ balance: 20 - (price ?? 0), held: price })
  const shown = (await messages()).find((each) => each.id === id)
  expect(shown).toMatchObject({ role: 'person', text, options })
})

it('refuses what costs more than the page showed, and names the price', async () => {
  const { id, status } = await send('a cat', { model: 'sketch', count: 2 }, 1)
  expect(status).toBe(202)
  const answer = async () => (await messages()).find((each) => each.id === `${id}:answer`)?.text
  await expect.poll(answer).toContain('from 1 credit to 2 credits')
  expect(await stored(id)).toBeUndefined()
  const agreed = await send('a cat', { model: 'sketch', count: 2 }, 2)
  await expect.poll(() => stored(agreed.id)).toMatchObject({ price: 2 })
  expect((await send('a cat', {}, -1)).status).toBe(400)
})

it('knows the settings of the person, and charges what was quoted', async () => {
  const userId = await accountOf(core, { id: visitor, name: visitor.slice(0, 10) })
  await saveSettings(core, { userId }, { model: 'sketch', aspect: '16:9', count: 2 })
  try {
    const { price, summary } = await quote('a cat', {})
    expect([price, summary]).toEqual([2, 'Sketch (built in) · 2 credits'])
    const { id } = await send('a cat', {})
    await expect.poll(() => stored(id)).toBeDefined()
    expect(await stored(id)).toMatchObject({ price, request: { model: 'sketch', aspect: '16:9', count: 2 } })
  } finally {
    await saveSettings(core, { userId }, { model: null, aspect: null, count: null })
  }
})

// ── Helpers ──

const ask = (path: string, body?: object) =>
  request(url + path, {
    method: body ? 'POST' : 'GET',
    headers: { ...headers, ...(body && { 'content-type': 'application/json' }) },
    body: body && JSON.stringify(body),
  })

const offers = async (images: number) =>
  (await (await ask(`/web/composer?images=${images}`)).body.json()) as { models: Offer[]; automatic: Offer }

const quote = async (text: string, options: object, images = 0) =>
  (await (await ask('/web/quote', { text, options, images })).body.json()) as Quote

interface Shown {
  id: string
  text: string
}

const messages = async () => (await (await ask('/web/messages')).body.json()) as Shown[]

async function send(text: string, options: object, shown?: number): Promise<{ id: string; status: number }> {
  const id = crypto.randomUUID()
  const form = new FormData()
  for (const [name, value] of Object.entries({ id, text, options: JSON.stringify(options) })) form.set(name, value)
  if (shown !== undefined) form.set('shown', String(shown))
  const data = new Response(form)
  const { statusCode, body } = await request(`${url}/web/messages`, {
    method: 'POST',
    headers: { ...headers, 'content-type': data.headers.get('content-type') ?? '' },
    body: Buffer.from(await data.arrayBuffer()),
  })
  await body.dump()
  return { id, status: statusCode }
}

async function answerTo(text: string, options: object): Promise<string | undefined> {
  const { id } = await send(text, options)
  const answer = async () => (await messages()).find((each) => each.id === `${id}:answer`)
  await expect.poll(answer).toBeDefined()
  return (await answer())?.text
}

async function stored(id: string) {
  const [row] = await core.database.db
    .select({ request: generations.request, price: generations.price })
    .from(generations)
    .where(eq(generations.key, `${visitor}:${id}`))
  return row
}
