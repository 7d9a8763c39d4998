/**
 * A table of requests: what is quoted is held and charged, on the page, in both chats and by the API. A picture that does not arrive
 * gives its own part back.
 */
import { sql } from 'drizzle-orm'
import type { FastifyInstance } from 'fastify'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { allActions } from '../../src/bots/actions/index.ts'
import { allCommands } from '../../src/bots/commands/index.ts'
import { createDiscord } from '../../src/bots/discord/discord.ts'
import { createDispatch } from '../../src/bots/dispatch.ts'
import { createTelegram } from '../../src/bots/telegram/telegram.ts'
import { signInToken } from '../../src/bots/web/access.ts'
import { createWeb } from '../../src/bots/web/web.ts'
import { accountOf } from '../../src/core/accounts/accounts.ts'
import { createApiKey } from '../../src/core/accounts/api-keys.ts'
import { setPrice } from '../../src/core/billing/prices.ts'
import { sizeClassOf } from '../../src/core/billing/quote.ts'
import type { Quote } from '../../src/core/ports/models.ts'
import { flux } from '../../src/http/api/flux/index.ts'
import { createApiSurface } from '../../src/http/api/surface.ts'
import { createApp } from '../../src/http/server/app.ts'
import { models } from '../../src/models/index.ts'
import { type DiscordEmulator, startDiscord } from '../emulators/discord/index.ts'
import { startTelegram, type TelegramEmulator } from '../emulators/telegram/index.ts'
import { quickest } from '../helpers/backends.ts'
import { createPlain, openTestCore, pngOf, type TestCore } from '../helpers/core.ts'
import { apiParts } from '../helpers/http.ts'
import { violations } from '../helpers/invariants.ts'
import { keepLog } from '../helpers/log.ts'

/** Model, ratio or size, count, input pictures, enhanced, scale, credits; those that are charged if one picture is missing. */
type Row = [string, string, number, number, boolean, number | undefined, number, number?]

/** Prices that differ from the declarations: `* enhance 1` and `sketch input 2`. */
const table: Row[] = [
  ['sketch', '1:1', 1, 0, false, undefined, 1],
  ['sketch', '16:9', 3, 0, false, undefined, 3, 2],
  ['sketch', '512x512', 4, 0, false, undefined, 4, 3],
  ['sketch', '1280x1024', 1, 0, false, undefined, 2],
  ['sketch', '1920x1080', 2, 0, true, undefined, 5, 3],
  ['sketch', '2048x2048', 1, 0, false, undefined, 4],
  ['sketch', '2048x2048', 3, 0, true, undefined, 13, 9],
  ['sketch', '1:1', 1, 1, false, undefined, 3],
  ['sketch', '9:16', 2, 2, true, undefined, 7, 6],
  ['sketch', '1536x1536', 2, 1, true, undefined, 7, 5],
  ['flux-dev', '1:1', 1, 0, false, undefined, 2],
  ['flux-dev', '21:9', 4, 0, false, undefined, 8, 6],
  ['flux-dev', '256x256', 1, 0, true, undefined, 3],
  ['flux-dev', '1600x1200', 1, 0, false, undefined, 4],
  ['flux-dev', '2048x1536', 2, 0, true, undefined, 17, 9],
  ['flux-dev', '', 1, 1, false, undefined, 2],
  ['flux-dev', '', 3, 1, true, undefined, 7, 5],
  ['flux-schnell', '3:2', 2, 0, false, undefined, 2, 1],
  ['flux-schnell', '2000x2000', 4, 0, true, undefined, 17, 13],
  ['flux-pro', '1:1', 1, 0, false, undefined, 4],
  ['flux-pro', '4:3', 2, 0, true, undefined, 9, 5],
  ['flux-pro', '', 1, 2, true, undefined, 5],
  ['flux-max', '9:21', 1, 0, true, undefined, 9],
  ['flux-max', '', 2, 1, false, undefined, 16, 8],
  ['flux-2', '1024x1024', 2, 0, false, undefined, 4, 2],
  ['flux-2', '1536x1536', 3, 2, true, undefined, 13, 9],
  ['flux-2-pro', '1:1', 1, 0, true, undefined, 5],
  ['flux-2-pro', '1920x1080', 1, 0, false, undefined, 6],
  ['flux-2-pro', '2048x2048', 1, 2, true, undefined, 13],
  ['flux-2-pro', '', 1, 1, false, undefined, 5],
  ['flux-2-max', '1440x1440', 1, 0, false, undefined, 11],
  ['flux-2-max', '2048x2048', 1, 1, true, undefined, 21],
  ['cf-phoenix', '512x512', 1, 0, false, undefined, 1],
  ['cf-phoenix', '2048x1024', 1, 0, true, undefined, 5],
  ['seedream', '16:9', 4, 0, false, undefined, 12, 9],
  ['seedream', '', 1, 2, true, undefined, 4],
  ['qwen-image-2', '2048x2048', 3, 0, true, undefined, 7, 5],
  ['wan', '1:1', 2, 0, false, undefined, 4, 2],
  ['upscale', '', 1, 1, false, 2, 4],
  ['upscale', '', 1, 1, false, 4, 8],
]

