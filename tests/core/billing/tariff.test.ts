/** `/price` and `/model`: live in every process, once for each call, and written down. */
import { sql } from 'drizzle-orm'
import { afterEach, describe, expect, it } from 'vitest'
import { keepTariff, withTariff } from '../../../src/core/billing/tariff.ts'
import type { Model } from '../../../src/core/ports/models.ts'
import { sketch } from '../../../src/models/sketch.ts'
import { upscale } from '../../../src/models/upscale.ts'
import { databases, quickest } from '../../helpers/backends.ts'
import { askAs, createPlain, openTestCore, type TestCore, type TestCoreOptions } from '../../helpers/core.ts'
import { violations } from '../../helpers/invariants.ts'
import { keepLog } from '../../helpers/log.ts'

const dear: Model = { ...sketch, id: 'dear', title: 'Dear', aliases: ['expensive'], price: 5 }
const endpoint: Model = { ...dear, id: 'some/endpoint', aliases: [], base: 'dear', hidden: true }
const all = [sketch, dear, upscale, endpoint]

const admin = { who: 'admin' }
let test: TestCore
const stops: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop()
  const wrong = await violations(test.core.database)
  await test.close()
  expect(wrong).toEqual([])
})

const open = async (options: TestCoreOptions = {}, kind = quickest) => {
  test = await openTestCore(kind, {
    models: all,
    providers: [createPlain(), createPlain({ name: 'lanczos' })],
    admins: ['test:admin'],
    ...options,
  })
}
const answerTo = async (text: string, over: Parameters<TestCore['say']>[1] = admin) =>
  test.chat.last((await test.say(text, over)).address)
const textOf = async (text: string) => (await answerTo(text))?.text
const audit = () =>
  test.core.database.rows(sql`select actor, action, target, before, after, key from audit_log order by id`)

