/** Discord, Telegram and the page behind one contract, each with two people. */
import type { FastifyInstance } from 'fastify'
import { request } from 'undici'
import { allCommands } from '../../src/bots/commands/index.ts'
import { createDiscord } from '../../src/bots/discord/discord.ts'
import { createTelegram } from '../../src/bots/telegram/telegram.ts'
import { signInToken } from '../../src/bots/web/access.ts'
import { createWeb } from '../../src/bots/web/web.ts'
import { createApp } from '../../src/http/server/app.ts'
import { type Person, type SurfaceHarness, surfaceContract } from '../contracts/surface.ts'
import { type Interaction, startDiscord } from '../emulators/discord/index.ts'
import { startTelegram } from '../emulators/telegram/index.ts'
import { keepLog } from '../helpers/log.ts'
import { freePort } from '../helpers/ports.ts'

const megabyte = 1024 * 1024

async function discordHarness(): Promise<SurfaceHarness> {
  const discord = await startDiscord()
  const facts = new Map<string, string>()
  const presses: Interaction[] = []
  const people = { ann: discord.person.id, bob: '80351110224678912' }
  let asked: Interaction | undefined
  return {
    create: async ({ database, models }) =>
      createDiscord({
        token: discord.token,
        apiUrl: discord.apiUrl,
        database,
        commands: allCommands,
        models,
        facts: { get: async (name) => facts.get(name), set: async (name, value) => void facts.set(name, value) },
        log: keepLog(),
      }),
    identityOf: (person) => `discord:${people[person]}`,
    ask: async (prompt) => {
      asked = discord.slash('flux', { prompt })
    },
    answer: async () => {
      const message = asked?.reply()
      if (!message || message.thinking) return undefined
      const buttons = message.buttons.flat().map(({ label }) => label ?? '')
      return { text: message.content, buttons, pictures: message.attachments.length }
    },
    press: async (person, label, deliveries = 1) => {
      const press = discord.press(asked!.reply()!, label, { userId: people[person] })
      presses.push(press)
      for (let again = 1; again < deliveries; again++) discord.redeliver(press)
    },
    pressAnswers: async () => presses.flatMap((press) => press.followUps().map(({ content }) => content)),
    maxPictureBytes: 12 * megabyte,
    stop: () => discord.stop(),
  }
}

async function telegramHarness(): Promise<SurfaceHarness> {
  const telegram = await startTelegram()
  const people = { ann: 501, bob: 502 }
  const group = { chatId: -1001000000001, chatType: 'supergroup' as const }
  const processes: ReturnType<typeof createTelegram>[] = []
  const presses: ReturnType<typeof telegram.press>[] = []
  const deliver = async (update: unknown, times = 1) => {
    for (let again = 0; again < times; again++) {
      for (const each of processes) await each.handleUpdate(update, 'secret')
    }
  }
  const answer = () => telegram.messages(group.chatId).findLast(({ fromBot }) => fromBot)
  return {
    create: async ({ database }) => {
      const surface = createTelegram({
        token: telegram.token,
        apiUrl: telegram.apiUrl,
        database,
        commands: allCommands,
        log: keepLog(),
        webhookSecret: 'secret',
        publicUrl: 'http://127.0.0.1:9',
      })
      processes.push(surface)
      return surface
    },
    identityOf: (person) => `telegram:${people[person]}`,
    ask: async (prompt) => deliver(telegram.say(`/flux ${prompt}`, { ...group, userId: people.ann }).update),
    answer: async () => {
      const message = answer()
      if (!message) return undefined
      const buttons = message.buttons.flat().map(({ label }) => label)
      return { text: message.text ?? '', buttons, pictures: message.photo || message.document ? 1 : 0 }
    },
    press: async (person, label, deliveries = 1) => {
      const press = telegram.press(answer()!, label, { userId: people[person] })
      presses.push(press)
      await deliver(press.update, deliveries)
    },
    pressAnswers: async () => Promise.all(presses.map(async (press) => (await press.answered()).text ?? '')),
    maxPictureBytes: 51 * megabyte,
    stop: () => telegram.stop(),
  }
}

