/**
 * The ledger against a model: sequences of commands on real Postgres, with payers, debts, joined accounts, gifts, orders and a pool. After
 * each command every account of the sequence is compared, and the sums of its entries with it.
 *
 *   LEDGER_SEQUENCES=10000 npx vitest run tests/core/billing/ledger-model.test.ts
 */
import { randomUUID } from 'node:crypto'
import { sql } from 'drizzle-orm'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { joinAccounts } from '../../../src/core/accounts/join.ts'
import { adjust } from '../../../src/core/billing/adjust.ts'
import { give, maxGiftsPerDay } from '../../../src/core/billing/gifts.ts'
import { grant } from '../../../src/core/billing/ledger.ts'
import { openOrder, payOrder, refundPayment } from '../../../src/core/billing/orders.ts'
import { fund } from '../../../src/core/billing/pool.ts'
import type { Core } from '../../../src/core/core.ts'
import { violates } from '../../../src/db/database.ts'
import type { EntrySource } from '../../../src/db/schema/ledger.ts'
import { quickest } from '../../helpers/backends.ts'
import { openTestCore, type TestCore } from '../../helpers/core.ts'

const sequences = Number(process.env.LEDGER_SEQUENCES ?? 45)
const commandsEach = 20
const people = 4
const welcome = 20
/** Credits that a member may draw on the pool. */
const cap = 20

interface Account {
  balance: number
  held: number
  debt: number
  inFlight: number
  joinedInto?: number
  /** Credits that a person gets once, and what requests have cost for good: what is unspent of the former does not move to another account. */
  free: number
  charged: number
  /** Of the person: what came in that may be given away, and what was given away. */
  paid: number
  given: number
  givenToday: number
}

interface Generation {
  person: number
  /** The person when it was accepted, whose draw on the pool it is. */
  member: number
  payer: number
  price: number
  isOpen: boolean
  byPool?: boolean
}

interface Order {
  person: number
  credits: number
  charges: { isRefunded: boolean }[]
}

interface Model {
  /** Of the people, and last of the pool. */
  accounts: Account[]
  /** On the pool, by person. */
  drawn: number[]
  generations: Generation[]
  orders: Order[]
}

interface Real {
  core: Core
  users: string[]
  generations: string[]
  orders: string[]
  /** The group with the pool. */
  chat: string
}

type Command = fc.AsyncCommand<Model, Real>

let test: TestCore
let compared = 0
beforeAll(async () => {
  test = await openTestCore(quickest, { limits: { welcome } })
})
afterAll(() => test?.close())

it(
  'agrees with the model in every sequence of commands',
  async () => {
    await fc.assert(
      fc.asyncProperty(fc.commands(commands, { maxCommands: commandsEach, size: 'max' }), async (sequence) => {
        const setup = await start(test.core)
        await fc.asyncModelRun(() => setup, sequence)
      }),
      { numRuns: sequences, endOnFailure: sequences > 1_000 },
    )
    // a sequence may begin with commands that are not possible yet
    expect(compared).toBeGreaterThan(sequences * 2)
  },
  60_000 + sequences * 1_000,
)

it('agrees with the model where requests hold free credits of an account that is joined', async () => {
  // for each part that comes back, from nothing to all
  for (const percent of [0, 40, 100]) {
    const { model, real } = await start(test.core)
    const sequence = [hold([1, 1, 12]), hold([0, 1, 5]), joined([1, 0]), captured([0, percent]), released(1)]
    for (const command of sequence) await command.run(model, real)
    expect(model.accounts[1]).toMatchObject({ balance: 0, debt: 0, held: 0 })
  }
})

