/**
 * Every command that is not for everyone, as a person writes it who may not use it: on Discord, on Telegram and on the page. The rows come
 * from the declarations, so that a new command is among them by itself.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sql } from 'drizzle-orm'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type AnyCommand, commandsOn, type OptionSpec } from '../../src/bots/command.ts'
import { allCommands } from '../../src/bots/commands/index.ts'
import { allSurfaces } from '../../src/bots/index.ts'
import { valuesOf } from '../../src/bots/options.ts'
import { startBots } from '../../src/bots/start.ts'
import { type Composed, compose } from '../../src/compose.ts'
import { readConfig } from '../../src/config.ts'
import { accountOf } from '../../src/core/accounts/accounts.ts'
import { createApiKey } from '../../src/core/accounts/api-keys.ts'
import type { Options } from '../../src/core/ports/chat.ts'
import { api } from '../../src/http/api/index.ts'
import { operatorCommands } from '../../src/http/operations/commands.ts'
import { createMetrics, metricsPage } from '../../src/http/operations/metrics.ts'
import { createApp } from '../../src/http/server/app.ts'
import { wordsFor } from '../../src/locales/index.ts'
import { type DiscordEmulator, startDiscord } from '../emulators/discord/index.ts'
import { startTelegram, type TelegramEmulator } from '../emulators/telegram/index.ts'
import { openTestDatabase, quickest } from '../helpers/backends.ts'
import { apiParts } from '../helpers/http.ts'
import { freePort } from '../helpers/ports.ts'
import { visit } from '../helpers/visitor.ts'

interface Sample {
  command: AnyCommand
  options: Options
  /** The same in words. */
  text: string
  needs: string
}

/** One sample for each choice, and with all other options given, of the commands that then need more rights. */
const samples = allCommands.flatMap((command): Sample[] => {
  const specs = Object.entries(command.options).filter(([, { type }]) => type !== 'image')
  const [choiceName, choices] =
    specs.flatMap(([name, { choices: all }]) => (Array.isArray(all) ? [[name, all]] : []))[0] ?? []
  const firsts: (string | undefined)[] = (choices as string[] | undefined) ?? [undefined]
  return firsts.flatMap((choice) => {
    const given = Object.fromEntries(
      specs.map(([name, spec]) => [name, name === choiceName && choice !== undefined ? choice : valueFor(spec)]),
    )
    const options = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) as Options
    const needs =
      typeof command.needs === 'function' ? command.needs(valuesOf(command, '', options) as never) : command.needs
    return needs === 'everyone' ? [] : [{ command, options, text: inWords(command, options), needs }]
  })
})

/** undefined: a choice of models, which follows the settings. */
function valueFor({ type, choices, min }: OptionSpec): string | number | boolean | undefined {
  if (type === 'choice') return Array.isArray(choices) ? choices[0] : undefined
  if (type === 'integer' || type === 'number') return min ?? 1
  if (type === 'switch') return true
  return type === 'user' ? '80351110224678912' : 'gold'
}

function inWords({ options: specs }: AnyCommand, options: Options): string {
  const of = (wanted: (spec: OptionSpec) => boolean | undefined) =>
    Object.entries(specs).filter(([, spec]) => wanted(spec))
  // a switch is on without a value
  const value = (name: string) => (name in options ? [options[name] === true ? '' : ` ${options[name]}`] : [])
  return [
    ...of(({ flag, named, last }) => !flag && !named && !last).flatMap(([name]) => value(name)),
    ...of(({ last }) => last).flatMap(([name]) => value(name)),
    ...of(({ named }) => named).flatMap(([name]) => value(name).map((each) => `${name}${each}`)),
    ...of(({ flag }) => flag).flatMap(([name]) => value(name).map((each) => `--${name}${each}`)),
  ]
    .map((part) => part.trim())
    .join(' ')
}

const rowsOn = (surface: string) =>
  samples
    .filter(({ command }) => commandsOn(surface, [command]).length > 0)
    .map((sample) => [`/${sample.command.name} ${sample.text}`, sample] as const)

/** What Discord's client sends: a sub-command has only some of the options. */
function typed({ command: { name, subcommands, options: specs }, options }: Sample): [string, Options] {
  const action = String(options.action)
  const { required, optional = [] } = subcommands?.[action] ?? { required: Object.keys(options) }
  const given = Object.entries(options).filter(
    ([each]) => [...required, ...optional].includes(each) && (specs[each]?.surfaces?.includes('discord') ?? true),
  )
  return [subcommands ? `${name} ${action}` : name, Object.fromEntries(given)]
}

