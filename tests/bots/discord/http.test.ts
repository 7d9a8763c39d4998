/** Interactions that Discord sends by HTTP: who is believed, and where the answers go. */
import { generateKeyPairSync, randomBytes, sign } from 'node:crypto'
import { sql } from 'drizzle-orm'
import type { FastifyInstance } from 'fastify'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { createApp } from '../../../src/http/server/app.ts'
import type { Interaction } from '../../emulators/discord/index.ts'
import { pngOf } from '../../helpers/core.ts'
import { type OnDiscord, openOnDiscord } from '../../helpers/discord.ts'

let on: OnDiscord
let app: FastifyInstance
let url: string
/** A process that only listens for HTTP. */
let listener: FastifyInstance
let listenerUrl: string

async function listen(surface: ReturnType<OnDiscord['another']>): Promise<[FastifyInstance, string]> {
  const opened = createApp({ log: on.log, plugins: [surface.plugin!], basePath: '/flux' })
  const address = await opened.listen({ port: 0, host: '127.0.0.1' })
  return [opened, `${address}/flux/discord/interactions`]
}

beforeAll(async () => {
  on = await openOnDiscord({ withPublicKey: true })
  ;[app, url] = await listen(on.surface)
  ;[listener, listenerUrl] = await listen(on.another())
})

afterAll(async () => {
  await app.close()
  await listener.close()
  await on.close()
  expect(on.discord.violations).toEqual([])
})

const callbacks = ({ id }: Interaction) =>
  on.discord.requests.filter(({ path }) => path.startsWith(`/interactions/${id}/`)).map(({ status }) => status)
const answersTo = ({ id }: Interaction) => on.discord.endpoint.answers.filter(({ interaction }) => interaction === id)
const drawings = async () => {
  const rows = await on.test.core.database.rows<{ n: number }>(sql`select count(*)::int as n from generations`)
  return rows[0]!.n
}
const withPicture = (asked: Interaction) => asked.waitForReply(({ attachments }) => attachments.length > 0)

describe('an interaction by HTTP', () => {
  beforeEach(() => on.discord.sendInteractionsTo(url))
  afterEach(() => on.discord.sendInteractionsTo(undefined))

  it('is acknowledged in the response, and then answered like one from the gateway', async () => {
    const asked = on.discord.slash('flux', { prompt: 'a fox by http' })
    const shown = await withPicture(asked)
    expect(shown.content).toContain('a fox by http')
    expect(answersTo(asked)).toMatchObject([{ status: 200, body: { type: 5 } }])
    expect(callbacks(asked)).toEqual([])
    const pressed = on.discord.press(shown, '🗑 Delete')
    await pressed.waitForAck()
    expect(answersTo(pressed)).toMatchObject([{ body: { type: 6 } }])
  })

  it('gets its private answer, its form and its suggestions in the response', async () => {
    const models = on.discord.slash('models')
    await models.waitForReply()
    expect(answersTo(models)).toMatchObject([{ body: { type: 5, data: { flags: 64 } } }])
    const shown = await withPicture(on.discord.slash('flux', { prompt: 'a fox with a form' }))
    const pressed = on.discord.press(shown, '✏️ Edit · 1 credit')
    await pressed.waitForAck()
    expect(answersTo(pressed)).toMatchObject([{ status: 200, body: { type: 9 } }])
    const edit = on.discord.slash('edit')
    await edit.waitForAck()
    expect(answersTo(edit)).toMatchObject([{ status: 200, body: { type: 9, data: { custom_id: '1:editupload:own' } } }])
    const pictures = [{ filename: 'a.png', data: await pngOf(96, 64) }]
    const uploaded = on.discord.submitModal(edit, { pictures, prompt: 'a fox in the rain' })
    expect((await withPicture(uploaded)).content).toContain('a fox in the rain')
    const typed = on.discord.autocomplete('flux', { model: '' }, 'model')
    await typed.waitForAck()
    expect(answersTo(typed)).toMatchObject([{ body: { type: 8 } }])
    expect([...callbacks(models), ...callbacks(pressed), ...callbacks(edit), ...callbacks(typed)]).toEqual([])
  })

  it('acts once when it also comes by the gateway, and when it comes twice', async () => {
    const before = await drawings()
    on.discord.sendInteractionsTo(url, true)
    const asked = on.discord.slash('flux', { prompt: 'a fox by both ways' })
    await withPicture(asked)
    on.discord.redeliver(asked)
    await expect.poll(() => answersTo(asked).length).toBe(2)
    expect(await drawings()).toBe(before + 1)
    expect(asked.followUps()).toEqual([])
  })

  it('reaches the process with the bot when another one listens, also for a form', async () => {
    on.discord.sendInteractionsTo(listenerUrl)
    const shown = await withPicture(on.discord.slash('flux', { prompt: 'a fox elsewhere' }))
    const pressed = on.discord.press(shown, '✏️ Edit · 1 credit')
    await pressed.waitForAck()
    expect(pressed.acknowledgedWith).toBe(9)
    expect(callbacks(pressed)[0]).toBe(204)
    await expect.poll(() => answersTo(pressed)).toMatchObject([{ status: 202 }])
  })

  it('is stored before it is acknowledged', async () => {
    const asked = on.discord.slash('help')
    await asked.waitForReply()
    const stored = await on.test.core.database.rows<{ key: string }>(
      sql`select key from inbox where key = ${`discord:${asked.id}`}`,
    )
    expect(stored).toHaveLength(1)
  })
})