async function webHarness(): Promise<SurfaceHarness> {
  const apps: { app: FastifyInstance; url: string; host: string }[] = []
  const cookies = new Map<Person, { cookie: string; visitor: string }>()
  const log = keepLog()
  const call = async (path: string, { person, url, host, body }: WebCall) => {
    const headers = { host, cookie: cookies.get(person)?.cookie ?? '', ...body?.headers }
    const response = await request(url + path, { method: body ? 'POST' : 'GET', headers, body: body?.data })
    return { json: (await response.body.json()) as never }
  }
  async function signIn(person: Person, token: string) {
    const { url, host } = apps[0]!
    const { headers } = await request(`${url}/?token=${token}`, { headers: { host } })
    const [cookie = ''] = String(headers['set-cookie']).split(';')
    cookies.set(person, { cookie, visitor: '' })
    const { visitor } = (await call('/web/session', { person, url, host })).json as { visitor: string }
    cookies.set(person, { cookie, visitor })
  }
  interface WebMessage {
    role: string
    text: string
    state: string
    id: string
    images: unknown[]
    buttons?: { id: string; label: string }[][]
  }
  const messagesOf = async (person: Person): Promise<WebMessage[]> =>
    (await call('/web/messages', { person, ...apps.at(-1)! })).json
  const answer = async () => (await messagesOf('ann')).find(({ role }) => role === 'bot')
  return {
    create: async ({ database, secretKey, link, models: _ }) => {
      const port = await freePort()
      const publicUrl = `http://localhost:${port}`
      const web = createWeb({ database, secretKey, publicUrl, link, log })
      const app = createApp({ log, plugins: [web.plugin] })
      apps.push({ app, url: await app.listen({ port, host: '127.0.0.1' }), host: `localhost:${port}` })
      for (const person of ['ann', 'bob'] as const)
        if (!cookies.has(person)) await signIn(person, signInToken(secretKey))
      return web
    },
    identityOf: (person) => cookies.get(person)!.visitor,
    ask: async (prompt) => {
      const form = new FormData()
      form.set('id', crypto.randomUUID())
      form.set('text', prompt)
      const data = new Response(form)
      const headers = { 'content-type': data.headers.get('content-type') ?? '' }
      await call('/web/messages', {
        person: 'ann',
        ...apps[0]!,
        body: { headers, data: Buffer.from(await data.arrayBuffer()) },
      })
    },
    answer: async () => {
      const message = await answer()
      if (!message) return undefined
      const buttons = (message.buttons ?? []).flat().map(({ label }) => label)
      return { text: message.text, buttons, pictures: message.images.length }
    },
    press: async (person, label, deliveries = 1) => {
      const button = (await answer())?.buttons?.flat().find((each) => each.label === label)?.id
      const data = JSON.stringify({ id: crypto.randomUUID(), button })
      const headers = { 'content-type': 'application/json' }
      const listening = deliveries > 1 ? apps : apps.slice(-1)
      for (let again = 0; again < deliveries; again++) {
        for (const app of listening) await call('/web/presses', { person, ...app, body: { headers, data } })
      }
    },
    pressAnswers: async () => {
      const [first] = await messagesOf('ann')
      const all = [...(await messagesOf('ann')), ...(await messagesOf('bob'))]
      return all.filter(({ role, id }) => role === 'bot' && id !== `${first?.id}:answer`).map(({ text }) => text)
    },
    stop: async () => {
      for (const { app } of apps) await app.close()
    },
  }
}

interface WebCall {
  person: Person
  url: string
  host: string
  body?: { headers: Record<string, string>; data: string | Buffer }
}

surfaceContract('Discord', discordHarness)
surfaceContract('Telegram', telegramHarness)
surfaceContract('the page', webHarness)
