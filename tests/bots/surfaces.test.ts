/** Discord, Telegram and the page behind one contract, each with two people. */
import type { FastifyInstance } from 'fastify'
import { request } from 'undici'
import { expect } from 'vitest'
import { allActions } from '../../src/bots/actions/index.ts'
import { allCommands } from '../../src/bots/commands/index.ts'
import { createDiscord } from '../../src/bots/discord/discord.ts'
import { telegramPace } from '../../src/bots/telegram/pace.ts'
import { createTelegram } from '../../src/bots/telegram/telegram.ts'
import { signInToken } from '../../src/bots/web/access.ts'
import { createWeb } from '../../src/bots/web/web.ts'
import { createApp } from '../../src/http/server/app.ts'
import { buttonContract } from '../contracts/buttons.ts'
import { coverage } from '../contracts/coverage.ts'
import { midjourneySession } from '../contracts/midjourney.ts'
import { resultContract } from '../contracts/results.ts'
import { editLabel, type Person, type SurfaceHarness, surfaceContract } from '../contracts/surface.ts'
import { type Interaction, startDiscord } from '../emulators/discord/index.ts'
import { startTelegram } from '../emulators/telegram/index.ts'
import { keepLog } from '../helpers/log.ts'
import { freePort } from '../helpers/ports.ts'

const megabyte = 1024 * 1024
const withoutTurns = { always: [], afterRefusal: [] }

