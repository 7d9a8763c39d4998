/** Credits for Telegram Stars: from `/buy` to the refund, with two processes that get every update. */
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import { json } from 'node:stream/consumers'
import { sql } from 'drizzle-orm'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import type { Telegram } from '../../../src/bots/telegram/telegram.ts'
import { closeAccount } from '../../../src/core/privacy/close.ts'
import type { From, ShownMessage } from '../../emulators/telegram/index.ts'
import { violations } from '../../helpers/invariants.ts'
import { openTestTelegram, type TestTelegram } from '../../helpers/telegram.ts'

const secret = 'secret'
const admin = { userId: 900 }
const group = { chatId: -1001000000001, chatType: 'supergroup' as const }

let test: TestTelegram
let nextPerson = 501

/** A person without an account. */
const person = (over: From = {}) => ({ userId: nextPerson++, ...over })
type Person = ReturnType<typeof person>

async function answerTo(text: string, from: From): Promise<ShownMessage> {
  const { chatId, messageId } = test.telegram.say(text, from)
  return test.telegram.waitFor(chatId, ({ fromBot, replyTo }) => fromBot && replyTo === messageId)
}

async function invoiceFor(buyer: Person, wanted = 'small') {
  const message = await answerTo(`/buy ${wanted}`, buyer)
  if (!message.raw.invoice) throw new Error(message.text)
  return { chatId: buyer.userId, messageId: message.messageId, message }
}

async function pay(buyer: Person, options?: { isLost: boolean }) {
  return test.telegram.pay(await invoiceFor(buyer), buyer, options)
}

const told = (buyer: Person, text: string) =>
  test.telegram.waitFor(buyer.userId, (message) => message.fromBot && message.text.includes(text))

const toldTimes = (buyer: Person, text: string) =>
  test.telegram.botMessages(buyer.userId).filter((message) => message.text.includes(text)).length

async function account({ userId }: Person) {
  const [row] = await test.core.database.rows<{ id: string; balance: number; debt: number }>(sql`
    select users.id, balance, debt from users join identities on identities.user_id = users.id
    where identities.id = ${`telegram:${userId}`}`)
  return row!
}

const orderOf = async (buyer: Person) => {
  const { id } = await account(buyer)
  const [row] = await test.core.database.rows<{ id: string }>(sql`select id from orders where user_id = ${id}`)
  return row!.id
}

async function finish() {
  const wrong = await violations(test.core.database)
  await test.close()
  expect(wrong).toEqual([])
  expect(test.telegram.violations).toEqual([])
}

