import { sql } from 'drizzle-orm'
import sharp from 'sharp'
import { afterEach, describe, expect, it } from 'vitest'
import { buttonId } from '../../src/core/chats/buttons.ts'
import { shortId } from '../../src/core/ids.ts'
import type { Call } from '../../src/core/ports/chat.ts'
import { sketch } from '../../src/models/sketch.ts'
import { upscale } from '../../src/models/upscale.ts'
import { lanczos } from '../../src/providers/lanczos/lanczos.ts'
import { quickest } from '../helpers/backends.ts'
import { attachment, createPlain, openTestCore, pngOf, type TestCore } from '../helpers/core.ts'
import { violations } from '../helpers/invariants.ts'
import { keepLog } from '../helpers/log.ts'

describe('enlarging a picture in a chat', () => {
  let test: TestCore
  afterEach(async () => {
    const wrong = await violations(test.core.database)
    await test.close()
    expect(wrong).toEqual([])
  })

  /** The pictures of a result are 60, 61, 62 … pixels wide. */
  async function open() {
    const builtIn = lanczos.create({ baseUrl: 'lanczos:', timeoutMs: 240_000, concurrency: 5 }, { log: keepLog() })
    const images = async (count: number) => Promise.all(Array.from({ length: count }, (_, at) => pngOf(60 + at, 40)))
    const plain = createPlain({
      start: async ({ input }) => {
        const { count = 1 } = input as { count?: number }
        return { state: 'done', images: await images(count), seed: '7' }
      },
    })
    test = await openTestCore(quickest, {
      providers: [plain, builtIn],
      models: [sketch, upscale],
      limits: { welcome: 50 },
    })
    await test.work()
  }

  async function draw(text: string, over: Partial<Call> & { who?: string } = {}) {
    const call = await test.say(text, over)
    expect(await test.ended(call)).toBe('delivered')
    const [row] = await test.core.database.rows<{ id: string; parent: string; button: string; price: number }>(
      sql`select id, parent_id as parent, parent_button as button, price from generations where key = ${call.key}`,
    )
    return { call, ...row!, reply: test.chat.last(call.address) }
  }

  const press = (button: string, over: Partial<Call> & { who?: string } = {}) =>
    test.say('', { act: { kind: 'press', button }, ...over })
  const labels = (call: Call) =>
    test.chat
      .last(call.address)
      ?.buttons?.flat()
      .map(({ id, price }) => `${id} ${price}`) ?? []
  const sizeOf = async (call: Call) => {
    const { width, height } = await sharp(test.chat.last(call.address)?.pictures?.[0]?.file.data).metadata()
    return [width, height]
  }
  const textOf = (call: Call) => test.chat.last(call.address)?.text ?? ''

  it('has a button with its price, which enlarges the original', async () => {
    await open()
    const { id, call } = await draw('a cat')
    const button = buttonId('upscale', id)
    expect(labels(call)).toContain(`${button} 4`)
    const { call: pressed, ...row } = await draw('', { act: { kind: 'press', button } })
    expect(await sizeOf(pressed)).toEqual([120, 80])
    expect(row).toMatchObject({ parent: id, button: 'upscale', price: 4 })
  })

  it('has a button for each picture, in a row of their own', async () => {
    await open()
    const { id, call } = await draw('a cat --n 3')
    const rows = test.chat.last(call.address)?.buttons?.map((row) => row.map((each) => each.id)) ?? []
    expect(rows).toContainEqual([1, 2, 3].map((number) => `1:upscale:${id}-${number}`))
    const pressed = await press(`1:upscale:${id}-3`)
    expect(await test.ended(pressed)).toBe('delivered')
    expect(await sizeOf(pressed)).toEqual([124, 80])
    expect(textOf(await press(`1:upscale:${id}-4`))).toContain('no longer works')
  })

  it('acts and costs once when a press is delivered twice', async () => {
    await open()
    const { id } = await draw('a cat')
    const again = { key: 'test:twice', address: 'test:twice' } as const
    const [call] = await Promise.all([press(`1:upscale:${id}`, again), press(`1:upscale:${id}`, again)])
    expect(await test.ended(call)).toBe('delivered')
    const rows = await test.core.database.rows(sql`select id from generations where key = 'test:twice'`)
    expect(rows).toHaveLength(1)
  })

  it('has no button where the result would be too large, nor one that makes the same again', async () => {
    await open()
    const { id, call } = await draw('/upscale 4', { images: [attachment(await pngOf(2100, 200))] })
    const shown = labels(call).join('\n')
    expect(shown).not.toContain(`upscale:${id}`)
    expect(shown).not.toContain(`reroll:${id}`)
    expect(shown).not.toContain(`vary:${id}`)
    expect(shown).toContain(`original:${id}`)
  })

  it.each([
    ['/upscale', 2],
    ['/upscale 4', 4],
    ['/upscale 4x', 4],
    ['/upscale --scale 4', 4],
    ['/upscale —scale=4', 4],
  ])('%s enlarges an attached picture %i times', async (text, scale) => {
    await open()
    const { call } = await draw(text, { images: [attachment(await pngOf(30, 20))] })
    expect(await sizeOf(call)).toEqual([30 * scale, 20 * scale])
  })

  it.each([
    ['id and scale in words', (id: string) => `${shortId(id)} 4`],
    ['a short id with a number sign', (id: string) => `#${shortId(id)} --scale 4`],
    ['the scale first', (id: string) => `4 ${id}`],
  ])('/upscale takes %s', async (_what, words) => {
    await open()
    const { id } = await draw('a cat')
    const { call, parent } = await draw(`/upscale ${words(id)}`)
    expect(parent).toBe(id)
    expect(await sizeOf(call)).toEqual([240, 160])
  })

  it('takes typed options', async () => {
    await open()
    const { id } = await draw('a cat')
    const act = { kind: 'command', name: 'upscale', text: '', options: { id, scale: '4' } } as const
    const { call } = await draw('', { act })
    expect(await sizeOf(call)).toEqual([240, 160])
  })

  it('is private when the settings say so, unless a button of a public picture starts it', async () => {
    await open()
    const { id } = await draw('a cat')
    await test.say('/settings private on')
    await draw('/upscale', { images: [attachment(await pngOf(30, 20))] })
    await draw('', { act: { kind: 'press', button: buttonId('upscale', id) } })
    const rows = sql`select private from generations where model = 'upscale' order by id`
    expect(await test.core.database.rows(rows)).toEqual([{ private: true }, { private: false }])
  })

  it('names what is missing or wrong, and charges nothing', async () => {
    await open()
    const { id } = await draw('a cat')
    const image = attachment(await pngOf(30, 20))
    expect(textOf(await test.say('/upscale'))).toContain('needs a picture')
    expect(textOf(await test.say('/upscale 3', { images: [image] }))).toContain('"3" does not fit --scale. Use 2, 4')
    expect(textOf(await test.say(`/upscale ${id}`, { images: [image] }))).toContain('at most 1')
    expect(textOf(await test.say(`/upscale ${id} larger please`))).toContain('"larger please" does not fit id')
    expect(textOf(await test.say('/upscale', { images: [image, image] }))).toContain('at most 1')
    expect(textOf(await test.say(`/upscale ${id}`, { who: 'eve' }))).toContain('no such request')
    const rows = await test.core.database.rows(sql`select id from generations where model = 'upscale'`)
    expect(rows).toHaveLength(0)
  })

  it('is in the list of models, with its scales and its price', async () => {
    await open()
    const text = textOf(await test.say('/models'))
    expect(text).toMatch(/upscale · 4 credits/)
    expect(text).toContain('--scale 2|4')
  })

  it('waits without an empty quote, because there are no words', async () => {
    await open()
    const call = await test.say('/upscale', { images: [attachment(await pngOf(30, 20))] })
    const [waiting] = test.chat.messages.find(({ address }) => address === call.address)?.history ?? []
    expect(waiting?.text).toMatch(/queue$/)
    await test.ended(call)
  })
})
