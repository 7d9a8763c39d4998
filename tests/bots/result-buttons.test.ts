/** Buttons under results on any surface: who may press which, what a repeated press does, and what they offer. */
import { sql } from 'drizzle-orm'
import sharp from 'sharp'
import { afterEach, describe, expect, it } from 'vitest'
import type { Act, Call, Reply } from '../../src/core/ports/chat.ts'
import type { Model, Takes } from '../../src/core/ports/models.ts'
import { sketch } from '../../src/models/sketch.ts'
import { quickest } from '../helpers/backends.ts'
import { attachment, createPlain, openTestCore, pngOf, type TestCore, type TestCoreOptions } from '../helpers/core.ts'
import { violations } from '../helpers/invariants.ts'

const takes = sketch.routes[0]!.takes

const modelOf = (id: string, price: number, over: Partial<Takes> = {}): Model => ({
  ...sketch,
  id,
  title: id,
  aliases: [],
  price,
  routes: sketch.routes.map((route) => ({ ...route, takes: { ...takes, ...over } })),
})

const both = modelOf('both', 2)
const wordsOnly = modelOf('words', 3, { images: { min: 0, max: 0 } })
const pairs = modelOf('pairs', 1, { picturesEach: 2, count: 2 })

const ann = {}
const bob = { from: { id: 'test:bob', name: 'bob' } }
const admin = { from: { id: 'test:admin', name: 'admin' } }
const elsewhere = { place: { channel: 'elsewhere', nsfw: false, manager: true, roles: [] } }
const inGroup = { place: { group: { id: 'g' }, channel: 'g', nsfw: false, manager: false, roles: [] } }

let test: TestCore
afterEach(async () => {
  const wrong = await violations(test.core.database)
  await test.close()
  expect(wrong).toEqual([])
})

interface Row {
  id: string
  button: string | null
  model: string
  price: number
  request: Record<string, unknown>
}

async function drawn(prompt = 'a cat', options: TestCoreOptions = {}) {
  test = await openTestCore(quickest, { models: [both, wordsOnly], admins: ['test:admin'], ...options })
  await test.work()
  const call = await test.say(prompt)
  expect(await test.ended(call)).toBe('delivered')
  const [{ id } = { id: '' }] = await test.core.database.rows<{ id: string }>(sql`select id from generations`)
  const act = async (given: Act, over: Partial<Call> = {}) => {
    const done = await test.say('', { act: given, ...over })
    return { call: done, answer: test.chat.last(done.address) }
  }
  return {
    id,
    shown: () => test.chat.last(call.address),
    press: (action: string, over: Partial<Call> = {}, number?: number) =>
      act({ kind: 'press', button: `1:${action}:${id}${number === undefined ? '' : `-${number}`}` }, over),
    submit: (action: string, fields: Record<string, string>, over: Partial<Call> = {}) =>
      act({ kind: 'form', form: `1:${action}:${id}`, fields }, over),
  }
}

type Pressing = Pick<Awaited<ReturnType<typeof drawn>>, 'press' | 'submit'>

const children = () =>
  test.core.database.rows<Row>(sql`
    select id, parent_button as button, model, price, request from generations where parent_id is not null order by id`)
const count = async (table: 'favourites' | 'ratings' | 'reports') => {
  const rows = await test.core.database.rows<{ n: number }>(sql`select count(*)::int as n from ${sql.raw(table)}`)
  return rows[0]?.n
}
const refusal = (error: string) => ({ kind: 'refusal', error })
/** `drawn` ends what a press has started, so that no credits stay on hold. */
async function ended(calls: readonly Call[]) {
  const accepted = await test.core.database.rows<{ key: string }>(sql`select key from generations`)
  const keys = accepted.map(({ key }) => key)
  await Promise.all(calls.filter(({ key }) => keys.includes(key)).map((call) => test.ended(call)))
}

const forAll = ['reroll', 'vary', 'edit', 'remix', 'original', 'favourite', 'up', 'down', 'report']
const forAsker = ['delete', 'keep', 'erase']