describe('with two processes behind a webhook', () => {
  const servers: Server[] = []
  const processes: Telegram[] = []
  /** Posts each update to one of the processes. */
  async function serve(): Promise<string> {
    const number = servers.length
    const server = createServer(async (request, response) => {
      const header = request.headers['x-telegram-bot-api-secret-token']
      response.statusCode = (await processes[number]?.handleUpdate(await json(request), header)) ?? 500
      response.end()
    })
    servers.push(server)
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const address = server.address()
    return `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`
  }

  /** A third process compares the payments as it starts. */
  async function reconcile(): Promise<void> {
    const calls = () => test.telegram.requests.filter(({ method }) => method === 'getStarTransactions').length
    const before = calls()
    const third = await test.another()
    await expect.poll(calls).toBeGreaterThan(before)
    const lease = sql`select name from facts where name like 'lease:%payments'`
    await expect.poll(() => test.core.database.rows(lease)).toEqual([])
    await third.stop()
    await test.quiet()
  }

  beforeAll(async () => {
    const publicUrl = await serve()
    const mirror = await serve()
    const admins = new Set([`telegram:${admin.userId}`])
    const bot = { webhookSecret: secret, publicUrl, admins }
    test = await openTestTelegram({ bot, admins: [...admins], limits: { welcome: 0 }, works: false })
    processes.push(test.bot, await test.another())
    test.telegram.mirrorWebhook(`${mirror}/telegram/webhook`)
    test.telegram.open(admin)
  })

  afterAll(async () => {
    await finish()
    for (const server of servers) server.close()
  })

  it('shows packages, whose buttons send an invoice that only this person can pay', async () => {
    const buyer = person()
    const list = await answerTo('/buy', buyer)
    expect(list.buttons.flat().map(({ label }) => label)).toEqual([
      '100 credits · ⭐ 150',
      '300 credits · ⭐ 420',
      '1,000 credits · ⭐ 1,300',
    ])
    const pressed = test.telegram.press(list, '300 credits · ⭐ 420', buyer)
    expect(await pressed.answered()).toEqual({ showAlert: false })
    const shown = await test.telegram.waitFor(buyer.userId, ({ raw }) => raw.invoice !== undefined)
    expect(shown.raw.invoice).toMatchObject({ title: '300 credits', total_amount: 420, start_parameter: 'buy_medium' })
    // a copy of the invoice opens the bot for another person
    const other = person()
    const theirs = await answerTo('/start buy_medium', other)
    expect(theirs.raw.invoice).toMatchObject({ total_amount: 420 })
    // another look at the same package is the same order
    await invoiceFor(buyer, '2')
    const { id } = await account(buyer)
    expect(await test.core.database.rows(sql`select item from orders where user_id = ${id}`)).toEqual([
      { item: 'medium' },
    ])
    expect((await answerTo('/buy huge', buyer)).text).toContain('no longer sold')
  })

  it('offers credits beside the balance, and writes to the person alone in a group', async () => {
    const buyer = person()
    const balance = await answerTo('/credits', buyer)
    await test.telegram.press(balance, '⭐ Buy credits', buyer).answered()
    const list = await test.telegram.waitFor(buyer.userId, ({ buttons }) => buttons.length === 3)
    expect(list.text).toContain('Telegram Stars')
    const { messageId } = test.telegram.say('/buy', { ...group, ...buyer })
    const notice = await test.telegram.waitFor(group.chatId, ({ replyTo }) => replyTo === messageId)
    expect(notice.text).toBe('🔒 The answer goes to you in a private message.')
    expect(test.telegram.botMessages(buyer.userId).filter(({ buttons }) => buttons.length === 3)).toHaveLength(2)
  })

  it('grants a payment that arrives three times, at both processes, once', async () => {
    const buyer = person()
    const { update, chargeId } = await pay(buyer)
    test.telegram.redeliver(update)
    // Telegram may report the same payment with another id
    test.telegram.inject({ message: update.message! })
    await told(buyer, 'Thank you! You bought 100 credits. The balance is 100 credits.')
    await expect.poll(() => test.telegram.pendingUpdates()).toBe(0)
    await test.quiet()
    expect(await account(buyer)).toMatchObject({ balance: 100, debt: 0 })
    expect(toldTimes(buyer, 'Thank you')).toBe(1)
    const rows = await test.core.database.rows(sql`
      select key from ledger where user_id = ${(await account(buyer)).id}`)
    expect(rows).toEqual([{ key: `order:telegram:${chargeId}` }])
  })

  it('refuses a payment with a sentence in the person’s language', async () => {
    const buyer = person()
    await invoiceFor(buyer)
    const payload = await orderOf(buyer)
    const { id } = await account(buyer)
    const refusal = async (offer: object, from: From = buyer) => {
      const { ok, error } = await test.telegram.askCheckout({ payload, stars: 150, ...offer }, from)
      expect(ok).toBe(error === '')
      return error
    }
    expect(await refusal({})).toBe('')
    const changed = 'These credits are no longer sold at this price. Send /buy to see what is for sale.'
    expect(await refusal({ stars: 1 })).toBe(changed)
    expect(await refusal({ currency: 'USD' })).toBe(changed)
    expect(await refusal({ payload: 'another bot’s' })).toMatch(/^There is no such order/)
    expect(await refusal({ payload: '019ab5f2-0000-7000-8000-000000000000' })).toMatch(/^There is no such order/)
    expect(await refusal({}, person())).toMatch(/^This invoice is for another account/)
    expect((await answerTo('/package small 100 200', admin)).text).toMatch(
      /^✅ Saved[\s\S]*small · 100 credits · ⭐ 200/,
    )
    expect(await refusal({})).toBe(changed)
    expect((await answerTo('/package small off', admin)).text).toContain('not sold')
    expect(await refusal({})).toBe(changed)
    await answerTo('/package small 100 150', admin)
    expect(await refusal({})).toBe('')
    await test.core.database.rows(sql`insert into user_settings (user_id, language) values (${id}, 'zh')`)
    await test.core.database.rows(sql`update users set banned = true, ban_reason = 'spam' where id = ${id}`)
    expect(await refusal({})).toMatch(/封禁.*spam/)
    await closeAccount(test.core, id)
    expect(await refusal({})).toMatch(/account/i)
  })

  it('gives Stars back by /refund, and takes the credits back as a debt that the next payment pays off', async () => {
    const buyer = person()
    const { chargeId } = await pay(buyer)
    await told(buyer, 'Thank you')
    await test.core.database.rows(sql`
      insert into ledger (user_id, kind, amount, source, key) values (${(await account(buyer)).id}, 'take', -70, 'admin', 'spent')`)
    const refunded = await answerTo(`/refund telegram:${chargeId}`, admin)
    expect(refunded.text).toBe(
      `✅ telegram:${chargeId}, 100 credits taken back. The balance of the buyer is 0 credits, the debt 70 credits.`,
    )
    await told(buyer, 'Your payment was refunded, and its 100 credits were taken back. The balance is 0 credits.')
    expect(await account(buyer)).toMatchObject({ balance: 0, debt: 70 })
    expect((await answerTo(`/refund telegram:${chargeId}`, admin)).text).toMatch(/^Refunded before/)
    const audit = sql`select actor from audit_log where action = 'refund' and target = ${`telegram:${chargeId}`}`
    expect(await test.core.database.rows(audit)).toEqual([{ actor: 'telegram:900' }])
    await pay(buyer)
    await told(buyer, 'You bought 100 credits. 70 credits of them paid off your debt. The balance is 30 credits.')
    await test.quiet()
    expect(toldTimes(buyer, 'was refunded')).toBe(1)
    expect((await answerTo('/refund telegram:stx0', admin)).text).toContain('There is no payment telegram:stx0')
  })

  it('finds payments and refunds whose messages were lost, and tells each person once', async () => {
    const [paid, paidBack, both] = [person(), person(), person()]
    test.telegram.withdraw(150)
    const first = await pay(paid, { isLost: true })
    const second = await pay(paidBack)
    await told(paidBack, 'Thank you')
    const third = await pay(both, { isLost: true })
    // as left by a process that died after Telegram had refunded, and before it took the credits back
    test.telegram.refund(second.chargeId, { isLost: true })
    test.telegram.refund(third.chargeId, { isLost: true })
    expect(await account(paid)).toMatchObject({ balance: 0 })
    const pages = async () => {
      const before = test.telegram.requests.length
      await reconcile()
      const calls = test.telegram.requests.slice(before).filter(({ method }) => method === 'getStarTransactions')
      return calls.map(({ params }) => Number(params.offset))
    }
    await test.core.database.rows(sql`delete from facts where name like '%payments read'`)
    expect(await pages()).toEqual([0, 100])
    // the next round reads the latest hundred again
    expect((await pages())[0]).toBeGreaterThan(50)
    expect(await account(paid)).toMatchObject({ balance: 100 })
    expect(await account(paidBack)).toMatchObject({ balance: 0, debt: 0 })
    expect(await account(both)).toMatchObject({ balance: 0, debt: 0 })
    // the lost message arrives in the end
    test.telegram.inject({ message: first.update.message! })
    await expect.poll(() => test.telegram.pendingUpdates()).toBe(0)
    await test.quiet()
    expect(await account(paid)).toMatchObject({ balance: 100 })
    for (const [buyer, text] of [
      [paid, 'Thank you'],
      [paidBack, 'was refunded'],
      [both, 'was refunded'],
    ] as const) {
      expect([text, toldTimes(buyer, text)]).toEqual([text, 1])
    }
  })

  it('takes the credits back if Telegram says that the charge is refunded already', async () => {
    const buyer = person()
    const { chargeId } = await pay(buyer)
    await told(buyer, 'Thank you')
    test.telegram.refund(chargeId, { isLost: true })
    expect((await answerTo(`/refund telegram:${chargeId}`, admin)).text).toMatch(
      /^✅ telegram:.*100 credits taken back/,
    )
    expect(await account(buyer)).toMatchObject({ balance: 0 })
  })

  it('returns the Stars of an account that was deleted while the person paid, and refunds those of one deleted later', async () => {
    const buyer = person()
    const paid = await pay(buyer, { isLost: true })
    await closeAccount(test.core, (await account(buyer)).id)
    test.telegram.inject({ message: paid.update.message! })
    await told(buyer, 'so you get your Stars back')
    await test.quiet()
    // so that the comparison with Telegram's list leaves it alone
    const returned = sql`select from payments where charge = ${`telegram:${paid.chargeId}`} and refunded_at is not null`
    expect(await test.core.database.rows(returned)).toHaveLength(1)
    expect(toldTimes(buyer, 'were taken back')).toBe(0)
    const later = person()
    const { chargeId } = await pay(later)
    await told(later, 'Thank you')
    await closeAccount(test.core, (await account(later)).id)
    expect((await answerTo(`/refund telegram:${chargeId}`, admin)).text).toMatch(/^✅/)
    const refunds = test.telegram.requests.filter(({ method }) => method === 'refundStarPayment').slice(-2)
    expect(refunds.map(({ params, status }) => [params.telegram_payment_charge_id, status])).toEqual([
      [paid.chargeId, 200],
      [chargeId, 200],
    ])
  })

  it('says that a payment without an order gave nothing, and /refund gives it back', async () => {
    const buyer = person()
    const paid = await pay(buyer, { isLost: true })
    await test.core.database.rows(sql`delete from orders where id = ${await orderOf(buyer)}`)
    test.telegram.inject({ message: paid.update.message! })
    await told(buyer, `This payment belongs to no order, so no credits were added.`)
    expect((await answerTo(`/refund telegram:${paid.chargeId}`, admin)).text).toMatch(/^✅ telegram:.* gave no credits/)
    expect(await account(buyer)).toMatchObject({ balance: 0, debt: 0 })
  })

  it('explains the terms, and passes words about a payment on to the administrators', async () => {
    const buyer = person({ languageCode: 'en' })
    expect((await answerTo('/terms', buyer)).text).toMatch(/^📄 Terms for credits/)
    expect((await answerTo('/paysupport', buyer)).text).toContain('You have paid for nothing yet.')
    const { chargeId } = await pay(buyer)
    await told(buyer, 'Thank you')
    expect((await answerTo('/paysupport', buyer)).text).toContain(`100 credits · ⭐ 150\ntelegram:${chargeId}`)
    expect((await answerTo('/paysupport I paid twice', buyer)).text).toContain('went to the people who run this bot')
    const passed = await test.telegram.waitFor(admin.userId, ({ text }) => text.includes('I paid twice'))
    expect(passed.text).toContain(`telegram:${buyer.userId} asks about payments`)
    expect(passed.text).toContain(`telegram:${chargeId}`)
    expect((await answerTo('/paysupport again', buyer)).text).toContain('Wait a minute')
  })
})