/** People with their welcome credits. */
async function start(core: Core): Promise<{ model: Model; real: Real }> {
  const users = Array.from({ length: people }, () => randomUUID())
  for (const userId of users) {
    await core.database.rows(sql`insert into users (id, name) values (${userId}, 'Ada')`)
    await grant(core, { userId, amount: welcome, source: 'welcome', key: `welcome:${userId}` })
  }
  const [pool, chat] = [randomUUID(), `test:${randomUUID()}`]
  await core.database.rows(sql`insert into users (id, name) values (${pool}, '')`)
  await core.database.rows(sql`insert into chat_rules (chat, pool_id, pool_cap) values (${chat}, ${pool}, ${cap})`)
  const accounts = [...users, pool].map((id) => ({
    balance: id === pool ? 0 : welcome,
    held: 0,
    debt: 0,
    inFlight: 0,
    free: id === pool ? 0 : welcome,
    charged: 0,
    paid: 0,
    given: 0,
    givenToday: 0,
  }))
  return {
    model: { accounts, drawn: users.map(() => 0), generations: [], orders: [] },
    real: { core, users: [...users, pool], generations: [], orders: [], chat },
  }
}

interface Step {
  name: string
  isPossible?(model: Model): boolean
  run(model: Model, real: Real): Promise<void>
}

const step = ({ name, isPossible = () => true, run }: Step): Command => ({
  check: isPossible,
  run: async (model, real) => {
    await run(model, real)
    await compare(model, real)
  },
  toString: () => name,
})

// ── The commands ─────────────────────────────────────────────────────────────────────────────────────────────────

const who = fc.nat(people - 1)
const some = fc.integer({ min: 1, max: 30 })
const any = fc.nat(1_000)

const commands = [
  fc.tuple(who, some, fc.constantFrom<EntrySource>('admin', 'daily', 'referral', 'code')).map(given),
  fc.tuple(who, some).map(taken),
  fc.tuple(who, fc.nat(60)).map(set),
  fc.tuple(who, who, fc.nat(12)).map(hold),
  fc.tuple(any, fc.nat(100)).map(captured),
  any.map(released),
  fc.tuple(who, who).map(joined),
  fc.tuple(who, who, some).map(gift),
  fc.tuple(who, some).map(funded),
  fc.tuple(who, fc.nat(12)).map(draw),
  fc.tuple(who, some).map(ordered),
  fc.tuple(any, fc.boolean()).map(paid),
  fc.tuple(any, fc.boolean()).map(refunded),
]

function given([to, amount, source]: [number, number, EntrySource]): Command {
  return step({
    name: `grant(${to}, ${amount}, ${source})`,
    async run(model, { core, users }) {
      const key = randomUUID()
      const entry = { userId: users[to] ?? '', amount, source, key }
      await grant(core, entry)
      expect(await grant(core, entry)).toMatchObject({ fresh: false })
      credit(model, to, amount)
      if (source === 'daily' || source === 'referral') accountAt(model, to).free += amount
      if (source === 'admin' || source === 'code') heirOf(model, to).paid += amount
    },
  })
}

function taken([from, amount]: [number, number]): Command {
  return step({
    name: `take(${from}, ${amount})`,
    async run(model, { core, users }) {
      const account = accountAt(model, from)
      const entry = { userId: users[from] ?? '', amount: -amount, source: 'admin', key: randomUUID() } as const
      const done = await succeeds(grant(core, entry), 'no_credits')
      expect(done).toBe(account.balance >= amount)
      if (done) account.balance -= amount
    },
  })
}

function set([to, amount]: [number, number]): Command {
  return step({
    name: `set(${to}, ${amount})`,
    async run(model, { core, users }) {
      const account = heirOf(model, to)
      const key = randomUUID()
      await adjust(core, { userId: users[to] ?? '', how: 'set', amount, reason: '', actor: 'test:root', key })
      account.paid += Math.max(0, amount - account.balance + account.debt)
      if (amount > account.balance) account.debt = 0
      account.balance = amount
    },
  })
}

function hold([person, payer, price]: [number, number, number]): Command {
  return step({
    name: `hold(${person}, paid by ${payer}, ${price})`,
    async run(model, { core, users, generations }) {
      const id = randomUUID()
      const accepting = core.database.rows(sql`
        with generation as (
          insert into generations (id, user_id, payer_id, key, surface, address, locale, model, provider, endpoint, request,
            price, priority, wake_at, deadline_at)
          values (${id}, ${users[person]}, ${users[payer]}, ${id}, 'test', 'test:1', 'en', 'm', 'p', 'e', '{"count":1}',
            ${price}, 1, 'infinity', 'infinity')
          returning id, payer_id)
        insert into ledger (user_id, generation_id, kind, amount, held)
        select payer_id, id, 'hold', -(${price}::int), ${price}::int from generation`)
      const done = await succeeds(accepting, 'users_balance_not_negative')
      const account = accountAt(model, payer)
      expect(done).toBe(account.balance >= price)
      if (!done) return
      account.balance -= price
      account.held += price
      accountAt(model, person).inFlight++
      model.generations.push({ person, member: person, payer, price, isOpen: true })
      generations.push(id)
    },
  })
}

