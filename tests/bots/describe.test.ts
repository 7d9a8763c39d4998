import { sql } from 'drizzle-orm'
import sharp from 'sharp'
import { afterEach, describe, expect, it } from 'vitest'
import { AppError } from '../../src/core/errors.ts'
import { canDescribe } from '../../src/core/results/describe.ts'
import { createEnhancer } from '../../src/providers/enhancer.ts'
import { type LlmOptions, startLlm } from '../emulators/llm/index.ts'
import { picturesIn } from '../emulators/llm/request.ts'
import { quickest } from '../helpers/backends.ts'
import { attachment, createPlain, openTestCore, pngOf, type TestCore } from '../helpers/core.ts'
import { violations } from '../helpers/invariants.ts'

describe('describing a picture', () => {
  let test: TestCore
  const closing: (() => unknown)[] = []
  afterEach(async () => {
    const wrong = await violations(test.core.database)
    await test.close()
    for (const close of closing.splice(0)) await close()
    expect(wrong).toEqual([])
  })

  async function open(options: LlmOptions = {}, limits: { perMinute?: number } = {}) {
    const llm = await startLlm(options)
    const enhancer = createEnhancer({ baseUrl: llm.baseUrl, model: llm.model, key: llm.key })
    closing.push(llm.stop)
    test = await openTestCore(quickest, { enhancer, limits })
    await test.work()
    return llm
  }

  async function ask(text: string, images: readonly Buffer[] = [], who = 'ann') {
    const call = await test.say(text, { images: images.map((data) => attachment(data)), who })
    return test.chat.last(call.address)!
  }

  it('sends the picture, small and upright, and shows the prompt', async () => {
    const llm = await open({ reply: () => 'Prompt: "A blue square."' })
    const photo = await sharp(await pngOf(1600, 1000))
      .jpeg()
      .withMetadata({ orientation: 6 })
      .toBuffer()
    expect((await ask('/describe', [photo])).text).toBe('📝 A blue square.')
    const [sent] = picturesIn(llm.requests[0]!.body)
    expect(await sharp(sent).metadata()).toMatchObject({ format: 'png', width: 480, height: 768 })
    expect(llm.asked[0]?.messages.map(({ role }) => role)).toEqual(['system', 'user'])
  })

  it('is free, and describes the person’s results by id or by a button', async () => {
    await open({ reply: () => 'A small square.' })
    const drawn = await test.say('a square')
    await test.ended(drawn)
    const [row] = await test.core.database.rows<{ id: string }>(sql`select id from generations`)
    expect(
      test.chat
        .last(drawn.address)
        ?.buttons?.flat()
        .map(({ id }) => id),
    ).toContain(`1:describe:${row!.id}`)
    const before = await test.core.database.rows(sql`select balance, held from users`)
    expect((await ask(`/describe ${row!.id.slice(-8)}`)).text).toBe('📝 A small square.')
    const press = (button: string) => test.say('', { act: { kind: 'press', button } })
    const pressed = await press(`1:describe:${row!.id}`)
    expect(test.chat.last(pressed.address)).toMatchObject({ text: '📝 A small square.', private: true })
    expect(test.chat.last((await press(`1:describe:${row!.id}-2`)).address)?.text).toContain('no longer works')
    expect(await test.core.database.rows(sql`select balance, held from users`)).toEqual(before)
    expect((await ask(`/describe ${row!.id}`, [], 'eve')).text).toContain('no such request')
  })

  it('has no button below several pictures, nor where nothing describes pictures', async () => {
    const llm = await startLlm({})
    closing.push(llm.stop)
    const enhancer = createEnhancer({ baseUrl: llm.baseUrl, model: llm.model, key: llm.key })
    const images = [await pngOf(64, 64), await pngOf(64, 64)]
    test = await openTestCore(quickest, {
      enhancer,
      providers: [createPlain({ start: async () => ({ state: 'done', images }) })],
    })
    await test.work()
    const several = await test.say('a square --n 2')
    await test.ended(several)
    const buttonsOf = (address: string) =>
      test.chat
        .last(address)
        ?.buttons?.flat()
        .map(({ action }) => action)
    expect(buttonsOf(several.address)).toContain('report')
    expect(buttonsOf(several.address)).not.toContain('describe')
    expect(canDescribe({ ...test.core, enhancer: undefined })).toBe(false)
  })

  it('offers to draw the prompt, once and for the shown price, to the person who asked', async () => {
    const llm = await open({ reply: () => 'A small square. --seed 7' })
    const call = await test.say('/describe', { images: [attachment(await pngOf(40, 40))], key: 'test:describe' })
    const shown = test.chat.last(call.address)!
    expect(shown).toMatchObject({ state: 'asking', text: '📝 A small square. --seed 7' })
    const [draw, edit] = shown.buttons!.flat()
    expect([draw, edit]).toMatchObject([
      { action: 'draw', price: 1 },
      { action: 'editdraft', price: 1 },
    ])
    // handled again after a crash: nothing is described anew
    await test.say('/describe', { images: [attachment(await pngOf(40, 40))], key: call.key, address: call.address })
    expect([llm.asked.length, test.chat.last(call.address)?.buttons?.[0]?.[0]?.id]).toEqual([1, draw!.id])
    const { id: posted } = test.chat.messages.find(({ address }) => address === call.address)!
    const act = { kind: 'press', button: draw!.id, on: { posted } } as const
    const other = await test.say('', { act, who: 'eve' })
    expect(test.chat.last(other.address)?.content).toMatchObject({ kind: 'refusal', error: 'not_yours' })
    const pressed = await test.say('', { act })
    const [draft] = await test.core.database.rows<{ id: string }>(sql`select id from drafts`)
    expect(await test.ended({ ...pressed, key: `draft:${draft!.id}` })).toBe('delivered')
    const rows = await test.core.database.rows(
      sql`select request->>'prompt' as prompt, request->>'seed' as seed from generations`,
    )
    expect(rows).toEqual([{ prompt: 'A small square. --seed 7', seed: null }])
    expect(test.chat.last(call.address)?.state).toBe('done')
    const twice = await test.say('', { act })
    expect(test.chat.last(twice.address)?.content).toMatchObject({ kind: 'refusal', error: 'draft_over' })
  })

  it('answers in the private chat when the picture is private', async () => {
    await open({ reply: () => 'A small square.' })
    const drawn = await test.say('a square --private')
    await test.ended(drawn)
    const [row] = await test.core.database.rows<{ id: string }>(sql`select id from generations`)
    test.chat.privately = async () => 'test:alone'
    const place = { group: { id: 'g' }, channel: 'g', nsfw: false, manager: false, roles: [] }
    const call = await test.say(`/describe ${row!.id}`, { place })
    expect(test.chat.last('test:alone')).toMatchObject({ text: '📝 A small square.', private: true })
    expect(test.chat.last(call.address)?.text).toContain('The answer goes to you in a private message')
    test.chat.privately = async () => Promise.reject(new AppError('cannot_write_privately'))
    const refused = await test.say(`/describe ${row!.id}`, { place })
    expect(test.chat.last(refused.address)?.content).toMatchObject({ kind: 'refusal', error: 'cannot_write_privately' })
  })

  it.each([0, 1, 2, 3, 4])('is refused by name when the model reads text only (answer %i)', async (textOnly) => {
    await open({ textOnly })
    const { text, private: isPrivate } = await ask('/describe', [await pngOf(40, 40)])
    expect(text).toContain('the language model small-talk-1 reads no pictures')
    expect(isPrivate).toBe(true)
  })

  it('is done by a provider that can, where no language model reads pictures', async () => {
    const llm = await startLlm({ textOnly: 0 })
    closing.push(llm.stop)
    const provider = createPlain({ describe: async (file) => `a ${file.type} of Midjourney` })
    const enhancer = createEnhancer({ baseUrl: llm.baseUrl, model: llm.model, key: llm.key })
    test = await openTestCore(quickest, { enhancer, providers: [provider] })
    expect((await ask('/describe', [await pngOf(40, 40)])).text).toBe('📝 a image/png of Midjourney')
  })

  it('is refused by name when no language model is set up', async () => {
    test = await openTestCore(quickest)
    expect((await ask('/describe', [await pngOf(40, 40)])).text).toContain('no language model is set up')
  })

  it('asks for one picture', async () => {
    await open()
    expect((await ask('/describe')).text).toContain('needs a picture')
    const two = [await pngOf(40, 40), await pngOf(40, 40)]
    expect((await ask('/describe', two)).text).toContain('at most 1')
    expect((await ask('/describe', [Buffer.from('no picture')])).text).toContain('Only PNG, JPEG and WebP')
  })

  it.each<[string, LlmOptions, string]>([
    ['refuses the content', { reply: () => ({ content: null, refusal: 'I cannot help.' }) }, 'refused to describe'],
    ['answers nothing', { reply: () => '' }, 'did not answer'],
  ])('says so when the model %s', async (_what, options, words) => {
    await open(options)
    expect((await ask('/describe', [await pngOf(40, 40)])).text).toContain(words)
  })

  it('says so when the model fails', async () => {
    const llm = await open()
    llm.faults.add({ kind: '500' })
    expect((await ask('/describe', [await pngOf(40, 40)])).text).toContain('did not answer')
  })

  it("keeps to the person's pace, and is not for banned people", async () => {
    const llm = await open({ reply: () => 'A square.' }, { perMinute: 2 })
    const picture = await pngOf(40, 40)
    const texts = [
      await ask('/describe', [picture]),
      await ask('/describe', [picture]),
      await ask('/describe', [picture]),
    ]
    expect(texts.map(({ text }) => /A square|At most/.exec(text)?.[0])).toEqual(['A square', 'A square', 'At most'])
    expect(llm.asked).toHaveLength(2)
    await ask('/describe', [picture], 'eve')
    await test.core.database.rows(sql`update users set banned = true`)
    expect((await ask('/describe', [picture], 'eve')).text).toContain('You are banned')
  })
})
