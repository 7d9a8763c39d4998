/** Creates a person, with at least one row or file of each kind that the service stores about people. */
import { sql } from 'drizzle-orm'
import { expect } from 'vitest'
import { openInbox } from '../../../src/bots/inbox.ts'
import { visitorIdOf } from '../../../src/bots/web/access.ts'
import { saveAnswer, saveMessage } from '../../../src/bots/web/messages.ts'
import { createWeb } from '../../../src/bots/web/web.ts'
import { accountOf } from '../../../src/core/accounts/accounts.ts'
import { createApiKey } from '../../../src/core/accounts/api-keys.ts'
import { askToJoin, createLinkCode } from '../../../src/core/accounts/link-codes.ts'
import { createPanelLink, openSession } from '../../../src/core/accounts/sessions.ts'
import { adjust } from '../../../src/core/billing/adjust.ts'
import { createCode, redeemCode } from '../../../src/core/billing/codes.ts'
import { claimDaily } from '../../../src/core/billing/daily.ts'
import { give } from '../../../src/core/billing/gifts.ts'
import { grant } from '../../../src/core/billing/ledger.ts'
import { openOrder, payOrder } from '../../../src/core/billing/orders.ts'
import { acceptInvitation, referralCodeOf } from '../../../src/core/billing/referrals.ts'
import { buttonId } from '../../../src/core/chats/buttons.ts'
import { storeUploads } from '../../../src/core/media/uploads.ts'
import type { Enhancer, ImageProvider } from '../../../src/core/ports/providers.ts'
import type { ObjectStore } from '../../../src/core/ports/storage.ts'
import { createExportLink } from '../../../src/core/privacy/export-links.ts'
import { finish, noteUnanswered } from '../../../src/core/programs/idempotency.ts'
import { keepPicture } from '../../../src/core/results/picture-offers.ts'
import { report } from '../../../src/core/results/reports.ts'
import { createApiSurface } from '../../../src/http/api/surface.ts'
import type { Backend } from '../../helpers/backends.ts'
import { askAs, attachment, createChat, createPlain, openTestCore, pngOf } from '../../helpers/core.ts'
import { dump, linesWith } from '../../helpers/dump.ts'
import { keepLog } from '../../helpers/log.ts'

/** In every planted word, and in the person's id. */
export const mark = 'zanzibar'
export const who = `${mark}777`
export const identity = `test:${who}`

const enhancer: Enhancer = { model: 'poet', enhance: async () => `${mark} enhanced`, close: async () => undefined }

export interface Planted {
  userId: string
  /** What opens something: keys, tokens, codes. */
  secrets: string[]
}

