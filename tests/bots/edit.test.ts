/** The button that changes a result, on any surface: who may use it, what it draws and what it costs. */
import { sql } from 'drizzle-orm'
import sharp from 'sharp'
import { afterEach, describe, expect, it } from 'vitest'
import { proposeEdit } from '../../src/core/generation/edit.ts'
import type { Act, Call } from '../../src/core/ports/chat.ts'
import type { Model, Takes } from '../../src/core/ports/models.ts'
import { sketch } from '../../src/models/sketch.ts'
import { quickest } from '../helpers/backends.ts'
import { attachment, createPlain, openTestCore, pngOf, type TestCore, type TestCoreOptions } from '../helpers/core.ts'
import { violations } from '../helpers/invariants.ts'

const takes = sketch.routes[0]!.takes

const modelOf = (id: string, price: number, over: Partial<Takes>): Model => ({
  ...sketch,
  id,
  title: id,
  aliases: [`alias-of-${id}`],
  price,
  routes: sketch.routes.map((route) => ({ ...route, takes: { ...takes, ...over } })),
})

const both = modelOf('both', 2, {})
const wordsOnly = modelOf('words', 3, { images: { min: 0, max: 0 } })
const plain = { loras: undefined, expand: undefined, mask: undefined, kept: undefined }
const editor = modelOf('editor', 5, { ...plain, images: { min: 1, max: 1 }, aspects: { auto: [0, 0] } })
const variation = modelOf('variation', 7, { images: { min: 1, max: 1 }, prompt: 'none' })

describe('the model that an edit proposes', () => {
  const proposal = (models: Model[], drawnWith: string, preferred = models[0]!.id) => {
    const providers = { get: (name: string) => (name === 'sketch' ? {} : undefined) }
    const core = { providers, models: { all: () => models, preferred: () => preferred } }
    const drawn = { model: drawnWith, request: { aspect: '1:1' }, pictures: [{ width: 64, height: 64 }] }
    const found = proposeEdit(core as unknown as Parameters<typeof proposeEdit>[0], drawn)
    return found && [found.model.id, found.images, found.price]
  }

  it.each([
    ['the model that drew it, when it takes a picture', [wordsOnly, both], 'both', ['both', 1, 2]],
    ['another one, when that takes no picture', [wordsOnly, both], 'words', ['both', 1, 2]],
    ['one that only edits', [wordsOnly, editor], 'words', ['editor', 1, 5]],
    ['the model that drew it, when no model takes pictures', [wordsOnly], 'words', ['words', 0, 3]],
    ['none that takes no words', [wordsOnly, variation], 'variation', ['words', 0, 3]],
    ['another one, when the model is gone', [both], 'gone', ['both', 1, 2]],
    ['none, when no model takes words', [variation], 'variation', undefined],
  ])('is %s', (_title, models, drawnWith, expected) => {
    expect(proposal(models, drawnWith)).toEqual(expected)
  })

  it('is not one whose provider is not set up', () => {
    const away = { ...both, id: 'away', routes: both.routes.map((route) => ({ ...route, provider: 'away' })) }
    expect(proposal([away, wordsOnly], 'away')).toEqual(['words', 0, 3])
  })
})