describe('with one process that polls', () => {
  afterEach(finish)

  it('answers pre-checkout queries behind 500 waiting updates, before those are handled', async () => {
    test = await openTestTelegram({ limits: { welcome: 0 }, works: false })
    const buyer = person()
    await invoiceFor(buyer)
    const offer = { payload: await orderOf(buyer), stars: 150 }
    const people = Array.from({ length: 50 }, () => person())
    const asked: ReturnType<typeof test.telegram.askCheckout>[] = []
    for (let number = 0; number < 500; number++) test.telegram.say(`/buy ${number}`, people[number % 50])
    for (let number = 0; number < 20; number++) asked.push(test.telegram.askCheckout(offer, buyer))
    const answers = await Promise.all(asked)
    const waiting = await test.core.database.rows(sql`select key from inbox where handled_at is null`)
    expect(answers.map(({ ok }) => ok)).toEqual(Array(20).fill(true))
    expect(waiting.length).toBeGreaterThan(100)
    await test.core.database.rows(sql`delete from inbox`)
  })

  it('answers a pre-checkout query in a process that only listens to the webhook', async () => {
    test = await openTestTelegram({ limits: { welcome: 0 }, works: false })
    const buyer = person()
    await invoiceFor(buyer)
    const listener = await test.another({ webhookSecret: secret, publicUrl: 'http://127.0.0.1:9' }, { starts: false })
    const from = { id: buyer.userId, is_bot: false, first_name: 'Ada' }
    const about = { currency: 'XTR', total_amount: 150, invoice_payload: await orderOf(buyer) }
    const query = (id: string, over: object) => ({ update_id: 1, pre_checkout_query: { id, from, ...about, ...over } })
    expect(await listener.handleUpdate(query('7', {}), secret)).toBe(200)
    expect(await listener.handleUpdate(query('8', { total_amount: 1 }), secret)).toBe(200)
    const answer = (id: string) =>
      test.telegram.waitForCall('answerPreCheckoutQuery', ({ params }) => params.pre_checkout_query_id === id)
    expect((await answer('7')).params).toMatchObject({ ok: true })
    expect((await answer('8')).params).toMatchObject({
      ok: false,
      error_message: expect.stringMatching(/no longer sold/),
    })
    expect(await test.core.database.rows(sql`select key from inbox where body::text like '%checkout%'`)).toEqual([])
  })
})