describe('who may press the buttons of a result', () => {
  it.each([
    ['the person who asked', ann, 'all', 'all'],
    ['the person who asked, in another chat', elsewhere, 'all', 'all'],
    ['a person in the same chat', bob, 'all', 'not_yours'],
    ['a person in another chat', { ...bob, ...elsewhere }, 'unknown_button', 'not_yours'],
    ['an admin in another chat', { ...admin, ...elsewhere }, 'all', 'all'],
  ])('%s', async (_title, who: Partial<Call>, open, own) => {
    const { press } = await drawn()
    const calls: Call[] = []
    for (const action of [...forAll, ...forAsker]) {
      const { call, answer } = await press(action, who)
      calls.push(call)
      const expected = forAsker.includes(action) ? own : open
      if (expected === 'all') expect([action, answer?.content.kind]).not.toEqual([action, 'refusal'])
      else expect([action, answer?.content]).toMatchObject([action, refusal(expected)])
    }
    await ended(calls)
  })

  it.each([
    ['the person who asked', ann, true],
    ['a person in the same chat', bob, false],
    ['an admin', admin, false],
  ])('of a private one: %s', async (_title, who: Partial<Call>, allowed) => {
    const { press } = await drawn()
    await test.core.database.rows(sql`update generations set private = true`)
    const calls: Call[] = []
    for (const action of [...forAll, ...forAsker]) {
      const { call, answer } = await press(action, who)
      calls.push(call)
      if (allowed) expect([action, answer?.content.kind]).not.toEqual([action, 'refusal'])
      else expect([action, answer?.content]).toMatchObject([action, refusal('unknown_button')])
    }
    await ended(calls)
  })

  it('also a person in another chat where it was shown again', async () => {
    const { press, id } = await drawn()
    const shown = await test.say(`/show ${id.slice(-8)}`, elsewhere)
    const posted = test.chat.messages.find(({ address }) => address === shown.address)!.id
    const on = { posted, name: posted }
    const up: Act = { kind: 'press', button: `1:up:${id}`, on }
    await test.say('', { act: up, ...bob, ...elsewhere })
    expect(await count('ratings')).toBe(1)
    expect((await press('up', { ...bob, ...elsewhere })).answer?.content).toMatchObject(refusal('unknown_button'))
    const fields = { model: 'words' }
    const submitted = { kind: 'form', form: `1:remix:${id}`, fields, on: posted } as const
    const remixed = await test.say('', { act: submitted, ...bob, ...elsewhere })
    expect(await test.ended(remixed)).toBe('delivered')
    const blind = await test.say('', { act: { ...submitted, on: undefined }, ...bob, ...elsewhere })
    expect(test.chat.last(blind.address)?.content).toMatchObject(refusal('unknown_button'))
  })
})

describe('a press that is handled again', () => {
  const again = { key: 'test:same', address: 'test:same' } as const

  it.each(['reroll', 'vary'])('draws once: %s', async (action) => {
    const { press } = await drawn()
    const seen: string[] = []
    test.chat.seen = async (address) => void seen.push(address)
    const [first] = await Promise.all([press(action, again), press(action, again)])
    await press(action, again)
    await ended([first.call])
    expect(await children()).toHaveLength(1)
    // the process that had it first may have died before it answered the press
    expect(seen).toEqual([again.address, again.address])
  })

  it('draws once although the price rose in between', async () => {
    let price = 2
    const priced: Model = {
      ...both,
      get price() {
        return price
      },
    }
    const { press } = await drawn('a cat', { models: [priced] })
    const { call } = await press('reroll', again)
    price = 5
    const { answer } = await press('reroll', again)
    await ended([call])
    expect(answer?.content.kind).not.toBe('refusal')
    expect(await children()).toMatchObject([{ price: 2 }])
  })

  it('keeps a favourite and a rating', async () => {
    const { press } = await drawn()
    for (const action of ['favourite', 'up'] as const) {
      const same = { key: `test:${action}`, address: `test:${action}` } as const
      const texts = [await press(action, same), await press(action, same)].map(({ answer }) => answer?.text)
      expect(texts[1]).toBe(texts[0])
    }
    expect([await count('favourites'), await count('ratings')]).toEqual([1, 1])
  })

  it('deletes nothing, and keeps the message, while the request is under way', async () => {
    test = await openTestCore(quickest)
    const call = await test.say('a cat')
    const [{ id } = { id: '' }] = await test.core.database.rows<{ id: string }>(sql`select id from generations`)
    const pressed = await test.say('', { act: { kind: 'press', button: `1:erase:${id}` } })
    expect(test.chat.last(pressed.address)?.content).toMatchObject(refusal('still_running'))
    expect(test.chat.last(call.address)).toMatchObject({ state: 'waiting' })
    await test.work()
    expect(await test.ended(call)).toBe('delivered')
  })

  it('deletes, and says so again when the press is handled twice', async () => {
    const { press } = await drawn()
    expect((await press('erase', again)).answer?.text).toBe('Deleted.')
    expect((await press('erase', again)).answer?.text).toBe('Deleted.')
    expect((await press('delete')).answer?.content).toMatchObject(refusal('unknown_button'))
  })
})