describe('an edit', () => {
  let test: TestCore
  afterEach(async () => {
    const wrong = await violations(test.core.database)
    await test.close()
    expect(wrong).toEqual([])
  })

  async function drawn(prompt = 'a cat', options: TestCoreOptions = {}) {
    test = await openTestCore(quickest, { models: [both, wordsOnly, editor, variation], ...options })
    await test.work()
    const call = await test.say(prompt)
    expect(await test.ended(call)).toBe('delivered')
    const [row] = await test.core.database.rows<{ id: string }>(sql`select id from generations`)
    const id = `1:edit:${row!.id}` as const
    const answerTo = (asked: Call) => test.chat.last(asked.address)
    return {
      id,
      buttons: answerTo(call)?.buttons,
      press: async (over: Partial<Call> = {}) =>
        answerTo(await test.say('', { act: { kind: 'press', button: id }, ...over })),
      submit: async (fields: Record<string, string>, over: Partial<Call> = {}) =>
        test.say('', { act: { kind: 'form', form: id, fields }, ...over }),
      write: async (text: string) => test.say('', { act: { kind: 'form', form: id, fields: {}, text } satisfies Act }),
      answerTo,
    }
  }
  const edits = () =>
    test.core.database.rows<{ model: string; price: number; request: Record<string, unknown> }>(
      sql`select model, price, request from generations where parent_id is not null order by id`,
    )

  it('shows its price on the button, and the prices of all models in the form', async () => {
    const { id, buttons, press } = await drawn()
    expect(buttons?.flat()).toContainEqual({ id, action: 'edit', price: 2 })
    const { form } = (await press()) ?? {}
    expect(form).toMatchObject({ id, title: '✏️ Edit the picture' })
    const [prompt, aspect, model] = form?.fields ?? []
    expect(prompt).toMatchObject({ name: 'prompt', label: 'Prompt', value: 'a cat', required: true, maxLength: 4000 })
    expect(aspect).toMatchObject({ name: 'aspect', kind: 'choice', hint: 'Like the picture' })
    expect(aspect?.value).toBeUndefined()
    expect(model).toMatchObject({ name: 'model', value: 'both' })
    expect(model?.choices?.map(({ label }) => label)).toEqual([
      'both · 2 credits',
      'words · 3 credits · ignores the picture',
      'editor · 5 credits',
    ])
  })

  it('is worded in the language of the person', async () => {
    const { press } = await drawn()
    const { form } = (await press({ locale: 'zh' })) ?? {}
    expect(form?.title).toBe('✏️ 修改图片')
    expect(form?.fields.map(({ label }) => label)).toEqual(['提示词', '比例', '模型', '更多图片'])
  })

  it.each([
    [
      'keeps the model and the shape of the picture',
      { prompt: 'a dog' },
      { model: 'both', prompt: 'a dog', images: 1, aspect: '1:1' },
    ],
    ['refuses a ratio that the model cannot draw', { prompt: 'a dog', aspect: '1:1', model: 'editor' }, 'not_taken'],
    ['takes another model', { prompt: 'a dog', model: 'editor' }, { model: 'editor', images: 1, aspect: 'auto' }],
    ['takes an alias', { prompt: 'a dog', model: 'alias-of-editor' }, { model: 'editor' }],
    ['takes the label of a choice', { prompt: 'a dog', model: 'editor · 5 credits' }, { model: 'editor' }],
    [
      'draws from words where the model takes no pictures',
      { model: 'words' },
      { model: 'words', images: 0, aspect: '16:9' },
    ],
    [
      'takes flags in the words',
      { prompt: 'a dog --model words --ar 1:1' },
      { model: 'words', aspect: '1:1', images: 0 },
    ],
    [
      'prefers a changed field to a flag',
      { prompt: 'a dog --ar 1:1', aspect: '3:2' },
      { aspect: '3:2', prompt: 'a dog' },
    ],
    [
      'grows the picture',
      { prompt: 'a beach --expand left:16,top:25%' },
      { prompt: 'a beach', images: 1, expand: { left: 16, right: 0, top: 16, bottom: 0 }, width: 80, height: 80 },
    ],
    ['grows no picture with a model that cannot', { prompt: 'a beach --expand 16 --model editor' }, 'area_not_taken'],
    ['gives a grown picture no ratio', { prompt: 'a beach --expand 16', aspect: '16:9' }, 'shape_kept'],
    ['refuses sides that it cannot read', { prompt: 'a beach --expand up:16' }, 'bad_option'],
    ['needs words', { prompt: ' ' }, 'bad_option'],
    ['needs more than flags', { prompt: '--ar 1:1' }, 'empty_prompt'],
    ['refuses words that are too long', { prompt: 'a'.repeat(4001) }, 'bad_option'],
    ['refuses a model that is not there', { model: 'nix' }, 'unknown_model'],
    ['refuses a model that takes no words', { model: 'variation' }, 'words_not_taken'],
    ['refuses a ratio that the model does not offer', { aspect: '5:7' }, 'unknown_ratio'],
  ])('%s', async (_title, fields, expected) => {
    const { submit, answerTo } = await drawn('a cat 16:9')
    const call = await submit(fields as Record<string, string>)
    if (typeof expected === 'string') {
      expect(answerTo(call)?.content).toMatchObject({ kind: 'refusal', error: expected })
      expect(await edits()).toEqual([])
      return
    }
    expect(await test.ended(call)).toBe('delivered')
    expect((await edits()).map(({ request }) => request)).toMatchObject([expected])
  })

  it('takes words that stay as they are without looking for flags and ratios in them', async () => {
    const { submit } = await drawn('a sign that says 16:9 --ar 1:1')
    expect(await test.ended(await submit({}))).toBe('delivered')
    expect((await edits()).map(({ request }) => request)).toMatchObject([
      { prompt: 'a sign that says 16:9', aspect: '1:1' },
    ])
  })

  it.each([
    ['a dog', { prompt: 'a dog', model: 'both' }],
    ['a dog\nModel: editor', { prompt: 'a dog', model: 'editor' }],
    ['Ratio： 3:2', { prompt: 'a cat', aspect: '3:2' }],
    ['prompt: a bird\nRATIO: 3:2', { prompt: 'a bird', aspect: '3:2' }],
    ['a sign that says\nnote: closed', { prompt: 'a sign that says note: closed' }],
    ['a dog 3:2', { prompt: 'a dog', aspect: '3:2' }],
  ])('understands the written answer %j', async (text, expected) => {
    const { write } = await drawn()
    expect(await test.ended(await write(text))).toBe('delivered')
    expect((await edits()).map(({ request }) => request)).toMatchObject([expected])
  })

  it('draws from the stored original of the first picture', async () => {
    const inputs: Buffer[] = []
    const [red, blue] = await Promise.all(['#ff0000', '#0000ff'].map((colour) => pngOf(64, 64, colour)))
    const provider = createPlain({
      start: async ({ images }) => {
        inputs.push(...images.map(({ data }) => data))
        return { state: 'done', images: [red!, blue!] }
      },
    })
    const { submit } = await drawn('a cat --n 2', { providers: [provider] })
    expect(await test.ended(await submit({ prompt: 'a dog' }))).toBe('delivered')
    expect(inputs).toHaveLength(1)
    expect(await sharp(inputs[0]).stats()).toMatchObject({ dominant: { r: 248, g: 8, b: 8 } })
  })

  it.each<[string, Record<string, string>, number, object | string]>([
    ['with the picture of the result', { prompt: 'a hat' }, 1, { model: 'both', images: 2 }],
    ['by a model that the person names', { prompt: 'a hat --model both' }, 2, { model: 'both', images: 3 }],
    ['or refused by the name of the model', { prompt: 'a hat', model: 'editor' }, 1, 'too_many_images'],
    ['or refused by the name of a model for words', { prompt: 'a hat', model: 'words' }, 1, 'too_many_images'],
  ])('uses added pictures %s', async (_title, fields, count, expected) => {
    const { submit, answerTo } = await drawn()
    const added = await pngOf(48, 48)
    const call = await submit(fields, { images: Array.from({ length: count }, () => attachment(added)) })
    if (typeof expected === 'string') expect(answerTo(call)?.content).toMatchObject({ error: expected })
    else {
      expect(await test.ended(call)).toBe('delivered')
      expect(await edits()).toMatchObject([{ request: expected }])
    }
  })

  it('chooses another model for added pictures, for no more than the form showed', async () => {
    const { press, submit, answerTo } = await drawn('a cat', { models: [editor, both] })
    await test.core.database.rows(sql`
      update generations set model = 'editor', request = jsonb_set(request, '{model}', '"editor"')`)
    expect((await press())?.form?.fields[2]?.value).toBe('editor')
    const images = [attachment(await pngOf(48, 48))]
    const call = await submit({ prompt: 'a hat' }, { images })
    expect(answerTo(call)?.content.kind).not.toBe('refusal')
    expect(await test.ended(call)).toBe('delivered')
    expect(await edits()).toMatchObject([{ model: 'both', request: { images: 2 } }])
  })

  it('takes no pictures in a form without a field for them', async () => {
    const { id, answerTo } = await drawn()
    const act: Act = { kind: 'form', form: id.replace('edit', 'report'), fields: { reason: 'no cat' } }
    const call = await test.say('', { act, images: [attachment(await pngOf(48, 48))] })
    expect(answerTo(call)?.text).toBe('⚠️ This question takes words only: answer it without a picture.')
  })

  it('is quoted anew, and refused with the price when the credits do not suffice', async () => {
    const { submit, answerTo } = await drawn('a cat', { limits: { welcome: 6 } })
    expect(answerTo(await submit({ model: 'editor' }))?.text).toBe(
      '⚠️ That costs 5 credits and you have 4. An administrator can give you more; on Telegram, /buy sells some.',
    )
    expect(await edits()).toEqual([])
    const call = await submit({ model: 'words' })
    expect(await test.ended(call)).toBe('delivered')
    expect(await edits()).toMatchObject([{ model: 'words', price: 3 }])
  })

  it('charges the person who asks for it', async () => {
    const { submit } = await drawn()
    const from = { id: 'test:bob', name: 'bob' }
    expect(await test.ended(await submit({ prompt: 'a dog' }, { from }))).toBe('delivered')
    const balances = await test.core.database.rows(sql`
      select i.id, balance from users u join identities i on i.user_id = u.id order by i.id`)
    expect(balances).toEqual([
      { id: 'test:ann', balance: 18 },
      { id: 'test:bob', balance: 18 },
    ])
  })

  it('costs no more than the form showed to this person, also where the proposed model has changed', async () => {
    let price = 2
    const priced: Model = {
      ...both,
      get price() {
        return price
      },
    }
    const { press, submit, answerTo } = await drawn('a cat', { models: [priced, editor] })
    await press()
    price = 3
    const bob = { from: { id: 'test:bob', name: 'bob' } }
    await press(bob)
    const refused = await submit({ prompt: 'a dog --n 2' })
    expect(answerTo(refused)?.text).toBe('⚠️ The price has changed from 4 credits to 6 credits. Repeat it if you agree.')
    expect(await edits()).toEqual([])
    expect(await test.ended(await submit({ prompt: 'a dog', model: 'both' }, bob))).toBe('delivered')
    expect(await test.ended(await submit({ prompt: 'a dog --n 2' }))).toBe('delivered')
    expect(await edits()).toMatchObject([{ price: 3 }, { price: 6 }])
    Object.assign(test.core, { models: { ...test.core.models, all: () => [editor] } })
    expect(answerTo(await submit({ prompt: 'a dog' }))?.content).toMatchObject({ error: 'price_rose' })
  })

  it('costs the price of a picture that grows, once the person agrees', async () => {
    const provider = createPlain({ start: async () => ({ state: 'done', images: [await pngOf(1024, 1024)] }) })
    const { press, submit, answerTo } = await drawn('a cat', { providers: [provider] })
    await press()
    const grow = { prompt: 'a beach --expand left:256' }
    expect(answerTo(await submit(grow))?.text).toContain('The price has changed from 2 credits to 4 credits.')
    expect(await test.ended(await submit(grow))).toBe('delivered')
    expect(await edits()).toMatchObject([{ price: 4, request: { width: 1280, height: 1024 } }])
  })

  it('grows the picture with another model where the proposed one cannot', async () => {
    const { submit } = await drawn('a cat', { models: [editor, both] })
    await test.core.database.rows(sql`
      update generations set model = 'editor', request = jsonb_set(request, '{model}', '"editor"')`)
    expect(await test.ended(await submit({ prompt: 'a beach --expand 16' }))).toBe('delivered')
    expect(await edits()).toMatchObject([{ model: 'both', request: { images: 1, expand: { left: 16 } } }])
  })

  const warm = { path: 'warm', scale: 0.5 }
  it.each<[string, Record<string, string>, object]>([
    ['keeps the LoRAs of the result', { prompt: 'a dog' }, { model: 'both', loras: [warm] }],
    ['draws with other LoRAs', { prompt: 'a dog --lora cold' }, { model: 'both', loras: [{ path: 'cold' }] }],
    ['leaves them out with another model', { prompt: 'a dog', model: 'other' }, { model: 'other', loras: undefined }],
    [
      'draws with those that are named for another model',
      { prompt: 'a dog --lora warm', model: 'other' },
      { model: 'other', loras: [{ path: 'warm' }] },
    ],
  ])('%s', async (_title, fields, expected) => {
    const { submit } = await drawn('a cat --lora warm:0.5', { models: [both, modelOf('other', 2, {})] })
    expect(await test.ended(await submit(fields))).toBe('delivered')
    const [edit] = await edits()
    expect({ loras: undefined, ...edit?.request }).toMatchObject(expected)
  })

  it('refuses LoRAs that the chosen model does not take, by its name', async () => {
    const { submit, answerTo } = await drawn('a cat --lora warm')
    expect(answerTo(await submit({ prompt: 'a dog --lora warm', model: 'editor' }))?.text).toContain(
      'editor does not take --lora',
    )
  })

  it.each(['the form', 'the command'])('keeps LoRAs where only a later route takes them: %s', async (way) => {
    const [usual] = both.routes
    const styled = {
      ...both,
      id: 'styled',
      routes: [{ ...usual!, endpoint: 'usual', takes: { ...takes, ...plain } }, usual!],
    }
    const { id, submit } = await drawn('a cat --lora warm:0.5', { models: [styled] })
    const [, , ref = ''] = id.split(':')
    const call = way === 'the form' ? await submit({ prompt: 'a dog' }) : await test.say(`/edit ${ref} a dog`)
    expect(await test.ended(call)).toBe('delivered')
    expect(await edits()).toMatchObject([{ request: { prompt: 'a dog', images: 1, loras: [warm] } }])
  })

  it('draws once for a submission that arrives again', async () => {
    const { submit } = await drawn()
    const same = { key: 'test:same', address: 'test:same' } as const
    const [call] = await Promise.all([1, 2, 3].map(() => submit({ prompt: 'a dog' }, same)))
    expect(await test.ended(call!)).toBe('delivered')
    expect(await edits()).toHaveLength(1)
  })

  const elsewhere = { channel: 'elsewhere', nsfw: false, manager: true, roles: [] }
  const bob = { id: 'test:bob', name: 'bob' }
  const admin = { id: 'test:admin', name: 'admin' }

  it.each([
    ['a person in the same chat', { from: bob }, true],
    ['the person who asked, in another chat', { place: elsewhere }, true],
    ['an admin in another chat', { from: admin, place: elsewhere }, true],
    ['a person in another chat', { from: bob, place: elsewhere }, false],
    ['a person in a chat of the same name on another surface', { from: bob, surface: 'other' }, false],
  ])('is open to %s: %s', async (_title, over: Partial<Call>, allowed) => {
    const other = { name: 'other' }
    const { press, submit, id } = await drawn('a cat', { admins: ['test:admin'] })
    if (over.surface === other.name) {
      Object.assign(test.core, { surfaces: new Map([...test.core.surfaces, ['other', test.chat]]) })
    }
    const shown = await press(over)
    const refusal = { kind: 'refusal', error: 'unknown_button' }
    if (allowed) expect(shown?.form).toMatchObject({ id })
    else expect(shown?.content).toMatchObject(refusal)
    const call = await submit({ prompt: 'a dog' }, over)
    if (!allowed) expect(test.chat.last(call.address)?.content).toMatchObject(refusal)
    expect(await edits()).toHaveLength(allowed ? 1 : 0)
    if (allowed) await test.ended(call)
  })

  it('is refused while the request is being drawn', async () => {
    const { press } = await drawn()
    await test.core.database.rows(sql`update generations set state = 'running'`)
    expect((await press())?.content).toMatchObject({ kind: 'refusal', error: 'unknown_button' })
    await test.core.database.rows(sql`update generations set state = 'delivered'`)
  })
})