describe('a person without rights', () => {
  const stops: (() => unknown)[] = []
  let discord: DiscordEmulator
  let telegram: TelegramEmulator
  let composed: Composed
  let url: string
  let page: Awaited<ReturnType<typeof visit>>
  let headers: { cookie: string }
  let key: string

  beforeAll(async () => {
    discord = await startDiscord()
    telegram = await startTelegram()
    const port = await freePort()
    const dataDir = await mkdtemp(join(tmpdir(), 'fluxbot-wrong-'))
    const test = await openTestDatabase(quickest)
    const config = readConfig({
      DATA_DIR: dataDir,
      PORT: String(port),
      LOG_LEVEL: 'silent',
      ADMIN_IDS: 'telegram:1,discord:1',
      DISCORD_TOKEN: discord.token,
      DISCORD_API_URL: discord.apiUrl,
      TELEGRAM_TOKEN: telegram.token,
      TELEGRAM_API_URL: telegram.apiUrl,
    })
    const surfaces = allSurfaces(config)
    composed = await compose(config, { database: test.database, surfaces: surfaces.create })
    const { core } = composed
    const bots = startBots(core, config.roles)
    await bots.started
    const parts = apiParts(core, { operatorKey: 'the-operator-s-own-key', publicUrl: config.publicUrl })
    const app = createApp({
      log: core.log,
      closeMs: 100,
      plugins: [
        ...surfaces.plugins(),
        operatorCommands({ secretKey: core.secretKey, run: async () => ({ text: '', failed: false }) }),
        ...api(parts),
        metricsPage({ http: parts, metrics: createMetrics(), publicUrl: config.publicUrl }),
      ],
    })
    url = await app.listen({ port, host: '127.0.0.1' })
    // known, so that only the rights of the person who writes are missing
    await accountOf(core, { id: 'discord:80351110224678912', name: 'target', handle: '80351110224678912' })
    const userId = await accountOf(core, { id: 'telegram:502', name: 'Eve' })
    key = (await createApiKey(core, { userId, name: 'mine' })).key
    page = await visit({ url, port, token: '', stops: [] })
    const signedIn = await page.signIn(key)
    headers = { cookie: String(signedIn.headers['set-cookie']).split(';')[0] ?? '' }
    stops.push(
      () => app.close(),
      () => bots.stop(),
      composed.close,
      () => test.drop(),
      () => discord.stop(),
      () => telegram.stop(),
      () => rm(dataDir, { recursive: true, force: true }),
    )
  })
  afterAll(async () => {
    const { database } = composed.core
    expect(await database.rows(sql`select action from audit_log`)).toEqual([])
    expect(await database.rows(sql`select source from ledger where source <> 'welcome'`)).toEqual([])
    expect(await database.rows(sql`select id from users where banned or in_flight_limit is not null`)).toEqual([])
    for (const stop of stops) await stop()
  })

  const { errors } = wordsFor('en')
  const refused = (shown: string) => isRefusal(shown.replaceAll('\\', ''))
  const isRefusal = (text: string) =>
    text.includes(errors.managers_only()) || /Only administrators can do that\. \(You are \S+; ADMIN_IDS/.test(text)

  it('has commands to be refused', () => {
    const names = new Set(samples.map(({ command: { name } }) => name))
    expect([...names]).toEqual(
      expect.arrayContaining(['ban', 'unban', 'limits', 'lookup', 'credits', 'apikey', 'settings', 'server']),
    )
    for (const { name, needs } of allCommands) if (needs !== 'everyone') expect(names).toContain(name)
  })

  it.each(rowsOn('discord'))('is refused %s on Discord', async (_, sample) => {
    const shown = await discord.slash(...typed(sample)).waitForReply()
    expect(refused(shown.content), shown.content).toBe(true)
  })

  it.each(rowsOn('telegram'))('is refused %s on Telegram', async (row) => {
    const sent = telegram.say(row, { userId: 502, languageCode: 'en' })
    const shown = await telegram.waitFor(sent.chatId, ({ fromBot, replyTo }) => fromBot && replyTo === sent.messageId)
    expect(refused(shown.text), shown.text).toBe(true)
  })

  it.each(rowsOn('web'))('is refused %s on the page', async (row) => {
    const { status, body } = await page.send(row, { headers })
    expect(status).toBe(202)
    const answer = async () => {
      const messages = JSON.parse((await page.ask('/web/messages', { headers })).text) as { id: string; text: string }[]
      return messages.find(({ id }) => id.endsWith(`${body.id}:answer`))?.text ?? ''
    }
    await expect.poll(answer).not.toBe('')
    expect(refused(await answer()), await answer()).toBe(true)
  })

  async function ask(method: string, path: string): Promise<number> {
    const answer = await fetch(url + path, {
      method,
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      body: method === 'GET' || method === 'DELETE' ? undefined : '{}',
    })
    return answer.status
  }

  it('is refused every operation of the API document that is for administrators', async () => {
    const { paths } = (await (await fetch(`${url}/openapi.json`)).json()) as {
      paths: Record<string, Record<string, { description?: string }>>
    }
    const operations = Object.entries(paths).flatMap(([path, methods]) =>
      Object.entries(methods)
        .filter(
          ([, { description = '' }]) => path.startsWith('/api/config') || /administrator's key\.$/.test(description),
        )
        .map(([method]) => [method.toUpperCase(), path] as const),
    )
    const names = operations.map((operation) => operation.join(' '))
    expect(names).toEqual(
      expect.arrayContaining(['GET /metrics', 'GET /api/config', 'DELETE /api/config/{id}', 'POST /api/config/packs']),
    )
    expect(names.length).toBeGreaterThanOrEqual(9)
    const allowed = []
    for (const [method, path] of operations) {
      const status = await ask(method, path.replaceAll(/\{\w+\}/g, '0197a000-0000-7000-8000-000000000001'))
      if (status !== 403) allowed.push(`${method} ${path}: ${status}`)
    }
    expect(allowed).toEqual([])
  })

  it('is refused the commands of the operator', async () => {
    // not in the document
    expect(await ask('POST', '/operations/commands')).toBe(401)
  })
})