interface Wanted {
  words: string
  model: string
  aspect: string
  count: number
  images: Buffer[]
  enhance: boolean
  scale?: number
}

/** Where requests are made. */
interface Place {
  /** As generations have it. */
  surface: string
  /** Before the request. undefined: the surface shows a price only in lists and on buttons. */
  quoted(wanted: Wanted): Promise<number | undefined>
  ask(wanted: Wanted): Promise<void>
}

const kept = keepLog()
const missing = 'with one missing'
const host = 'localhost:8080'
let test: TestCore
let app: FastifyInstance
let picture: Buffer
let cookie: string
let key: string
let telegram: TelegramEmulator
let lastPerson = 700
let discord: DiscordEmulator
const stops: (() => unknown)[] = []

beforeAll(async () => {
  picture = await pngOf(64, 48)
  telegram = await startTelegram()
  discord = await startDiscord()
  const facts = { get: async () => undefined, set: async () => undefined }
  const shared = { commands: allCommands, actions: allActions, log: kept }
  const start = async ({ id }: { id: string }) => {
    const [row] = await test.core.database.rows<{ count: number; prompt: string }>(
      sql`select (request->>'count')::int as count, request->>'prompt' as prompt from generations where id = ${id}`,
    )
    const { count = 0, prompt = '' } = row ?? {}
    const drawn = prompt.includes(missing) ? count - 1 : count
    return { state: 'done' as const, images: Array.from({ length: drawn }, () => picture) }
  }
  test = await openTestCore(quickest, {
    models,
    providers: ['sketch', 'fal', 'ark', 'dashscope', 'cloudflare', 'lanczos'].map((name) =>
      createPlain({ name, start }),
    ),
    enhancer: { model: 'poet', enhance: async (prompt) => `a splendid ${prompt}`, close: async () => undefined },
    limits: { welcome: 5_000, perMinute: 6_000 },
    surfaces: ({ database, models: all, secretKey, link, core }) => [
      createTelegram({ ...shared, token: telegram.token, apiUrl: telegram.apiUrl, database }),
      createDiscord({ ...shared, token: discord.token, apiUrl: discord.apiUrl, database, models: all, facts }),
      createWeb({ core, database, secretKey, publicUrl: 'http://localhost:8080', link, log: kept }),
      createApiSurface({ database }),
    ],
  })
  const { core } = test
  const act = { actor: 'test', key: 'enhance' }
  await setPrice(core, act, { model: '*', part: 'enhance', credits: 1 })
  await setPrice(core, { ...act, key: 'input' }, { model: 'sketch', part: 'input', credits: 2 })
  for (const name of ['telegram', 'discord', 'web']) {
    await core.surfaces.get(name)?.start(createDispatch(core, { commands: allCommands, actions: allActions }))
  }
  const web = core.surfaces.get('web') as ReturnType<typeof createWeb>
  const parts = apiParts(core, { operatorKey: 'the-operator-s-own-key', requestsPerMinute: 100_000 })
  app = createApp({ log: kept, closeMs: 100, plugins: [web.plugin, flux(parts)].flat() })
  const opened = await app.inject({ url: `/?token=${signInToken(core.secretKey)}`, headers: { host } })
  cookie = String(opened.headers['set-cookie']).split(';')[0] as string
  key = (await createApiKey(core, { userId: await accountOf(core, { id: 'test:ann', name: 'ann' }), name: 'mine' })).key
  await test.work()
  stops.push(() => app.close())
})
afterAll(async () => {
  for (const name of ['telegram', 'discord', 'web']) await test.core.surfaces.get(name)?.stop()
  for (const stop of stops) await stop()
  const wrong = await violations(test.core.database)
  await test.close()
  await Promise.all([telegram.stop(), discord.stop()])
  expect(wrong).toEqual([])
  expect([...telegram.violations, ...discord.violations]).toEqual([])
})