function captured([which, percent]: [number, number]): Command {
  return step({
    name: `capture(${which}, ${percent} % back)`,
    isPossible: ({ generations }) => generations.length > 0,
    run: (model, real) => resolve(model, real, { kind: 'capture', which, percent }),
  })
}

function released(which: number): Command {
  return step({
    name: `release(${which})`,
    isPossible: ({ generations }) => generations.length > 0,
    run: (model, real) => resolve(model, real, { kind: 'release', which, percent: 100 }),
  })
}

interface Resolution {
  kind: 'capture' | 'release'
  which: number
  percent: number
}

/** The second end of a hold is refused. */
async function resolve(model: Model, { core, generations }: Real, { kind, which, percent }: Resolution): Promise<void> {
  const number = which % generations.length
  const generation = model.generations[number] as Generation
  const back = Math.floor((generation.price * percent) / 100)
  const ending = core.database.rows(sql`
    insert into ledger (user_id, generation_id, kind, amount, held)
    select payer_id, id, ${kind}, ${back}::int, -price from generations where id = ${generations[number]}`)
  const done = await succeeds(ending, 'ledger_one_resolution', 'ledger_once')
  expect(done).toBe(generation.isOpen)
  if (!done) return
  generation.isOpen = false
  const { member, price } = generation
  if (generation.byPool) model.drawn[member] = (model.drawn[member] ?? 0) - back
  const payer = accountAt(model, generation.payer)
  payer.held -= price
  payer.charged += price - back
  accountAt(model, generation.person).inFlight--
  // what comes back to the payer itself pays off no debt; passed on, it is a grant
  if (payer.joinedInto === undefined) payer.balance += back
  else passOn(model, payer, { price, back })
}

/** The older account remains: people are in the order of their age. */
function joined([one, other]: [number, number]): Command {
  const [into, from] = [Math.min(one, other), Math.max(one, other)]
  return step({
    name: `join(${from} into ${into})`,
    isPossible: ({ accounts }) =>
      from !== into && accounts[from]?.joinedInto === undefined && accounts[into]?.joinedInto === undefined,
    async run(model, { core, users }) {
      const pair = [users[one] ?? '', users[other] ?? ''] as const
      const key = `link:${randomUUID()}`
      expect(await joinAccounts(core, { key, accounts: async () => pair, check: async () => undefined })).toBe(
        users[into],
      )
      join(model, from, into)
    },
  })
}

function gift([from, to, amount]: [number, number, number]): Command {
  return step({
    name: `gift(${from} to ${to}, ${amount})`,
    async run(model, { core, users }) {
      const [giver, receiver] = [heirOf(model, from), heirOf(model, to)]
      const one = { from: users[from] ?? '', to: users[to] ?? '', amount, key: randomUUID() }
      const done = await succeeds(give(core, one), 'gift_to_self', 'gift_limit', 'not_giftable')
      if (giver === receiver) expect(done).toBe(false)
      if (!done) return
      expect(await give(core, one)).toMatchObject({ fresh: false })
      giver.balance -= amount
      giver.given += amount
      giver.givenToday += amount
      receiver.paid += amount
      credit(model, model.accounts.indexOf(receiver), amount)
      // free credits never leave a person, and the day's limit holds
      expect(giver.given).toBeLessThanOrEqual(giver.paid)
      expect(giver.givenToday).toBeLessThanOrEqual(maxGiftsPerDay)
    },
  })
}