describe('/price', () => {
  it('lists the prices, and those of one model with its parts', async () => {
    await open()
    expect(await textOf('/price')).toMatch(/^💳 Prices\nsketch · 1 credit\ndear · 5 credits\nupscale · 4 credits\n\n/)
    expect(await textOf('/price expensive')).toBe(
      [
        'Dear · dear',
        'standard (picture): 5 credits',
        'small (picture up to 0.3 megapixels): 5 credits',
        'large (picture over 1.2 megapixels): 10 credits',
        'huge (picture over 2.5 megapixels): 20 credits',
        'input (input picture): 0 credits',
        'enhance (enhanced prompt): 0 credits',
      ].join('\n'),
    )
    expect(await textOf('/price upscale')).toBe(
      'Upscale · upscale\nupscale (enlargement to twice the size): 4 credits\ninput (input picture): 0 credits',
    )
    expect(await audit()).toEqual([])
  })

  it('lists as many models as fit into a message', async () => {
    const packs = Array.from({ length: 150 }, (_, n) => ({ ...sketch, id: `pack-${n}`, aliases: [] }))
    await open({ models: packs })
    const text = (await textOf('/price')) ?? ''
    expect(text.length).toBeLessThan(2_000)
    expect(text).toMatch(/\npack-\d+ · 1 credit\n… and \d+ more\n\n\/price /)
  })

  it('changes the price of a model and of a part, restores both, and records each change', async () => {
    await open()
    expect(await textOf('/price dear 3')).toContain('standard (picture): 3 credits · changed')
    // the other sizes follow
    expect(await textOf('/price dear large 4')).toMatch(/large .*: 4 credits · changed\nhuge .*: 12 credits$/m)
    expect(await textOf('/price * input 1')).toBe(
      '✅ Saved. Requests accepted before keep their price.\nAll models (*)\ninput (input picture): 1 credit · changed',
    )
    expect(await textOf('/price')).toContain('dear · 3 credits · changed')
    expect(await textOf('/models')).toMatch(
      /dear · 3 credits a picture\n.*\n.*\nPrices: picture over 1.2 megapixels · 4 credits, .*, input picture · 1 credit/,
    )
    expect(await textOf('/price dear large default')).toMatch(/large .*: 6 credits$/m)
    expect(await textOf('/price dear default')).toContain('standard (picture): 5 credits\n')
    // there is nothing to change
    await textOf('/price dear default')
    expect(await audit()).toEqual([
      {
        actor: 'test:admin',
        action: 'price',
        target: 'dear',
        before: null,
        after: { standard: 3 },
        key: expect.anything(),
      },
      {
        actor: 'test:admin',
        action: 'price',
        target: 'dear',
        before: null,
        after: { large: 4 },
        key: expect.anything(),
      },
      { actor: 'test:admin', action: 'price', target: '*', before: null, after: { input: 1 }, key: expect.anything() },
      {
        actor: 'test:admin',
        action: 'price',
        target: 'dear',
        before: { large: 4 },
        after: null,
        key: expect.anything(),
      },
      {
        actor: 'test:admin',
        action: 'price',
        target: 'dear',
        before: { standard: 3 },
        after: null,
        key: expect.anything(),
      },
    ])
  })

  it.each([
    ['/price dear -1', { kind: 'refusal', error: 'bad_option', data: { name: 'credits' } }],
    ['/price dear 1.5', { kind: 'refusal', error: 'bad_option', data: { name: 'credits' } }],
    ['/price dear 10001', { kind: 'refusal', error: 'bad_option', data: { name: 'credits' } }],
    ['/price dear large many', { kind: 'refusal', error: 'bad_option', data: { name: 'credits' } }],
    ['/price dear upscale 2', { kind: 'refusal', error: 'bad_option', data: { name: 'part' } }],
    ['/price * 2', { kind: 'refusal', error: 'bad_option', data: { name: 'part' } }],
    ['/price * large 2', { kind: 'refusal', error: 'bad_option', data: { name: 'part' } }],
    ['/price nothing 2', { kind: 'refusal', error: 'unknown_model' }],
    ['/model nothing off', { kind: 'refusal', error: 'unknown_model' }],
    ['/model dear', { kind: 'refusal', error: 'bad_option', data: { name: 'state' } }],
  ])('%s is refused', async (text, content) => {
    await open()
    expect((await answerTo(text))?.content).toMatchObject(content)
    expect(await audit()).toEqual([])
    expect(await test.core.database.rows(sql`select * from prices`)).toEqual([])
  })

  it.each(['/price', '/price dear', '/price dear 3', '/model dear off'])('%s is for administrators', async (text) => {
    await open()
    expect((await answerTo(text, {}))?.content).toMatchObject({ kind: 'refusal', error: 'admins_only' })
    expect(await audit()).toEqual([])
  })

  it('counts once for a call that arrives twice, also after another change', async () => {
    await open()
    await Promise.all(Array.from({ length: 5 }, () => test.say('/price dear 3', { ...admin, key: 'same' })))
    await test.say('/price dear 4', admin)
    await test.say('/price dear 3', { ...admin, key: 'same' })
    await Promise.all(Array.from({ length: 5 }, () => test.say('/model dear off', { ...admin, key: 'switch' })))
    expect(await audit()).toMatchObject([
      { before: null, after: { standard: 3 }, key: expect.stringMatching(/^price:[0-9a-f]{64}$/) },
      { before: { standard: 3 }, after: { standard: 4 } },
      { action: 'model', target: 'dear', before: true, after: false },
    ])
    expect(await test.core.database.rows(sql`select credits from prices`)).toEqual([{ credits: 4 }])
  })

  it('does not change the price of a request that was accepted before', async () => {
    await open()
    const before = await test.say('a cat --model dear')
    await test.say('/price dear 2', admin)
    const after = await test.say('a dog --model some/endpoint')
    await test.work()
    await Promise.all([before, after].map((call) => test.ended(call)))
    expect(test.chat.last(before.address)?.content).toMatchObject({ credits: 5 })
    expect(test.chat.last(after.address)?.content).toMatchObject({ credits: 2 })
  })

  it('changes the buttons of a result when a press would cost more', async () => {
    await open()
    await test.work()
    const call = await test.say('a cat')
    await test.ended(call)
    const [row] = await test.core.database.rows<{ id: string }>(sql`select id from generations`)
    const press = () => answerTo('', { act: { kind: 'press', button: `1:reroll:${row?.id}` } })
    await test.say('/price sketch 3', admin)
    expect((await press())?.content).toMatchObject({ error: 'price_rose', data: { price: 3, shown: 1 } })
    expect(test.chat.last(call.address)?.buttons?.[0]?.[0]).toMatchObject({ price: 3 })
    const again = await test.say('', { act: { kind: 'press', button: `1:reroll:${row?.id}` } })
    expect(await test.ended(again)).toBe('delivered')
    expect(test.chat.last(again.address)?.content).toMatchObject({ credits: 3 })
  })
})

