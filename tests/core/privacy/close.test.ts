import { sql } from 'drizzle-orm'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openInbox } from '../../../src/bots/inbox.ts'
import { visitorIdOf } from '../../../src/bots/web/access.ts'
import { saveMessage } from '../../../src/bots/web/messages.ts'
import { createWeb } from '../../../src/bots/web/web.ts'
import { accountOf, readAccount } from '../../../src/core/accounts/accounts.ts'
import { createApiKey } from '../../../src/core/accounts/api-keys.ts'
import { askToJoin } from '../../../src/core/accounts/link-codes.ts'
import { createPanelLink, openSession } from '../../../src/core/accounts/sessions.ts'
import { adjust, refundRequest } from '../../../src/core/billing/adjust.ts'
import { createCode, redeemCode } from '../../../src/core/billing/codes.ts'
import { claimDaily } from '../../../src/core/billing/daily.ts'
import { give } from '../../../src/core/billing/gifts.ts'
import { grant } from '../../../src/core/billing/ledger.ts'
import { openOrder, payOrder } from '../../../src/core/billing/orders.ts'
import { acceptInvitation, referralCodeOf } from '../../../src/core/billing/referrals.ts'
import { buttonId } from '../../../src/core/chats/buttons.ts'
import { AppError } from '../../../src/core/errors.ts'
import { deleteDue } from '../../../src/core/media/deletions.ts'
import { forgetOldUploads, storeUploads } from '../../../src/core/media/uploads.ts'
import type { Enhancer, ImageProvider } from '../../../src/core/ports/providers.ts'
import type { ObjectStore } from '../../../src/core/ports/storage.ts'
import { clearClosedAccounts, closeAccount } from '../../../src/core/privacy/close.ts'
import { createExportLink } from '../../../src/core/privacy/export-links.ts'
import { finish, noteUnanswered } from '../../../src/core/programs/idempotency.ts'
import { report } from '../../../src/core/results/reactions.ts'
import { createApiSurface } from '../../../src/http/api/surface.ts'
import { databases } from '../../helpers/backends.ts'
import { askAs, attachment, createChat, createPlain, openTestCore, pngOf, type TestCore } from '../../helpers/core.ts'
import { dump, linesWith } from '../../helpers/dump.ts'
import { violations } from '../../helpers/invariants.ts'
import { keepLog } from '../../helpers/log.ts'

/** In every planted word, and in the person's id. */
const mark = 'zanzibar'
const who = `${mark}777`
const identity = `test:${who}`

const enhancer: Enhancer = { model: 'poet', enhance: async () => `${mark} enhanced`, close: async () => undefined }