function funded([from, amount]: [number, number]): Command {
  return step({
    name: `fund(${from}, ${amount})`,
    async run(model, { core, users, chat }) {
      const giver = heirOf(model, from)
      const one = { userId: users[from] ?? '', chat, amount, key: randomUUID() }
      if (!(await succeeds(fund(core, one), 'not_giftable'))) return
      expect(await fund(core, one)).toMatchObject({ fresh: false })
      giver.balance -= amount
      giver.given += amount
      accountAt(model, people).balance += amount
      expect(giver.given).toBeLessThanOrEqual(giver.paid)
    },
  })
}

/** The pool pays, as the accepting statement has it. */
function draw([person, price]: [number, number]): Command {
  return step({
    name: `draw(${person}, ${price})`,
    async run(model, { core, users, generations, chat }) {
      const id = randomUUID()
      const accepting = core.database.rows(sql`
        with draw as (
          insert into pool_draws as d (chat, day, member, credits, cap) values (${chat}, '2026-01-01', ${users[person]}, ${price}, ${cap})
          on conflict (chat, day, member) do update set credits = d.credits + excluded.credits, cap = excluded.cap returning id),
        generation as (
          insert into generations (id, user_id, payer_id, draw_id, key, surface, address, locale, model, provider, endpoint, request,
            price, priority, wake_at, deadline_at)
          select ${id}::uuid, ${users[person]}::uuid, ${users[people]}::uuid, id, ${id}, 'test', 'test:1', 'en', 'm', 'p', 'e',
            '{"count":1}'::jsonb, ${price}::int, 1, 'infinity', 'infinity' from draw
          returning id, payer_id)
        insert into ledger (user_id, generation_id, kind, amount, held)
        select payer_id, id, 'hold', -(${price}::int), ${price}::int from generation`)
      const done = await succeeds(accepting, 'users_balance_not_negative', 'pool_draws_within_cap')
      const pool = accountAt(model, people)
      const drawn = (model.drawn[person] ?? 0) + price
      expect(done).toBe(pool.balance >= price && drawn <= cap)
      if (!done) return
      pool.balance -= price
      pool.held += price
      model.drawn[person] = drawn
      accountAt(model, person).inFlight++
      model.generations.push({ person, member: person, payer: people, price, isOpen: true, byPool: true })
      generations.push(id)
    },
  })
}

function ordered([person, credits]: [number, number]): Command {
  return step({
    name: `order(${person}, ${credits})`,
    async run(model, { core, users, orders }) {
      const order = { platform: 'test', item: 'pack', credits, amount: 1, currency: 'XTR' }
      orders.push(await openOrder(core, { userId: users[person] ?? '', ...order }))
      model.orders.push({ person, credits, charges: [] })
    },
  })
}

const chargeOf = (orderId: string, number: number) => `test:${orderId}:${number}` as const

/** A charge that is reported again changes nothing; another charge for the order counts. */
function paid([which, again]: [number, boolean]): Command {
  return step({
    name: `pay(${which}${again ? ', again' : ''})`,
    isPossible: ({ orders }) => orders.length > 0,
    async run(model, { core, orders }) {
      const number = which % orders.length
      const order = model.orders[number] as Order
      const orderId = orders[number] ?? ''
      const isRepeated = again && order.charges.length > 0
      const charge = chargeOf(orderId, order.charges.length - (isRepeated ? 1 : 0))
      expect(await payOrder(core, { charge, orderId })).toMatchObject({ fresh: !isRepeated })
      if (isRepeated) return
      order.charges.push({ isRefunded: false })
      const buyer = heirOf(model, order.person)
      buyer.paid += order.credits
      credit(model, model.accounts.indexOf(buyer), order.credits)
    },
  })
}

function refunded([which, newest]: [number, boolean]): Command {
  return step({
    name: `refund(${which}${newest ? ', newest charge' : ''})`,
    isPossible: ({ orders }) => orders.some(({ charges }) => charges.length > 0),
    async run(model, { core, orders }) {
      const charged = model.orders.flatMap((order, number) => (order.charges.length > 0 ? [{ order, number }] : []))
      const { order, number } = charged[which % charged.length] as (typeof charged)[number]
      const at = newest ? order.charges.length - 1 : 0
      const charge = order.charges[at] as Order['charges'][number]
      const { fresh } = await refundPayment(core, { charge: chargeOf(orders[number] ?? '', at) })
      expect(fresh).toBe(!charge.isRefunded)
      if (fresh) owe(heirOf(model, order.person), order.credits)
      charge.isRefunded = true
    },
  })
}