describe('a request that is not a signed interaction', () => {
  const body = JSON.stringify({ type: 1, id: '1', token: 'x', application_id: '1' })
  const stranger = generateKeyPairSync('ed25519').privateKey
  const seconds = () => Math.floor(Date.now() / 1000)
  const genuine = (given = body, at = seconds()) => on.discord.endpoint.headersFor(given, at)
  const send = (headers: Record<string, string>, sent: string | Buffer = body) =>
    fetch(url, { method: 'POST', headers: { 'content-type': 'application/json', ...headers }, body: sent })
  const signature = 'x-signature-ed25519'
  const timestamp = 'x-signature-timestamp'

  it('is answered 401, and a genuine PING with a PONG', async () => {
    const { [signature]: s = '', [timestamp]: t = '' } = genuine()
    const flipped = (at: number) => s.slice(0, at) + (s[at] === '0' ? '1' : '0') + s.slice(at + 1)
    const foreign = sign(null, Buffer.from(t + body), stranger).toString('hex')
    const kinds: [string, Record<string, string>, (string | Buffer)?][] = [
      ['no headers', {}],
      ['no signature', { [timestamp]: t }],
      ['no timestamp', { [signature]: s }],
      ['an empty signature', { [signature]: '', [timestamp]: t }],
      ['an empty timestamp', { [signature]: s, [timestamp]: '' }],
      ['the first digit changed', { [signature]: flipped(0), [timestamp]: t }],
      ['the last digit changed', { [signature]: flipped(127), [timestamp]: t }],
      ['a shorter signature', { [signature]: s.slice(2), [timestamp]: t }],
      ['a longer signature', { [signature]: `${s}00`, [timestamp]: t }],
      ['a signature that is not hexadecimal', { [signature]: `zz${s.slice(2)}`, [timestamp]: t }],
      ['zeros', { [signature]: '0'.repeat(128), [timestamp]: t }],
      ['random bytes', { [signature]: randomBytes(64).toString('hex'), [timestamp]: t }],
      ['the key of another application', { [signature]: foreign, [timestamp]: t }],
      ['base64', { [signature]: Buffer.from(s, 'hex').toString('base64'), [timestamp]: t }],
      ['another time', { [signature]: s, [timestamp]: String(Number(t) + 1) }],
      ['another body', { [signature]: s, [timestamp]: t }, body.replace('"1"', '"2"')],
      ['a longer body', { [signature]: s, [timestamp]: t }, `${body} `],
      ['no body', { [signature]: s, [timestamp]: t }, ''],
      ['the time moved into the body', { [signature]: s, [timestamp]: t.slice(0, -1) }, t.slice(-1) + body],
      ['an old time', genuine(body, seconds() - 360)],
      ['a time to come', genuine(body, seconds() + 360)],
      ['a time in milliseconds', genuine(body, Date.now())],
      ['a time that is no number', { [signature]: s, [timestamp]: `${t}.0` }],
      ['two signatures', { [signature]: `${s}, ${s}`, [timestamp]: t }],
    ]
    const statuses = await Promise.all(
      kinds.map(async ([name, headers, sent]) => [name, (await send(headers, sent)).status]),
    )
    expect(statuses).toEqual(kinds.map(([name]) => [name, 401]))
    const ping = await send(genuine())
    expect([ping.status, await ping.json()]).toEqual([200, { type: 1 }])
    const older = await send(genuine(body, seconds() - 200))
    expect(older.status).toBe(200)
  })

  it('changes no rules of a server with permissions that Discord did not sign', async () => {
    on.discord.sendInteractionsTo(url)
    const asked = on.discord.slash('server nsfw', { state: 'on' }, { permissions: '0' })
    expect((await asked.waitForReply()).content).toContain('Only people who may manage this server')
    on.discord.sendInteractionsTo(undefined)
    const signed = JSON.stringify({ ...asked.payload, id: '1' })
    const payload = asked.payload as { member: object }
    const forged = JSON.stringify({ ...payload, id: '1', member: { ...payload.member, permissions: '8' } })
    expect((await send(genuine(signed), forged)).status).toBe(401)
    expect((await send({}, forged)).status).toBe(401)
    expect(await on.test.core.database.rows(sql`select chat from chat_rules`)).toEqual([])
  })

  it('is answered 400 if it is signed and is no interaction', async () => {
    for (const wrong of ['', 'null', '[]', '{"type":2}', '{"type":2,"id":"x","token":"y"}', '{']) {
      expect((await send(genuine(wrong), wrong)).status).toBe(400)
    }
  })
})