describe('with two processes an hour after their start', () => {
  afterEach(async () => {
    vi.restoreAllMocks()
    await finish()
  })

  it('finds payments and refunds whose messages were lost since, in one of the processes', async () => {
    const timers = vi.spyOn(globalThis, 'setTimeout')
    const rounds = () => timers.mock.calls.filter(([, ms]) => ms === 3_600_000).map(([round]) => round)
    const lists = () => test.telegram.requests.filter(({ method }) => method === 'getStarTransactions').length
    test = await openTestTelegram({ limits: { welcome: 0 }, works: false })
    await expect.poll(rounds).toHaveLength(1)
    await test.another()
    await expect.poll(rounds).toHaveLength(2)
    const [first, second] = rounds()
    const before = lists()
    const [paid, paidBack] = [person(), person()]
    await pay(paid, { isLost: true })
    const { chargeId } = await pay(paidBack)
    await told(paidBack, 'Thank you')
    test.telegram.refund(chargeId, { isLost: true })
    test.telegram.faults.add({ kind: 'delay', match: { path: /^getStarTransactions$/ }, ms: 5_000, times: 1 })
    first!()
    await expect.poll(() => test.telegram.faults.hits.length).toBe(1)
    second!()
    // its round is over while the other process reads
    await expect.poll(rounds).toHaveLength(3)
    expect(lists()).toBeLessThanOrEqual(before + 1)
    await told(paid, 'Thank you')
    await told(paidBack, 'was refunded')
    await expect.poll(rounds).toHaveLength(4)
    await test.quiet()
    expect(lists()).toBe(before + 1)
    expect([toldTimes(paid, 'Thank you'), toldTimes(paidBack, 'was refunded')]).toEqual([1, 1])
    expect([await account(paid), await account(paidBack)]).toMatchObject([{ balance: 100 }, { balance: 0, debt: 0 }])
  })
})
