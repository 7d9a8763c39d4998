/** Accounts of Discord, Telegram and the page are joined with codes, in every direction, on the real surfaces. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { allActions } from '../../src/bots/actions/index.ts'
import { allCommands } from '../../src/bots/commands/index.ts'
import { createDiscord } from '../../src/bots/discord/discord.ts'
import { createDispatch } from '../../src/bots/dispatch.ts'
import { createTelegram } from '../../src/bots/telegram/telegram.ts'
import { createWeb } from '../../src/bots/web/web.ts'
import { createApp } from '../../src/http/server/app.ts'
import { type DiscordEmulator, startDiscord } from '../emulators/discord/index.ts'
import { startTelegram, type TelegramEmulator } from '../emulators/telegram/index.ts'
import { quickest } from '../helpers/backends.ts'
import { openTestCore, type TestCore } from '../helpers/core.ts'
import { keepLog } from '../helpers/log.ts'

const publicUrl = 'http://localhost:8080'
const log = keepLog()
const soon = 60_000

let test: TestCore
let discord: DiscordEmulator
let telegram: TelegramEmulator
let web: ReturnType<typeof createWeb>
let app: ReturnType<typeof createApp>

beforeAll(async () => {
  ;[discord, telegram] = await Promise.all([startDiscord(), startTelegram()])
  const facts = new Map<string, string>()
  test = await openTestCore(quickest, {
    publicUrl,
    surfaces: ({ database, models, secretKey }) => {
      web = createWeb({ core: () => test.core, database, secretKey, publicUrl, link: async () => publicUrl, log })
      return [
        createDiscord({
          token: discord.token,
          apiUrl: discord.apiUrl,
          database,
          commands: allCommands,
          actions: allActions,
          models,
          facts: { get: async (name) => facts.get(name), set: async (name, value) => void facts.set(name, value) },
          log,
        }),
        createTelegram({ token: telegram.token, apiUrl: telegram.apiUrl, database, commands: allCommands, log }),
        web,
      ]
    },
  })
  app = createApp({ log, closeMs: 100, plugins: [web.plugin] })
  const dispatch = createDispatch(test.core, { commands: allCommands, actions: allActions })
  for (const surface of test.core.surfaces.values()) await surface.start(dispatch)
  await discord.waitForBot()
})
afterAll(async () => {
  await app.close()
  for (const surface of test.core.surfaces.values()) await surface.stop()
  await test.close()
  await Promise.all([discord.stop(), telegram.stop()])
  expect([...discord.violations, ...telegram.violations]).toEqual([])
})

/** A person in one place, who writes a command, agrees to join accounts where the answer asks, and reads what it says then. */
type Say = (command: string) => Promise<string>

const agree = '🔗 Join them'
const isJoined = (text: string | undefined) => text?.includes('Joined') ?? false

let people = 0

function onDiscord(): Say {
  const from = { userId: String(200_000_000_000_000_000n + BigInt(++people)) }
  return async (command) => {
    const [name = '', value] = command.slice(1).split(' ')
    const option = name === 'credits' ? 'action' : 'code'
    const asked = discord.slash(name, value === undefined ? {} : { [option]: value }, from)
    const answer = await asked.waitForReply(undefined, soon)
    expect(answer.visibleTo).toBe(from.userId)
    if (!/Press the button/.test(answer.content)) return answer.content
    discord.press(answer, agree, from)
    return (await discord.waitForMessage(({ id, content }) => id === answer.id && isJoined(content), soon)).content
  }
}

function onTelegram(): Say {
  const from = { userId: 5_000 + ++people, firstName: `P${people}` }
  return async (command) => {
    const { chatId, messageId } = telegram.say(command, from)
    const answer = await telegram.waitFor(chatId, ({ replyTo }) => replyTo === messageId, soon)
    if (!/Press the button/.test(answer.text)) return answer.text
    telegram.press(answer, agree, from)
    return (
      await telegram.waitFor(chatId, (shown) => shown.messageId === answer.messageId && isJoined(shown.text), soon)
    ).text
  }
}