describe('the buttons of a result', () => {
  const labelled = (rows: readonly (readonly { action: string; price?: number; number?: number }[])[] | undefined) =>
    rows?.map((row) => row.map(({ action, price = 0, number = '' }) => `${action}${number} ${price}`))

  it('show their prices, and the prices are stored', async () => {
    const { shown } = await drawn()
    expect(labelled(shown()?.buttons)).toEqual([
      ['reroll 2', 'vary 2', 'edit 2', 'remix 0'],
      ['original 0', 'favourite 0', 'up 0', 'down 0'],
      ['report 0', 'delete 0'],
    ])
    const [row] = await test.core.database.rows(sql`select quoted from generations`)
    expect(row).toEqual({ quoted: { reroll: 2, vary: 2, edit: 2 } })
  })

  it('vary each picture of several', async () => {
    const colours = ['#ff0000', '#00ff00', '#0000ff']
    const inputs: Buffer[] = []
    const provider = createPlain({
      start: async ({ images }) => {
        inputs.push(...images.map(({ data }) => data))
        return { state: 'done', images: await Promise.all(colours.map((colour) => pngOf(64, 64, colour))) }
      },
    })
    const { shown, press } = await drawn('a cat --n 3', { providers: [provider] })
    expect(labelled(shown()?.buttons)).toEqual([
      ['reroll 6', 'edit 2', 'remix 0'],
      ['vary1 2', 'vary2 2', 'vary3 2'],
      ['original 0', 'favourite 0', 'up 0', 'down 0'],
      ['report 0', 'delete 0'],
    ])
    const { call } = await press('vary', {}, 2)
    await test.ended(call)
    expect((await sharp(inputs[0]).stats()).dominant).toEqual({ r: 8, g: 248, b: 8 })
    expect((await press('vary', {}, 4)).answer?.content).toMatchObject(refusal('unknown_button'))
  })

  it('vary with the default model where the model that drew it takes no picture', async () => {
    const { press } = await drawn('a cat --model words')
    await test.ended((await press('vary')).call)
    expect(await children()).toMatchObject([{ model: 'both', request: { images: 1, strength: 0.7, count: 1 } }])
  })

  it('leave out what no model can do', async () => {
    const { shown } = await drawn('a cat', { models: [wordsOnly] })
    expect(labelled(shown()?.buttons)?.[0]).toEqual(['reroll 3', 'edit 3'])
  })

  it('draw the same request again with another seed', async () => {
    const { press } = await drawn('a cat 16:9 --n 2 --steps 20 --seed 5')
    await test.ended((await press('reroll')).call)
    const [child] = await children()
    expect(child).toMatchObject({
      price: 4,
      button: 'reroll',
      request: { aspect: '16:9', count: 2, steps: 20, prompt: 'a cat' },
    })
    expect(child?.request.seed).toBeUndefined()
  })

  it('draw as many pictures again where each request makes several', async () => {
    const { press } = await drawn('a cat', { models: [pairs] })
    await test.ended((await press('reroll')).call)
    expect(await children()).toMatchObject([{ price: 2, request: { count: 2 } }])
  })

  it('draw again from the same input pictures', async () => {
    const inputs: Buffer[] = []
    const provider = createPlain({
      start: async ({ images }) => {
        inputs.push(...images.map(({ data }) => data))
        return { state: 'done', images: [await pngOf(64, 64)] }
      },
    })
    const data = await pngOf(48, 48, '#123456')
    const given = { name: 'own.png', bytes: data.length, load: async () => data }
    test = await openTestCore(quickest, { models: [both], providers: [provider] })
    await test.work()
    await test.ended(await test.say('at night', { images: [given] }))
    const [row] = await test.core.database.rows<{ id: string }>(sql`select id from generations`)
    const act: Act = { kind: 'press', button: `1:reroll:${row!.id}` }
    await test.ended(await test.say('', { act }))
    expect(inputs).toHaveLength(2)
    expect(inputs[1]).toEqual(inputs[0])
  })

  it('offer each other model with its price', async () => {
    const { press, submit } = await drawn('a cat --n 2')
    const { answer } = await press('remix')
    expect(answer?.form?.fields[0]?.choices).toEqual([{ value: 'words', label: 'words · 6 credits' }])
    expect((await submit('remix', { model: 'both' })).answer?.content).toMatchObject(refusal('unknown_model'))
    await test.ended((await submit('remix', { model: 'words' })).call)
    expect(await children()).toMatchObject([{ button: 'remix', model: 'words', price: 6, request: { count: 2 } }])
  })

  const address = 'https://example.com/ink.safetensors'
  const lorasOf = async () => (await children()).map(({ button, model, request: { loras } }) => [button, model, loras])

  it('keep the LoRAs of the request, and offer other models that take them', async () => {
    const stored = modelOf('stored', 2, { loras: { ...takes.loras!, hosts: [] } })
    const { press } = await drawn(`a cat --lora warm:0.5 --lora ${address}`, {
      models: [both, modelOf('other', 2, {}), modelOf('plain', 2, { loras: undefined }), stored],
    })
    await test.ended((await press('reroll')).call)
    await test.ended((await press('vary')).call)
    const loras = [{ path: 'warm', scale: 0.5 }, { path: address }]
    expect(await lorasOf()).toEqual([
      ['reroll', 'both', loras],
      ['vary', 'both', loras],
    ])
    const { answer } = await press('remix')
    expect(answer?.form?.fields[0]?.choices?.map(({ value }) => value)).toEqual(['other'])
  })

  it.each<[string, Partial<Takes>]>([
    ['takes none', { loras: undefined }],
    ['takes others only', { loras: { ...takes.loras!, hosts: [] } }],
  ])('vary without LoRAs with a model that %s', async (_title, over) => {
    const words = modelOf('words', 3, { images: { min: 0, max: 0 } })
    const { press } = await drawn(`a cat --model words --lora ${address}`, {
      models: [modelOf('fallback', 2, over), words],
    })
    await test.ended((await press('vary')).call)
    expect(await lorasOf()).toEqual([['vary', 'fallback', undefined]])
  })

  it('do not draw again with a LoRA whose name is gone', async () => {
    let names = ['ink']
    const named: Model = {
      ...both,
      get routes() {
        return both.routes.map((route) => ({ ...route, takes: { ...takes, loras: { ...takes.loras!, names } } }))
      },
    }
    const { press } = await drawn('a cat --lora ink', { models: [named] })
    names = []
    expect((await press('reroll')).answer?.text).toContain('both cannot use the LoRA ink')
  })

  it('give originals up to the limit of the chat, and links beyond it', async () => {
    const { press } = await drawn()
    const [small] = (await press('original', { maxFileBytes: 1_000_000 })).answer?.files ?? []
    const [large] = (await press('original', { maxFileBytes: 10 })).answer?.files ?? []
    expect((await sharp(small?.data).metadata()).width).toBe(64)
    expect(large?.data).toBeUndefined()
    expect(large?.link).toContain(`/${small?.key}?`)
  })

  it('are refused when the presser cannot pay, and nothing is held', async () => {
    const { press } = await drawn('a cat', { limits: { welcome: 3 } })
    expect((await press('reroll')).answer?.content).toMatchObject(refusal('no_credits'))
    expect(await children()).toEqual([])
  })

  it('of a model that is gone are refused with its name', async () => {
    const models = [both, wordsOnly]
    const { press } = await drawn('a cat', { models })
    models.shift()
    expect((await press('reroll')).answer?.content).toMatchObject({
      ...refusal('provider_missing'),
      data: { model: 'both' },
    })
  })
})