describe('the price of an enhanced prompt', () => {
  const enhancer = {
    model: 'poet',
    enhance: async (text: string) => `a splendid ${text}`,
    close: async () => undefined,
  }
  const draft = async () => {
    await open({ enhancer })
    await test.work()
    await test.say('/price * enhance 2', admin)
    const shown = await answerTo('a cat --enhance=ask', {})
    const prices = shown?.buttons?.flat().map(({ id, price }) => [id.split(':')[1], price])
    const press = (action: string) =>
      test.say('', { act: { kind: 'press', button: `1:${action}:${shown?.buttons?.[0]?.[0]?.id.split(':')[2]}` } })
    return { prices, press }
  }
  const charged = () => test.core.database.rows(sql`select price from generations`)

  it.each([
    ['useenhanced', 3],
    ['useown', 1],
  ])('is shown with each choice, and %s costs %i', async (action, price) => {
    const { prices, press } = await draft()
    expect(prices).toEqual([
      ['useenhanced', 3],
      ['useown', 1],
      ['editdraft', 1],
    ])
    const call = await press(action)
    expect(await test.ended({ ...call, key: await keyOf() })).toBe('delivered')
    expect(await charged()).toEqual([{ price }])
  })

  it('that rose ends the choice', async () => {
    const { press } = await draft()
    await test.say('/price sketch 2', admin)
    const call = await press('useown')
    expect(test.chat.last(call.address)?.content).toMatchObject({ kind: 'refusal', error: 'draft_over' })
    expect(await charged()).toEqual([])
  })

  const keyOf = async () => {
    const [row] = await test.core.database.rows<{ key: string }>(sql`select key from generations`)
    return row?.key ?? ''
  }
})

describe.each(databases())('on %s', (kind) => {
  it('a change is seen by another process within five seconds', async () => {
    await open({}, kind)
    const { database } = test.core
    const other = await keepTariff({ database, log: keepLog() })
    stops.push(other.stop)
    const models = withTariff({ all: () => all, preferred: () => 'dear', of: () => all }, other)
    await test.say('/price dear 7', admin)
    await test.say('/model dear off', admin)
    const seen = () => models.all().find(({ id }) => id === 'dear')
    await expect.poll(seen).toMatchObject({ price: 7, off: true })
    expect(models.preferred()).toBe('sketch')
    // a notification may be lost
    await database.rows(sql`update prices set credits = 8`)
    await expect.poll(seen).toMatchObject({ price: 8 })
  })
})

describe('a model that is off', () => {
  it('is not listed, not chosen and refused by each of its names, until it is on again', async () => {
    await open({ models: [dear, sketch, upscale, endpoint] })
    expect(await textOf('/model expensive off')).toBe('✅ dear is turned off. Requests under way go on.')
    expect(await textOf('/models')).not.toContain('dear')
    expect(await textOf('/help')).not.toMatch(/Models:.*dear/)
    expect(await textOf('/price')).toContain('dear · 5 credits · turned off')
    for (const name of ['dear', 'expensive', 'some/endpoint']) {
      const answer = await answerTo(`a cat --model ${name}`, {})
      expect(answer?.content).toMatchObject({ kind: 'refusal', error: 'model_off' })
      expect(answer?.text).toMatch(/^⚠️ .+ is turned off at the moment\. Models: sketch\.$/)
    }
    expect((await answerTo('/settings model dear', {}))?.content).toMatchObject({ error: 'model_off' })
    const holder = { userId: crypto.randomUUID(), keyId: null, models: null, admin: false }
    const asked = askAs(test.core, { holder, params: { prompt: 'a cat', model: 'dear' }, images: [] })
    await expect(asked).rejects.toMatchObject({ kind: 'model_off' })
    await test.say('a cat')
    expect(await test.core.database.rows(sql`select model from generations`)).toEqual([{ model: 'sketch' }])
    await test.say('/model dear on', admin)
    await test.say('a dog', { who: 'bob' })
    expect(await test.core.database.rows(sql`select model from generations order by id`)).toEqual([
      { model: 'sketch' },
      { model: 'dear' },
    ])
    await test.work()
    await expect.poll(() => test.core.database.rows(sql`select 1 from generations where ended_at is null`)).toEqual([])
  })

  it('finishes what was accepted, and its buttons start nothing', async () => {
    await open()
    const call = await test.say('a cat --model dear')
    await test.say('/model dear off', admin)
    await test.work()
    expect(await test.ended(call)).toBe('delivered')
    const shown = test.chat.last(call.address)
    expect(shown?.content).toMatchObject({ model: 'Dear', credits: 5 })
    const actions = shown?.buttons?.flat().map(({ id }) => id.split(':')[1])
    expect(actions).not.toContain('reroll')
    expect(actions).toContain('upscale')
    expect(shown?.buttons?.flat().find(({ id }) => id.includes(':edit:'))).toMatchObject({ price: 1 })
  })
})