interface Shown {
  id: string
  text: string
  buttons?: { id: string }[][]
}

/** Signed in with a link that `/panel` sent to another place. */
async function onPage(panel: string): Promise<Say> {
  const token = /#panel=([\w-]+)/.exec(panel)?.[1]
  const host = 'localhost:8080'
  const signedIn = await app.inject({
    method: 'POST',
    url: '/web/signin',
    headers: { host },
    payload: { panel: token },
  })
  const headers = { host, cookie: signedIn.cookies.map(({ name, value }) => `${name}=${value}`).join() }
  return async (command) => {
    const id = crypto.randomUUID()
    const form = new FormData()
    form.set('id', id)
    form.set('text', command)
    const body = new Response(form)
    const payload = Buffer.from(await body.arrayBuffer())
    const type = { 'content-type': body.headers.get('content-type') ?? '' }
    await app.inject({ method: 'POST', url: '/web/messages', headers: { ...headers, ...type }, payload })
    const answer = async () => {
      const all = (await app.inject({ url: '/web/messages', headers })).json<Shown[]>()
      return all.find((each) => each.id === `${id}:answer`)
    }
    await expect.poll(answer, { timeout: soon }).toBeDefined()
    const asked = await answer()
    if (!/Press the button/.test(asked?.text ?? '')) return asked?.text ?? ''
    const press = { id: crypto.randomUUID(), button: asked?.buttons?.flat()[0]?.id, message: asked?.id }
    await app.inject({ method: 'POST', url: '/web/presses', headers, payload: press })
    await expect.poll(async () => isJoined((await answer())?.text), { timeout: soon }).toBe(true)
    return (await answer())?.text ?? ''
  }
}

const codeIn = (text: string) => /\/link (\w{4}-\w{4})/.exec(text)?.[1] ?? ''
const onPageOf = async (say: Say) => onPage(await say('/panel'))

const directions: [string, () => Promise<Say>, () => Promise<Say>, (code: string) => string][] = [
  ['Discord', async () => onDiscord(), async () => onTelegram(), (code) => `/link ${code}`],
  ['Telegram', async () => onTelegram(), async () => onDiscord(), (code) => `/link ${code}`],
  [
    'Discord, in a link to Telegram',
    async () => onDiscord(),
    async () => onTelegram(),
    (code) => `/start link_${code}`,
  ],
  [
    'Discord, on the page of Telegram',
    async () => onDiscord(),
    () => onPageOf(onTelegram()),
    (code) => `/link ${code}`,
  ],
  ['the page of Telegram', () => onPageOf(onTelegram()), async () => onDiscord(), (code) => `/link ${code}`],
]

describe('a code', () => {
  it.each(directions)(
    'of %s joins two accounts, and both have one balance',
    async (_name, open, openOther, entering) => {
      const [one, other] = [await open(), await openOther()]
      const shown = await one('/link')
      expect(shown).toMatch(new RegExp(`https://t.me/\\w+\\?start=link_${codeIn(shown)}`))
      await other('/credits')
      expect(await other(entering(codeIn(shown)))).toContain('The balance is 20 credits.')
      expect(await one('/credits')).toContain('20 credits')
      expect(await other(entering(codeIn(shown)))).toContain('used already')
      expect(await one('/unlink')).toContain('account of your own')
      expect(await one('/credits')).toContain('0 credits')
      expect(await other('/credits')).toContain('20 credits')
    },
  )
})

it('lets /panel sign browsers in to a joined account from both chats', async () => {
  const [one, other] = [onDiscord(), onTelegram()]
  await other(`/link ${codeIn(await one('/link'))}`)
  const [first, second] = [await onPageOf(one), await onPageOf(other)]
  expect(await first('/credits')).toContain('20 credits')
  expect(await second('/credits')).toContain('20 credits')
})