/** `hold`: what the provider waits for. `objects`: keys of what is in the store. */
export async function openPerson(kind: Backend, hold: () => Promise<void> | undefined = () => undefined) {
  const start: ImageProvider['start'] = async ({ id }, signal) => {
    await Promise.race([hold(), new Promise((resolve) => signal.addEventListener('abort', resolve))])
    return { state: 'done', images: [await pngOf(64, 64)], seed: id.slice(0, 2) }
  }
  const chat = createChat()
  const test = await openTestCore(kind, {
    chat,
    enhancer,
    providers: [createPlain({ start })],
    limits: { welcome: 20, inFlight: 10, daily: 5, referral: 1 },
    surfaces: (parts) => [chat, createApiSurface(parts), createWeb({ ...parts, publicUrl: 'http://localhost:8080' })],
  })
  const log = keepLog()
  const objects = new Set<string>()
  const { store } = test.core
  const watched: ObjectStore = {
    ...store,
    put: async (key, body, type) => {
      objects.add(key)
      await store.put(key, body, type)
    },
    delete: async (key) => {
      objects.delete(key)
      await store.delete(key)
    },
  }
  Object.assign(test.core, { log, store: watched })
  await test.work()

  const rows = <Row extends Record<string, unknown>>(query: ReturnType<typeof sql>) =>
    test.core.database.rows<Row>(query)
  const say = (text: string, place = `test:${mark}-${Math.random()}`) =>
    test.say(text, { who, address: `${place}` as `test:${string}` })
  const idOf = async (key: string) =>
    (await rows<{ id: string }>(sql`select id from generations where key = ${key}`))[0]?.id ?? ''
  const press = async (button: string, by = who) => {
    const { address } = await test.say('', { who: by, act: { kind: 'press', button } })
    return test.chat.last(address)
  }

  async function plant(): Promise<Planted> {
    const { core } = test
    const { database } = core
    const drawn = await say(`${mark} prompt --no ${mark} negative --enhance`)
    await test.ended(drawn)
    const id = await idOf(drawn.key)
    const userId = await accountOf(core, { id: identity, name: `${mark} name`, handle: `${mark}handle` })
    await rows(sql`
      update generations set error_data = ${JSON.stringify({ reason: `${mark} reason` })}::jsonb, channel = ${mark},
        ticket = ${JSON.stringify({ url: `https://${mark}.example` })}::jsonb, key = ${`test:${mark}`},
        webhook_message = ${JSON.stringify({ prompt: mark })}::jsonb, request_id = ${mark} where id = ${id}::uuid`)
    await press(buttonId('favourite', id))
    await press(buttonId('up', id))
    await report(core, { userId, generationId: id, reason: `${mark} report` })
    await say(`${mark} draft --enhance=ask`)
    await say(`/apikey create ${mark}key`)
    const { id: keyId, key } = await createApiKey(core, { userId, name: `${mark} key` })
    const holder = { userId, keyId, admin: false, models: null }
    const program = { holder, key: `${mark}-idempotency`, images: [attachment(await pngOf(64, 64))] }
    const asked = await askAs(core, {
      ...program,
      params: { prompt: `${mark} api` },
      webhookUrl: `https://${mark}.example/`,
    })
    await expect
      .poll(
        async () =>
          (await rows(sql`select from generations where id = ${asked.id}::uuid and state = 'delivered'`)).length,
      )
      .toBe(1)
    await finish(core, { userId, key: mark, bodyHash: '' }, { prompt: mark })
    await noteUnanswered(core, { userId, key: mark, bodyHash: '' }, mark)
    await storeUploads(core, holder, [await pngOf(32, 32)])
    await rows(sql`insert into user_settings (user_id, model) values (${userId}::uuid, ${mark})
      on conflict (user_id) do update set model = excluded.model`)
    await rows(
      sql`insert into dialogues (question, person, form, expires_at) values ('test:1:2', ${identity}, 'f', now())`,
    )
    await rows(sql`insert into chat_calls (chat, calls) values (${identity}, array[now()])`)
    await rows(sql`
      insert into audit_log (actor, action, target, before) values
        (${identity}, 'price', 'sketch', '1'), ('test:boss', 'ban', ${userId}, ${JSON.stringify({ reason: mark })}::jsonb)`)
    await saveMessage(database, visitorIdOf(identity), `${visitorIdOf(identity)}:1`, {
      role: 'person',
      text: `${mark} page`,
    })
    await saveAnswer(database, visitorIdOf(identity), {
      id: `${visitorIdOf(identity)}:1`,
      body: { role: 'bot', text: `Key: ${key}` },
    })
    const secrets = [
      key,
      await openSession(core, identity),
      await createPanelLink(core, identity, 'panel'),
      (await createExportLink(core, userId, 'export')).split('/').at(-1) ?? '',
      await createLinkCode(core, { from: { id: identity, name: `${mark} name` }, key: 'link' }),
      await plantCredits(userId),
    ]
    // keys of welcome grants had the identity in clear
    await grant(core, {
      userId,
      amount: 3,
      source: 'gift',
      reason: `${mark} gift`,
      actor: identity,
      key: `welcome:${identity}`,
    })
    const bob = await accountOf(core, { id: 'test:bob', name: 'bob' })
    await grant(core, { userId: bob, amount: 3, source: 'gift', reason: `from ${mark}`, actor: identity, key: 'gift' })
    // keys of calls in a private chat on Telegram hold the person's id
    await give(core, { from: userId, to: bob, amount: 1, key: `${identity}:2` })
    await adjust(core, { userId: bob, how: 'give', amount: 1, actor: identity, reason: '', key: `${identity}:3` })
    await expect(askToJoin(core, { from: { id: identity, name: who }, key: `${identity}:4` }, 'x')).rejects.toThrow()
    const shown = await test.say('a dog', { who: 'bob' })
    await test.ended(shown)
    const shownId = await idOf(shown.key)
    await rows(sql`
      insert into sent_messages (generation_id, surface, posted, message, asked_by, part) values
        (${shownId}::uuid, 'test', ${`${identity}:5`}, ${`${who}:5`}, ${`${identity}:6`}, 0),
        (${shownId}::uuid, 'test', ${'test:0:5'}, '0:5', 'test:0:6', 0)`)
    await rows(sql`insert into identities (id, user_id, name) values (${`discord:${who}`}, ${userId}::uuid, '')`)
    await rows(sql`
      insert into picked_messages (ref, person, picked, expires_at) values ('1', ${who}, '{"message": "picked"}', now())`)
    await rows(sql`insert into private_chats (person, locale) values (${identity}, 'en')`)
    const [announced] = await rows<{ id: string }>(sql`
      insert into broadcasts (id, key, surface, text, audience, asked_by, locale)
      values (gen_random_uuid(), 'announced', 'test', 'an announcement', 'all', ${identity}, 'en') returning id`)
    await rows(sql`
      insert into broadcast_recipients (broadcast_id, person) values (${announced?.id ?? ''}::uuid, ${identity})`)
    const from = { id: identity, name: `${mark} name`, handle: `${mark}handle` }
    await keepPicture(core, { key: `test:${mark}-picture`, from }, attachment(await pngOf(48, 48)))
    await receive()
    return { userId, secrets }
  }

  /** Resolves to a code that gives credits. */
  async function plantCredits(userId: string): Promise<string> {
    const { core } = test
    await claimDaily(core, userId)
    const code = await createCode(core, { credits: 5, uses: 1, actor: 'test:root', key: 'code' })
    await redeemCode(core, userId, code)
    await rows(sql`
      insert into role_claims (chat, user_id, day, member, credits) values ('test:1', ${userId}::uuid, now(), 'member', 2)`)
    const order = { userId, platform: 'test', item: 'pack', credits: 100, amount: 5, currency: 'XTR' }
    await payOrder(core, { charge: 'test:1', orderId: await openOrder(core, order) })
    const [ann, eve] = [
      await accountOf(core, { id: 'test:ann', name: 'ann' }),
      await accountOf(core, { id: 'test:eve', name: 'eve' }),
    ]
    await acceptInvitation(core, ann, await referralCodeOf(core, userId))
    await rows(sql`insert into referrals (user_id, inviter_id) values (${userId}::uuid, ${eve}::uuid)`)
    return code
  }

  /** Acts that came through the inbox, and were handled. */
  async function receive(): Promise<void> {
    const { database } = test.core
    const lane = `chat:${who}`
    const inbox = await openInbox({ database, name: 'test', log, handle: async () => undefined })
    await rows(sql`insert into inbox_files (act, position, data) values ('act:1', 0, ${Buffer.from(mark)}::bytea)`)
    await inbox.store([
      { key: 'act:1', lane, body: { text: `${mark} words` } },
      { key: 'act:2', lane, album: `text ${lane}`, body: { text: `${mark} album` } },
    ])
    await expect.poll(async () => (await rows(sql`select from inbox where handled_at is null`)).length).toBe(0)
    await inbox.close(0)
    expect(linesWith(await dump(database), [`${mark} words`, `${mark} album`])).toEqual([])
  }

  return { test, log, objects, rows, say, idOf, press, plant }
}