async function discordHarness(): Promise<SurfaceHarness> {
  const discord = await startDiscord()
  const facts = new Map<string, string>()
  const presses: Interaction[] = []
  const people = { ann: discord.person.id, bob: '80351110224678912' }
  let asked: Interaction | undefined
  let opened: Interaction | undefined
  let submission: Interaction | undefined
  return {
    create: async ({ database, models }) =>
      createDiscord({
        token: discord.token,
        apiUrl: discord.apiUrl,
        database,
        commands: allCommands,
        actions: allActions,
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
    messages: async () =>
      discord
        .botMessages()
        .filter(({ visibleTo = people.ann, thinking }) => visibleTo === people.ann && !thinking)
        .map(({ id, content, buttons, attachments }) => ({
          id,
          text: content,
          buttons: buttons.flat().map(({ label }) => label ?? ''),
          pictures: attachments.length,
          files: attachments.map(({ data }) => data),
          links: [],
        })),
    command: async (name, options) => void discord.slash(name, options),
    reply: async ({ id }, words) => {
      asked = undefined
      discord.sendMessage(words, { replyTo: discord.botMessages().find((each) => each.id === id)! })
    },
    press: async (person, label, deliveries = 1, on = undefined) => {
      const press = discord.press(on?.id ?? asked!.reply()!, label, { userId: people[person] })
      presses.push(press)
      for (let again = 1; again < deliveries; again++) discord.redeliver(press)
    },
    pressAnswers: async () => presses.flatMap((press) => press.followUps().map(({ content }) => content)),
    openForm: async (person, label) => {
      opened = discord.press(asked!.reply()!, label, { userId: people[person] })
      await opened.waitForAck()
      const written = (opened.modal!.components as ModalLabel[]).filter(({ component }) => component.type !== 19)
      return Object.fromEntries(written.map(({ component }) => shownIn(component)))
    },
    submit: async (person, { prompt, aspect, model, reason }, deliveries = 1) => {
      const chosen = { ...(aspect && { aspect: [aspect] }), ...(model && { model: [model] }) }
      const values = { ...(prompt && { prompt }), ...(reason && { reason }), ...chosen }
      submission = discord.submitModal(opened!, values, { userId: people[person] })
      for (let again = 1; again < deliveries; again++) discord.redeliver(submission)
    },
    submitted: async () => {
      const message = submission!.followUps().at(-1) ?? submission!.reply()
      if (!message || message.thinking) return undefined
      return { text: message.content, buttons: [], pictures: message.attachments.length }
    },
    submitsOfOthers: 'are their own',
    age: async () => {
      for (const each of [asked, opened, submission, ...presses]) if (each) discord.expireToken(each)
    },
    violations: () => discord.violations,
    maxPictureBytes: 12 * megabyte,
    stop: () => discord.stop(),
  }
}

interface ModalLabel {
  component: { type: number; custom_id: string; value?: string; options?: { value: string; default?: boolean }[] }
}

function shownIn({ custom_id: name, value, options = [] }: ModalLabel['component']): [string, string] {
  return [name, value ?? options.find((option) => option.default)?.value ?? '']
}

async function telegramHarness(): Promise<SurfaceHarness> {
  // one group has the results of many tests
  const telegram = await startTelegram({ flood: false })
  const people = { ann: 501, bob: 502 }
  const group = { chatId: -1001000000001, chatType: 'supergroup' as const }
  const processes: ReturnType<typeof createTelegram>[] = []
  const presses: ReturnType<typeof telegram.press>[] = []
  const deliver = async (update: unknown, times = 1) => {
    for (let again = 0; again < times; again++) {
      for (const each of processes) await each.handleUpdate(update, 'secret')
    }
  }
  let askedId = 0
  let sentId = 0
  const answerTo = (messageId: number) =>
    telegram.botMessages(group.chatId).find(({ replyTo, opensReplyOf }) => replyTo === messageId && !opensReplyOf)
  const answer = () => answerTo(askedId)
  const question = () => telegram.botMessages(group.chatId).findLast(({ opensReplyOf }) => opensReplyOf)
  const shownAs = (message: ReturnType<typeof answer>) =>
    message && {
      text: message.text,
      buttons: message.buttons.flat().map(({ label }) => label),
      pictures: message.photo || message.document ? 1 : 0,
    }
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
        pace: { ...telegramPace, turns: { group: withoutTurns, private: withoutTurns } },
      })
      processes.push(surface)
      return surface
    },
    identityOf: (person) => `telegram:${people[person]}`,
    ask: async (prompt) => {
      const sent = telegram.say(`/flux ${prompt}`, { ...group, userId: people.ann })
      askedId = sent.messageId
      await deliver(sent.update)
    },
    answer: async () => shownAs(answer()),
    messages: async () =>
      telegram.botMessages(group.chatId).map((message) => ({
        ...shownAs(message)!,
        id: String(message.messageId),
        files: [message.photo, message.document?.data].filter((data) => data !== undefined),
        links: [],
      })),
    command: async (name, options) => {
      const text = ['', ...Object.values(options)].join(' ')
      await deliver(telegram.say(`/${name}${text}`, { ...group, userId: people.ann }).update)
    },
    reply: async ({ id }, words) =>
      deliver(telegram.say(words, { ...group, userId: people.ann, replyTo: Number(id) }).update),
    press: async (person, label, deliveries = 1, on = undefined) => {
      const message = on ? { chatId: group.chatId, messageId: Number(on.id) } : answer()!
      const press = telegram.press(message, label, { userId: people[person] })
      presses.push(press)
      await deliver(press.update, deliveries)
    },
    pressAnswers: async () => Promise.all(presses.map(async (press) => (await press.answered()).text ?? '')),
    openForm: async (person, label) => {
      const press = telegram.press(answer()!, label, { userId: people[person] })
      await deliver(press.update)
      await press.answered(20_000)
      const { text, entities, opensReplyOf } = question()!
      expect(opensReplyOf).toEqual([people[person]])
      const copied: string[] = entities.flatMap(({ type, offset, length }) =>
        type === 'pre' || type === 'code' ? [text.slice(offset, offset + length)] : [],
      )
      const [prompt = '', aspect, model = ''] = copied
      const values: Record<string, string> = { prompt, aspect: '', model: model.replace('Model: ', '') }
      if (label === editLabel) expect(aspect).toBe('Ratio: 1:1')
      return values
    },
    submit: async (person, { prompt, aspect, model, reason }, deliveries = 1) => {
      const text = [prompt ?? model ?? reason, ...(aspect ? [`Ratio: ${aspect}`] : [])].join('\n')
      const sent = telegram.say(text, { ...group, userId: people[person], replyTo: question()!.messageId })
      sentId = sent.messageId
      await deliver(sent.update, deliveries)
    },
    submitted: async () => shownAs(answerTo(sentId)),
    submitsOfOthers: /^⚠️ Only the person who pressed the button can answer this/,
    age: async () => {
      for (const message of telegram.botMessages(group.chatId)) telegram.age(message, 3 * 86_400)
    },
    violations: () => telegram.violations,
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
    downloads: { url: string }[]
    removed?: boolean
    buttons?: { id: string; label: string }[][]
    form?: { id: string; fields: { name: string; kind: string; value?: string }[] }
    toast?: boolean
  }
  let submission = { person: 'ann' as Person, id: '' }
  let opened: WebMessage | undefined
  const messagesOf = async (person: Person): Promise<WebMessage[]> =>
    (await call('/web/messages', { person, ...apps.at(-1)! })).json
  /** Toasts are changes only: a page that opens later does not show them. */
  const toastsOf = async (person: Person): Promise<WebMessage[]> => {
    const changes = (await call('/web/messages?after=1', { person, ...apps.at(-1)! })).json as WebMessage[]
    return changes.filter(({ toast }) => toast)
  }
  const answer = async () => (await messagesOf('ann')).find(({ role }) => role === 'bot')
  const say = async (text: string) => {
    const form = new FormData()
    form.set('id', crypto.randomUUID())
    form.set('text', text)
    const data = new Response(form)
    const headers = { 'content-type': data.headers.get('content-type') ?? '' }
    const body = { headers, data: Buffer.from(await data.arrayBuffer()) }
    await call('/web/messages', { person: 'ann', ...apps.at(-1)!, body })
  }
  const pressOn = async (message: WebMessage | undefined, label: string) => {
    const button = message?.buttons?.flat().find((each) => each.label === label)?.id
    return { id: crypto.randomUUID(), button, message: message?.id }
  }
  return {
    create: async (parts) => {
      const port = await freePort()
      const publicUrl = `http://localhost:${port}`
      const web = createWeb({ ...parts, publicUrl, log })
      const app = createApp({ log, plugins: [web.plugin] })
      apps.push({ app, url: await app.listen({ port, host: '127.0.0.1' }), host: `localhost:${port}` })
      for (const person of ['ann', 'bob'] as const)
        if (!cookies.has(person)) await signIn(person, signInToken(parts.secretKey))
      return web
    },
    identityOf: (person) => cookies.get(person)!.visitor,
    ask: say,
    command: (name, options) => say(['', ...Object.values(options)].join(' ').replace('', `/${name}`)),
    messages: async () =>
      (await messagesOf('ann'))
        .filter(({ role, removed }) => role === 'bot' && !removed)
        .map(({ id, text, buttons = [], images, downloads }) => ({
          id,
          text,
          buttons: buttons.flat().map(({ label }) => label),
          pictures: images.length,
          files: [],
          links: downloads.map(({ url }) => url),
        })),
    answer: async () => {
      const message = await answer()
      if (!message) return undefined
      const buttons = (message.buttons ?? []).flat().map(({ label }) => label)
      return { text: message.text, buttons, pictures: message.images.length }
    },
    press: async (person, label, deliveries = 1, on = undefined) => {
      const message = on ? (await messagesOf('ann')).find(({ id }) => id === on.id) : await answer()
      const body = jsonOf(await pressOn(message, label))
      const listening = deliveries > 1 ? apps : apps.slice(-1)
      for (let again = 0; again < deliveries; again++) {
        for (const app of listening) await call('/web/presses', { person, ...app, body })
      }
    },
    openForm: async (person, label) => {
      const press = await pressOn(await answer(), label)
      await call('/web/presses', { person, ...apps.at(-1)!, body: jsonOf(press) })
      const withForm = async () => (await messagesOf(person)).find(({ form }) => form)
      await expect.poll(withForm).toBeTruthy()
      opened = await withForm()
      const written = opened!.form!.fields.filter(({ kind }) => kind !== 'files')
      return Object.fromEntries(written.map(({ name, value = '' }) => [name, value]))
    },
    submit: async (person, values, deliveries = 1) => {
      submission = { person, id: crypto.randomUUID() }
      const given = opened!.form!.fields.map(({ name, value = '' }) => [name, value])
      const fields = { ...Object.fromEntries(given), ...values }
      const body = jsonOf({ id: submission.id, form: opened!.form!.id, message: opened!.id, fields })
      const listening = deliveries > 1 ? apps : apps.slice(-1)
      for (let again = 0; again < deliveries; again++) {
        for (const app of listening) await call('/web/forms', { person, ...app, body })
      }
      if (person === 'ann') expect((await messagesOf('ann')).filter(({ form }) => form)).toEqual([])
    },
    submitted: async () => {
      const all = await messagesOf(submission.person)
      const message = all.find(({ id }) => id === `${submission.id}:answer`)
      return message && { text: message.text, buttons: [], pictures: message.images.length }
    },
    submitsOfOthers: /^⚠️ This button no longer works/,
    violations: () => [],
    pressAnswers: async () => {
      const [first] = await messagesOf('ann')
      const all = [...(await messagesOf('ann')), ...(await messagesOf('bob'))]
      const answers = all.filter(({ role, id }) => role === 'bot' && id !== `${first?.id}:answer`)
      return [...answers, ...(await toastsOf('ann')), ...(await toastsOf('bob'))].map(({ text }) => text)
    },
    stop: async () => {
      for (const { app } of apps) await app.close()
    },
  }
}

const jsonOf = (body: object) => ({ headers: { 'content-type': 'application/json' }, data: JSON.stringify(body) })

interface WebCall {
  person: Person
  url: string
  host: string
  body?: { headers: Record<string, string>; data: string | Buffer }
}

surfaceContract('Discord', discordHarness)
resultContract('Discord', discordHarness)
buttonContract('Discord', discordHarness)
midjourneySession('Discord', discordHarness)
surfaceContract('Telegram', telegramHarness, { asksQuestions: true })
resultContract('Telegram', telegramHarness)
buttonContract('Telegram', telegramHarness)
midjourneySession('Telegram', telegramHarness)
surfaceContract('the page', webHarness)
resultContract('the page', webHarness)
buttonContract('the page', webHarness)
midjourneySession('the page', webHarness)
coverage(['discord', 'telegram', 'web'])