describe('a price that rose', () => {
  it('is refused once, and changes the buttons of all messages with the result', async () => {
    let price = 2
    const priced: Model = {
      ...both,
      get price() {
        return price
      },
    }
    const { id, shown, press } = await drawn('a cat', { models: [priced] })
    const again = await test.say(`/show ${id}`)
    price = 4
    const { answer } = await press('vary')
    expect(answer?.text).toBe('⚠️ The price has changed from 2 credits to 4 credits. Repeat it if you agree.')
    for (const message of [shown(), test.chat.last(again.address)]) {
      expect(message?.buttons?.[0]?.map((each) => each.price)).toEqual([4, 4, 4])
    }
    const { call } = await press('vary')
    await test.ended(call)
    expect(await children()).toMatchObject([{ button: 'vary', price: 4 }])
  })

  it('is refused to each person while a message that shows the old one could not be changed', async () => {
    let price = 2
    const priced: Model = {
      ...both,
      get price() {
        return price
      },
    }
    const { press } = await drawn('a cat', { models: [priced] })
    await test.core.database.rows(sql`
      insert into sent_messages (generation_id, surface, posted, asked_by, part, buttons)
      select id, 'gone', 'gone:1', 'gone:1', 0, true from generations`)
    price = 4
    expect((await press('reroll')).answer?.content).toMatchObject(refusal('price_rose'))
    expect((await press('reroll', bob)).answer?.content).toMatchObject(refusal('price_rose'))
    const { call } = await press('reroll')
    await test.ended(call)
    expect(await children()).toMatchObject([{ button: 'reroll', price: 4 }])
  })

  it.each<[string, (button: Pressing) => Promise<{ call: Call; answer?: Reply }>]>([
    ['a press', ({ press }) => press('reroll', { key: 'test:same', address: 'test:same' })],
    ['an edit', ({ submit }) => submit('edit', { prompt: 'a dog' }, { key: 'test:same', address: 'test:same' })],
    ['a remix', ({ submit }) => submit('remix', { model: 'words' }, { key: 'test:same', address: 'test:same' })],
  ])('is refused again when %s is handled again after a crash, and agreed to by the next one', async (_title, act) => {
    const prices = { both: 2, words: 3 }
    const priced = [both, wordsOnly].map((model) => ({
      ...model,
      get price() {
        return prices[model.id as keyof typeof prices]
      },
    }))
    const pressing = await drawn('a cat', { models: priced })
    for (const action of ['edit', 'remix']) await pressing.press(action)
    prices.both = 4
    prices.words = 6
    const first = await act(pressing)
    expect(first.answer?.content).toMatchObject(refusal('price_rose'))
    expect((await act(pressing)).answer?.content).toEqual(first.answer?.content)
    expect(await children()).toEqual([])
    const renewed: Pressing = {
      press: (action) => pressing.press(action),
      submit: (action, fields) => pressing.submit(action, fields),
    }
    await test.ended((await act(renewed)).call)
    // the refused one still is not agreed to
    expect((await act(pressing)).answer?.content).toMatchObject(refusal('price_rose'))
    expect(await children()).toHaveLength(1)
  })

  it('is refused also when a newer message shows it', async () => {
    let price = 2
    const priced: Model = {
      ...both,
      get price() {
        return price
      },
    }
    const { id, press } = await drawn('a cat', { models: [priced] })
    price = 4
    await test.say(`/show ${id}`)
    expect((await press('reroll')).answer?.content).toMatchObject(refusal('price_rose'))
    expect(await children()).toEqual([])
  })
})