// ── The model ────────────────────────────────────────────────────────────────────────────────────────────────────

const accountAt = ({ accounts }: Model, index: number): Account => accounts[index] as Account

function heirOf(model: Model, index: number): Account {
  const account = accountAt(model, index)
  return account.joinedInto === undefined ? account : heirOf(model, account.joinedInto)
}

/** Pays off debt first. In an account that was joined, what is left goes on to the other one. */
function credit(model: Model, index: number, amount: number): void {
  const account = accountAt(model, index)
  const owed = Math.min(account.debt, amount)
  account.debt -= owed
  if (account.joinedInto === undefined) account.balance += amount - owed
  else credit(model, account.joinedInto, amount - owed)
}

/** What is left of the younger account's free credits is taken back. What requests hold of them is owed until these end. */
function join(model: Model, from: number, into: number): void {
  const [a, b] = [accountAt(model, from), accountAt(model, into)]
  const unspent = Math.max(0, a.free - a.charged)
  const taken = Math.min(unspent, a.balance)
  const [moved, debt] = [a.balance - taken, a.debt]
  a.balance = 0
  a.debt = Math.min(unspent - taken, a.held)
  credit(model, into, moved)
  owe(b, debt)
  b.inFlight += a.inFlight
  a.inFlight = 0
  for (const generation of model.generations) if (generation.person === from) generation.person = into
  for (const account of model.accounts) if (account.joinedInto === from) account.joinedInto = into
  a.joinedInto = into
  b.paid += a.paid
  b.given += a.given
  b.givenToday += a.givenToday
}

/** Of an account that was joined, what its requests cost or give back pays what it owes. The rest goes on to the other one. */
function passOn(model: Model, payer: Account, { price, back }: { price: number; back: number }): void {
  const owed = payer.debt
  const kept = Math.min(Math.max(owed - (price - back), 0), back)
  payer.debt -= Math.min(owed, price)
  credit(model, payer.joinedInto ?? 0, back - kept)
}

function owe(account: Account, amount: number): void {
  const left = Math.min(account.balance, amount)
  account.balance -= left
  account.debt += amount - left
}

// ── The comparison ───────────────────────────────────────────────────────────────────────────────────────────────

async function compare({ accounts, drawn }: Model, { core, users, chat }: Real): Promise<void> {
  compared++
  const rows = await core.database.rows<Record<string, number | string>>(sql`
    select u.id, balance, held, debt, in_flight as "inFlight",
      (select coalesce(sum(amount), 0)::int from ledger where user_id = u.id) as amounts,
      (select coalesce(sum(held), 0)::int from ledger where user_id = u.id) as holds,
      (select coalesce(sum(debt), 0)::int from ledger where user_id = u.id) as debts,
      (select count(*)::int from generations g where g.user_id = u.id
        and not exists (select from ledger where generation_id = g.id and kind in ('capture','release'))) as open
    from users u where id in ${users}`)
  const found = users.map((id) => rows.find((row) => row.id === id))
  const expected = accounts.map(({ balance, held, debt, inFlight }, index) => ({
    id: users[index],
    balance,
    held,
    debt,
    inFlight,
    amounts: balance,
    holds: held,
    debts: debt,
    open: inFlight,
  }))
  expect(found).toEqual(expected)
  const draws = await core.database.rows<{ member: string; credits: number }>(
    sql`select member, credits from pool_draws where chat = ${chat}`,
  )
  for (const { member, credits } of draws) expect(credits).toBe(drawn[users.indexOf(member)])
  for (const { balance, held, debt } of accounts) expect(Math.min(balance, held, debt)).toBeGreaterThanOrEqual(0)
}

/** False when it was refused for one of these reasons: kinds of errors, or names of constraints. */
async function succeeds(action: PromiseLike<unknown>, ...reasons: string[]): Promise<boolean> {
  try {
    await action
    return true
  } catch (error) {
    const isExpected = (reason: string) => (error as { kind?: string }).kind === reason || violates(error, reason)
    if (!reasons.some(isExpected)) throw error
    return false
  }
}