describe.each(databases())('deleting an account on %s', (kind) => {
  let test: TestCore
  let log: ReturnType<typeof keepLog>
  let objects: Set<string>
  let hold: Promise<void> | undefined

  beforeEach(async () => {
    hold = undefined
    const start: ImageProvider['start'] = async ({ id }, signal) => {
      await Promise.race([hold, new Promise((resolve) => signal.addEventListener('abort', resolve))])
      return { state: 'done', images: [await pngOf(64, 64)], seed: id.slice(0, 2) }
    }
    const chat = createChat()
    test = await openTestCore(kind, {
      chat,
      enhancer,
      providers: [createPlain({ start })],
      limits: { welcome: 20, inFlight: 10 },
      surfaces: (parts) => [chat, createApiSurface(parts), createWeb({ ...parts, publicUrl: 'http://localhost:8080' })],
    })
    log = keepLog()
    objects = new Set()
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
  })
  afterEach(() => test.close())

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
  /** The buttons of the question before the account is deleted. */
  const question = async () => {
    const { address } = await say('/privacy delete')
    return (test.chat.last(address)?.buttons ?? []).flat()
  }
  const close = async () => press((await question())[0]?.id ?? '')
  const state = async (userId: string) =>
    (
      await rows<{ name: string; balance: number; closed: boolean; cleared: boolean }>(sql`
        select name, balance, closed_at is not null as closed, cleared_at is not null as cleared
        from users where id = ${userId}::uuid`)
    )[0]
  const later = async () => {
    await rows(sql`update users set closed_at = now() - interval '20 minutes' where closed_at is not null`)
    await clearClosedAccounts(test.core)
  }

  /** Every kind of word and picture that is kept about a person. */
  async function plant(): Promise<string> {
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
    const { id: keyId } = await createApiKey(core, { userId, name: `${mark} key` })
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
    await openSession(core, identity)
    await createPanelLink(core, identity, 'panel')
    await createExportLink(core, userId, 'export')
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
    await receive()
    return userId
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

  it('leaves none of the words, ids and pictures of the person', async () => {
    const userId = await plant()
    expect(objects.size).toBeGreaterThan(4)
    expect(linesWith(await dump(test.core.database), [mark]).length).toBeGreaterThan(15)
    expect((await close())?.text).toMatch(/Your account is deleted/)
    await forgetOldUploads(test.core)
    await deleteDue(test.core)
    expect(linesWith(await dump(test.core.database), [mark])).toEqual([])
    expect(await rows(sql`select message from sent_messages where asked_by <> ''`)).toEqual([{ message: '0:5' }])
    const [others] = await rows<{ id: string }>(sql`select id from generations where erased_at is null`)
    expect([...objects].filter((key) => !key.includes(others?.id ?? ''))).toEqual([])
    expect(await state(userId)).toEqual({ name: '', balance: 0, closed: true, cleared: false })
    await later()
    expect(await state(userId)).toEqual({ name: '', balance: 0, closed: true, cleared: true })
    expect(await violations(test.core.database)).toEqual([])
    expect(
      linesWith(
        log.lines.filter((line) => !line.startsWith('debug')),
        [mark],
      ),
    ).toEqual([])
  })

  it('deletes the messages that show results, also those in a chat that was away', async () => {
    const call = await say('a cat')
    await test.ended(call)
    const { chat } = test
    const remove = chat.remove
    Object.assign(chat, { remove: () => Promise.reject(new AppError('chat_unavailable')) })
    await close()
    expect(chat.last(call.address)?.text).toContain('a cat')
    Object.assign(chat, { remove })
    await clearClosedAccounts(test.core)
    expect(chat.last(call.address)).toBeUndefined()
    expect(await rows(sql`select from sent_messages`)).toEqual([])
  })

  it('stops requests under way first, and forfeits the balance by an entry', async () => {
    hold = new Promise(() => {})
    const call = await say('a slow cat')
    const userId = await accountOf(test.core, { id: identity, name: who })
    await close()
    expect(await rows(sql`select state from generations`)).toEqual([{ state: 'cancelled' }])
    const entries = await rows(sql`select kind, amount, source from ledger where user_id = ${userId}::uuid order by id`)
    expect(entries.at(-1)).toEqual({ kind: 'take', amount: -20, source: 'closing' })
    expect(await readAccount(test.core, userId)).toMatchObject({ balance: 0, held: 0, inFlight: 0 })
    expect(test.chat.last(call.address)).toBeUndefined()
  })

  it('gives the person a new account on return, without a second welcome grant', async () => {
    await say('a cat')
    const before = await accountOf(test.core, { id: identity, name: who })
    const [button] = await question()
    await press(button?.id ?? '')
    expect((await press(button?.id ?? ''))?.text).toMatch(/Your account is deleted/)
    expect(await rows(sql`select from identities where id = ${identity}`)).toEqual([])
    const after = await accountOf(test.core, { id: identity, name: who })
    expect(after).not.toBe(before)
    expect(await readAccount(test.core, after)).toMatchObject({ name: who, balance: 0 })
  })

  it('remembers in each later account what a person may take once, also without welcome credits', async () => {
    const { core } = test
    Object.assign(core.limits, { welcome: 0, daily: 5 })
    const again = () => accountOf(core, { id: identity, name: who })
    await again()
    await close()
    const second = await again()
    const code = await createCode(core, { credits: 50, uses: 9, actor: 'test:root', key: 'a' })
    expect((await redeemCode(core, second, code)).fresh).toBe(true)
    expect((await claimDaily(core, second)).fresh).toBe(false)
    await close()
    const third = await again()
    expect((await redeemCode(core, third, code).catch(() => ({ fresh: false }))).fresh).toBe(false)
    expect((await claimDaily(core, third)).fresh).toBe(false)
    const inviter = await accountOf(core, { id: 'test:eve', name: 'eve' })
    const invitation = await referralCodeOf(core, inviter)
    await expect(acceptInvitation(core, third, invitation)).rejects.toMatchObject({ kind: 'not_invitable' })
    expect(await readAccount(core, third)).toMatchObject({ balance: 0 })
  })

  it('leaves a debt to the next account of the person, once', async () => {
    const { core } = test
    const again = () => accountOf(core, { id: identity, name: who })
    const debtOf = async () => (await readAccount(core, await again())).debt
    await rows(sql`
      insert into ledger (user_id, kind, amount, debt, source) values (${await again()}::uuid, 'take', -20, 8, 'order')`)
    await close()
    expect(await debtOf()).toBe(8)
    await grant(core, { userId: await again(), amount: 3, source: 'admin', key: 'pays 3' })
    await close()
    expect(await debtOf()).toBe(5)
    await grant(core, { userId: await again(), amount: 5, source: 'admin', key: 'pays 5' })
    await close()
    expect(await debtOf()).toBe(0)
    expect(await violations(core.database)).toEqual([])
  })

  it('closes no account that was joined with another one meanwhile', async () => {
    const userId = await accountOf(test.core, { id: identity, name: who })
    const heir = await accountOf(test.core, { id: 'test:eve', name: 'eve' })
    await rows(sql`update users set joined_into = ${heir}::uuid where id = ${userId}::uuid`)
    await expect(closeAccount(test.core, userId)).rejects.toMatchObject({ kind: 'confirmation_over' })
    expect([await state(userId), await state(heir)]).toMatchObject([{ closed: false }, { closed: false }])
  })

  it('gives a closed account neither what it pays for nor what it gets back', async () => {
    const { core } = test
    await test.ended(await say('a cat'))
    const userId = await accountOf(core, { id: identity, name: who })
    const order = { userId, platform: 'test', item: 'pack', credits: 100, amount: 5, currency: 'XTR' }
    const orderId = await openOrder(core, order)
    const [drawn] = await rows<{ id: string }>(sql`select id from generations`)
    await close()
    await expect(payOrder(core, { charge: 'test:1', orderId })).rejects.toMatchObject({ kind: 'account_closed' })
    const refund = refundRequest(core, { id: drawn?.id ?? '', actor: 'test:root', key: 'refund' })
    await expect(refund).rejects.toMatchObject({ kind: 'account_closed' })
    expect(await state(userId)).toMatchObject({ balance: 0 })
    expect(await rows(sql`select from payments`)).toEqual([])
  })

  it('is noticed by a process that still has the account in its cache', async () => {
    const { core, chat } = test
    const userId = await accountOf(core, { id: identity, name: who, handle: who })
    const [entry] = core.accountIds
    await close()
    core.accountIds.set(entry?.[0] ?? '', userId)
    const asked = await say('a cat')
    expect(chat.last(asked.address)?.content).toMatchObject({ error: 'no_credits' })
    expect(await accountOf(core, { id: identity, name: who, handle: who })).not.toBe(userId)
  })

  it('keeps a ban', async () => {
    const userId = await accountOf(test.core, { id: identity, name: who })
    await rows(sql`update users set banned = true, ban_reason = 'rude' where id = ${userId}::uuid`)
    await close()
    const { address } = await say('a cat')
    expect(test.chat.last(address)?.content).toMatchObject({ error: 'banned', data: { reason: 'rude' } })
  })

  it('needs a press of the same person before the button expires', async () => {
    const userId = await accountOf(test.core, { id: identity, name: who })
    const [button, keep] = await question()
    const { id = '' } = button ?? {}
    await accountOf(test.core, { id: 'test:eve', name: 'eve' })
    expect((await press(id, 'eve'))?.content).toMatchObject({ error: 'not_yours' })
    const [, , ref = ''] = id.split(':')
    const longer = (Number.parseInt(ref, 36) + 60_000).toString(36)
    expect((await press(id.replace(/\w+\./, `${longer}.`)))?.content).toMatchObject({ error: 'not_yours' })
    expect((await press(keep?.id ?? ''))?.text).toMatch(/stays/)
    expect(await state(userId)).toMatchObject({ closed: false })
  })
})