const places: Record<string, Place> = {
  'the page': {
    surface: 'web',
    quoted: async (wanted) => {
      const size = wanted.images.length > 0 ? { width: 64, height: 48 } : undefined
      const quote = { text: textOf(wanted), images: wanted.images.length, size, options: {} }
      const { price } = (await page('/web/quote', JSON.stringify(quote), 'application/json')).json<{ price?: number }>()
      return price
    },
    ask: async (wanted) => {
      const form = new FormData()
      const price = await places['the page']?.quoted(wanted)
      form.set('id', crypto.randomUUID())
      form.set('text', textOf(wanted))
      form.set('options', '{}')
      if (price !== undefined) form.set('shown', String(price))
      for (const image of wanted.images) form.append('images', new Blob([image], { type: 'image/png' }), 'a.png')
      const data = new Response(form)
      const type = data.headers.get('content-type') ?? ''
      const { statusCode } = await page('/web/messages', Buffer.from(await data.arrayBuffer()), type)
      expect(statusCode).toBe(202)
    },
  },
  Telegram: {
    surface: 'telegram',
    quoted: async () => undefined,
    ask: async (wanted) => {
      const caption = textOf(wanted)
      const [first, ...others] = wanted.images
      // each in a chat of its own: one chat takes few messages a minute
      const from = { userId: ++lastPerson }
      if (first === undefined) telegram.say(caption, from)
      else if (others.length === 0) telegram.sendPhoto({ data: first, caption }, from)
      else telegram.sendAlbum([{ data: first, caption }, ...others.map((data) => ({ data }))], from)
    },
  },
  Discord: {
    surface: 'discord',
    quoted: async () => undefined,
    ask: async (wanted) => {
      const files = wanted.images.map((data) => ({ filename: 'a.png', data }))
      if (wanted.scale) discord.slash('upscale', { image: files[0]!, scale: String(wanted.scale) })
      else {
        const images = Object.fromEntries(files.map((file, at) => [`image${at + 1}`, file]))
        discord.slash('flux', { prompt: textOf(wanted), ...images })
      }
    },
  },
  'the API': {
    surface: 'api',
    // by the list of prices
    quoted: async ({ model, aspect, count, images, enhance, scale }) => {
      const { models: listed } = (await api('GET', 'models')).json<{ models: Listed[] }>()
      const { prices = {}, modes } = listed.find(({ id }) => id === model) ?? {}
      const sizes = modes?.[images.length === 0 ? 'text_to_image' : 'image_to_image']?.aspect_ratios ?? {}
      const [width = 0, height = 0] = aspect.split('x').map(Number)
      const size = sizes[aspect] ?? (aspect === '' ? Object.values(sizes)[0] : undefined) ?? { width, height }
      const each = scale ? ((prices.upscale ?? 0) * scale) / 2 : (prices[sizeClassOf(size)] ?? 0)
      return each * count + (prices.input ?? 0) * images.length + (enhance ? (prices.enhance ?? 0) : 0)
    },
    ask: async ({ words, model, aspect, count, images, enhance, scale }) => {
      const paths = ['text-to-image', 'image-to-image', 'multi-image-edit']
      const urls = images.map((data) => `data:image/png;base64,${data.toString('base64')}`)
      const { statusCode } = await api('POST', paths[Math.min(2, images.length)] ?? '', {
        model,
        ...(scale ? { scale } : { prompt: words, num_images: count, enhance }),
        ...(aspect && { aspect_ratio: aspect }),
        ...(urls.length > 0 && { image_urls: urls }),
      })
      expect(statusCode).toBe(200)
    },
  },
}