describe('commands about a result', () => {
  it.each([
    ['its id', (id: string) => id],
    ['its short id', (id: string) => id.slice(-8)],
    ['its short id as captions write it', (id: string) => `#${id.slice(-8).toUpperCase()}`],
  ])('show it by %s', async (_title, written) => {
    const { id } = await drawn('a cat --n 2', {
      providers: [
        createPlain({ start: async () => ({ state: 'done', images: [await pngOf(64, 64), await pngOf(32, 32)] }) }),
      ],
    })
    const call = await test.say(`/show ${written(id)}`)
    const answer = test.chat.last(call.address)
    expect(answer?.pictures).toHaveLength(2)
    expect(answer?.text).toMatch(new RegExp(`4 credits · #${id.slice(-8)}$`))
    expect(answer?.buttons?.flat().map(({ action }) => action)).toContain('reroll')
  })

  it('show its LoRAs, of an address the name of the file', async () => {
    const { id } = await drawn('a cat --lora warm:0.5 --lora https://example.com/ours/ink.safetensors?type=Model:0.8')
    const call = await test.say(`/show ${id}`)
    const { text = '' } = test.chat.last(call.address) ?? {}
    expect(text).toContain('warm:0.5')
    expect(text).toContain('ink:0.8')
    expect(text).not.toContain('example.com')
  })

  it.each(['show', 'edit'])('do not find that of another person: /%s', async (command) => {
    const { id } = await drawn()
    const call = await test.say(`/${command} ${id} at night`, { who: 'bob' })
    expect(test.chat.last(call.address)?.content).toMatchObject(refusal('unknown_request'))
  })

  it('show a private one where only that person reads it', async () => {
    const { id } = await drawn()
    await test.core.database.rows(sql`update generations set private = true`)
    test.chat.privately = async () => 'test:alone'
    const openly = await test.say(`/show ${id}`, inGroup)
    expect(test.chat.last(openly.address)?.text).toContain('The answer goes to you in a private message')
    expect(test.chat.last('test:alone')).toMatchObject({ state: 'done', private: true })
    // the page: the person is alone, but the conversation is kept
    const alone = await test.say(`/show ${id}`, { isPrivate: false })
    expect(test.chat.last(alone.address)).toMatchObject({ state: 'done', private: true })
  })

  it('open the form of an edit without words', async () => {
    const { id } = await drawn()
    const call = await test.say(`/edit ${id.slice(-8)}`)
    expect(test.chat.last(call.address)?.form).toMatchObject({ id: `1:edit:${id}`, person: 'test:ann' })
  })

  it.each([
    ['', false],
    [' make it night', false],
    [' make it night', true],
  ])('ask which picture to edit: /edit%s', async (words, uploadsInForms) => {
    await drawn()
    Object.assign(test.chat, { uploadsInForms })
    const call = await test.say(`/edit${words}`)
    expect(test.chat.last(call.address)?.content).toMatchObject(refusal('nothing_to_edit'))
  })

  it('open a form that takes the picture as well, where forms take files', async () => {
    await drawn()
    Object.assign(test.chat, { uploadsInForms: true })
    const call = await test.say('/edit')
    const { form } = test.chat.last(call.address) ?? {}
    expect(form).toMatchObject({ id: '1:editupload:own', person: 'test:ann' })
    expect(form?.fields.map(({ name, required = false }) => [name, required])).toEqual([
      ['pictures', true],
      ['prompt', true],
      ['aspect', false],
      ['model', true],
    ])
    const fields = { prompt: 'at night' }
    const empty = await test.say('', { act: { kind: 'form', form: '1:editupload:own', fields } })
    expect(test.chat.last(empty.address)?.content).toMatchObject(refusal('nothing_to_edit'))
    const images = [attachment(await pngOf(48, 48))]
    const sent = await test.say('', { act: { kind: 'form', form: '1:editupload:own', fields }, images })
    await test.ended(sent)
    const [row] = await test.core.database.rows(sql`
      select request->>'prompt' as prompt, (request->>'images')::int as images from generations where key = ${sent.key}`)
    expect(row).toEqual({ prompt: 'at night', images: 1 })
  })

  it('edit an attached picture', async () => {
    await drawn()
    const data = await pngOf(48, 48)
    const call = await test.say('/edit make it night', {
      images: [{ name: 'own.png', bytes: data.length, load: async () => data }],
    })
    await test.ended(call)
    const [row] = await test.core.database.rows(sql`
      select parent_id as parent, (request->>'images')::int as images from generations where key = ${call.key}`)
    expect(row).toEqual({ parent: null, images: 1 })
  })
})