interface Listed {
  id: string
  prices: Record<string, number>
  modes: Record<string, { aspect_ratios: Record<string, { width: number; height: number }> } | null>
}

describe.each(Object.keys(places))('on %s', (name) => {
  it.each(table)(
    '%s %s × %i with %i pictures, enhanced: %s, scale %s, is quoted, held and charged %i',
    async (...row) => {
      const place = places[name]!
      const [, , count, , , , credits] = row
      const wanted = wantedOf(row, 'a cat')
      const quoted = await place.quoted(wanted)
      const done = await drawn(place, wanted)
      expect(quoted ?? credits).toBe(credits)
      expect(done).toMatchObject({ price: credits, held: credits, charged: credits })
      expect(done.quote.total).toBe(credits)
      expect(done.quote.parts.reduce((sum, part) => sum + part.count * part.each, 0)).toBe(credits)
      expect(done.pictures).toBe(count)
      // the button that draws the same again
      if (wanted.scale === undefined && place.surface !== 'api') expect(done.again).toBe(credits)
    },
  )
})

const partial = table.filter(([, , count]) => count > 1)

it.each(partial)('%s %s × %i with %i pictures, enhanced: %s, gives back what is missing', async (...row) => {
  const [, , count, , , , credits, charged] = row
  const all = Object.values(places)
  const place = all[partial.findIndex((each) => `${each}` === `${row}`) % all.length]!
  const wanted = wantedOf(row, `a cat ${missing}`)
  expect((await place.quoted(wanted)) ?? credits).toBe(credits)
  const done = await drawn(place, wanted)
  expect(done).toMatchObject({ held: credits, charged, pictures: count - 1 })
})

// ── Helpers ──

const wantedOf = ([model, aspect, count, images, enhance, scale]: Row, words: string): Wanted => ({
  words,
  model,
  aspect,
  count,
  images: Array.from({ length: images }, () => picture),
  enhance,
  scale,
})

function textOf({ words, model, aspect, count, enhance, scale }: Wanted): string {
  if (scale) return `/upscale ${scale}`
  return [words, aspect, `--n ${count}`, `--model ${model}`, enhance ? '--enhance' : '']
    .filter((part) => part !== '')
    .join(' ')
}

interface Drawn {
  price: number
  quote: Quote
  again: number | null
  held: number
  charged: number
  pictures: number
}

/** The request, once it is delivered. */
async function drawn({ surface, ask }: Place, wanted: Wanted): Promise<Drawn> {
  const find = () =>
    test.core.database.rows<Drawn & { id: string; state: string }>(sql`
      select id, state, price, quote, (quoted->>'reroll')::int as again,
        (select held from ledger where generation_id = g.id and kind = 'hold') as held,
        -(select sum(amount) from ledger where generation_id = g.id)::int as charged,
        (select count(*)::int from images where generation_id = g.id and role = 'output') as pictures
      from generations g where surface = ${surface} order by id desc limit 1`)
  const [before] = await find()
  await ask(wanted)
  const isNew = async () => {
    const [row] = await find()
    return row !== undefined && row.id !== before?.id && row.state
  }
  await expect.poll(isNew, { interval: 20 }).toBe('delivered')
  const [row] = await find()
  return row!
}

const page = (path: string, payload: string | Buffer, type: string) =>
  app.inject({ method: 'POST', url: path, headers: { host, cookie, 'content-type': type }, payload })

const api = (method: 'GET' | 'POST', path: string, payload?: object) =>
  app.inject({ method, url: `/api/v1/flux/${path}`, headers: { host, authorization: `Bearer ${key}` }, payload })
