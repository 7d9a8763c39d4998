/** `/settings`, what requests make of it, and the choice below an enhanced prompt, on any surface. */
import { sql } from 'drizzle-orm'
import { afterEach, describe, expect, it } from 'vitest'
import { saveSettings } from '../../src/core/accounts/settings.ts'
import { chatOf } from '../../src/core/chats/rules.ts'
import { forgetOldDrafts } from '../../src/core/generation/drafts.ts'
import { erase } from '../../src/core/media/erase.ts'
import { forgetOldUploads } from '../../src/core/media/uploads.ts'
import type { Call } from '../../src/core/ports/chat.ts'
import type { Model, Takes } from '../../src/core/ports/models.ts'
import type { Enhancer } from '../../src/core/ports/providers.ts'
import { sketch } from '../../src/models/sketch.ts'
import { quickest } from '../helpers/backends.ts'
import { attachment, openTestCore, pngOf, type TestCore, type TestCoreOptions } from '../helpers/core.ts'
import { violations } from '../helpers/invariants.ts'

const takes = sketch.routes[0]!.takes

const modelOf = (id: string, over: Partial<Takes>): Model => ({
  ...sketch,
  id,
  title: id,
  aliases: [],
  price: 2,
  routes: sketch.routes.map((route) => ({ ...route, takes: { ...takes, ...over } })),
})

const wide = modelOf('wide', { count: 4, aspects: { '1:1': [64, 64], '16:9': [64, 36] } })
const square = modelOf('square', { count: 1, aspects: { '1:1': [64, 64] } })
const poet: Enhancer = {
  model: 'poet',
  enhance: async (prompt) => `a splendid ${prompt}`,
  close: async () => undefined,
}

let test: TestCore
afterEach(async () => {
  await test.work()
  const underWay = sql`select id from generations where ended_at is null`
  await expect.poll(() => test.core.database.rows(underWay)).toEqual([])
  const wrong = await violations(test.core.database)
  await test.close()
  expect(wrong).toEqual([])
})

const open = async (options: TestCoreOptions = {}) => {
  test = await openTestCore(quickest, { models: [square, wide], ...options })
}
const room: Call['place'] = { group: { id: 'room' }, channel: 'room', nsfw: false, manager: false, roles: [] }
const answerOf = async (text: string, over?: Parameters<TestCore['say']>[1]) =>
  test.chat.last((await test.say(text, over)).address)
interface Row {
  id: string
  state: string
  model: string
  locale: string
  private: boolean
  original: boolean
  channel: string | null
  enhanced: string | null
  request: Record<string, unknown>
}
const rows = () => test.core.database.rows<Row>(sql`select * from generations order by id`)
const lastRow = async () => (await rows()).at(-1)!

describe('/settings', () => {
  it('shows the values in force with their origin, and buttons that open forms', async () => {
    await open()
    await saveSettings(test.core, { chat: chatOf({ surface: 'test', place: room })! }, { count: 1 })
    await test.say('/settings model wide ratio 16:9', { place: room })
    const shown = await answerOf('/settings', { place: room })
    expect(shown?.text).toContain('Model: wide · yours\nRatio: 16:9 · yours\nCount: 1 · this group’s\n')
    expect(shown?.text).toContain('Private: off · default\nLanguage: as in your app · default')
    expect(shown?.private).toBe(true)
    expect(shown?.buttons?.flat().map(({ id }) => id)).toEqual(['1:setpictures:own', '1:setanswers:own'])
  })

  it.each([
    ['/settings model wide ratio 16:9 count 3', 'Model: wide · yours\nRatio: 16:9 · yours\nCount: 3 · yours'],
    ['/settings --ratio 16：9 --count=2', 'Ratio: 16:9 · yours\nCount: 2 · yours'],
    ['/settings ratio:16x9', 'Ratio: 16:9 · yours'],
    ['/settings private on original on', 'Private: on · yours'],
    ['/settings model nix', 'There is no model "nix".'],
    ['/settings ratio 7:5', '"7:5" does not fit ratio. Use 1:1, 16:9.'],
    ['/settings ratio wide', '"wide" does not fit Ratio. Use 16:9.'],
    ['/settings count 9', '"9" does not fit Count. Use 1–4.'],
    ['/settings count many', '"many" does not fit Count.'],
    ['/settings model square count 2', '"2" does not fit Count. Use 1.'],
    ['/settings model square ratio 16:9', 'square does not offer the ratio 16:9.'],
    ['/settings language xx', '"xx" does not fit Language. Use en, zh.'],
    ['/settings private perhaps', '"perhaps" does not fit Private. Use on, off.'],
    ['/settings enhance ask', 'Prompt enhancement is not set up here'],
    ['/settings enhance on', 'Prompt enhancement is not set up here'],
    ['/settings colour red', 'There is no option colour.'],
    ['/settings ratio', 'Ratio: up to the model · default'],
    ['/settings ratio 16:9 here', 'This sets the defaults of a group'],
  ])('answers %s', async (text, answer) => {
    await open({ admins: ['test:ann'] })
    expect((await answerOf(text))?.text).toContain(answer)
  })

  it('goes back to a default', async () => {
    await open()
    await test.say('/settings ratio 16:9 count 2')
    expect((await answerOf('/settings ratio default'))?.text).toContain(
      'Ratio: up to the model · default\nCount: 2 · yours',
    )
  })

  it('lets only people who manage the group set its values', async () => {
    await open()
    const asked: string[] = []
    test.chat.manages = async (_place, { id }) => {
      asked.push(id)
      return id === 'test:bob'
    }
    const text = '/settings ratio 16:9 here'
    expect((await answerOf(text, { place: room }))?.text).toContain('Only people who may manage')
    expect((await answerOf(text, { place: { ...room, manager: true } }))?.text).toContain('Ratio: 16:9 · this group’s')
    expect((await answerOf(text, { place: room, who: 'bob' }))?.text).toContain('Ratio: 16:9 · this group’s')
    expect(asked).toEqual(['test:ann', 'test:bob'])
    const press = { kind: 'press', button: '1:setpictures:here' } as const
    expect((await answerOf('', { act: press, place: room }))?.text).toContain('Only people who may manage')
    // they find them from their own settings; announcements are no setting of a group
    const offersGroup = async (over: Partial<Call> & { who?: string }) =>
      JSON.stringify((await answerOf('/settings', over))?.buttons).includes('1:groupsettings:here')
    expect(await offersGroup({ place: room, who: 'bob' })).toBe(true)
    expect(await offersGroup({ place: { ...room, manager: true } })).toBe(true)
    expect(await offersGroup({ place: room })).toBe(false)
    expect(await offersGroup({ who: 'bob' })).toBe(false)
    const opening = { kind: 'press', button: '1:groupsettings:here' } as const
    const shown = await answerOf('', { act: opening, place: room, who: 'bob' })
    expect(shown?.text).toMatch(/^⚙️ The settings of this group\n/)
    expect(shown?.text).not.toContain('Announcements')
    expect(JSON.stringify(shown?.buttons)).toContain('1:setpictures:here')
    expect((await answerOf('', { act: opening, who: 'bob' }))?.text).toContain('Use it in that group')
    const refused = await answerOf('/settings announcements off here', { place: room, who: 'bob' })
    expect(refused?.text).toContain('Announcements is a setting of people')
  })

  it('saves what a form says, and keeps what its other fields show', async () => {
    await open()
    await test.say('/settings ratio 16:9 model wide')
    const form = (await answerOf('', { act: { kind: 'press', button: '1:setpictures:own' } }))?.form
    expect(form?.fields.map(({ name, value }) => [name, value])).toEqual([
      ['model', 'wide'],
      ['aspect', '16:9'],
      ['count', 'default'],
      ['enhance', 'default'],
    ])
    const submitted = { kind: 'form', form: '1:setpictures:own', fields: { count: '3', aspect: 'default' } } as const
    expect((await answerOf('', { act: submitted }))?.text).toContain('Model: wide · yours\nRatio: up to the model')
    const written = { kind: 'form', form: '1:setanswers:own', fields: {}, text: 'Language: 简体中文' } as const
    expect((await answerOf('', { act: written }))?.text).toContain('语言：简体中文 · 你的设置')
  })

  it('sets the language of all answers and of later deliveries', async () => {
    await open()
    expect((await answerOf('/settings language zh'))?.text).toContain('已保存')
    expect((await answerOf('/credits'))?.text).toContain('积分')
    expect((await answerOf('/nix'))?.text).toContain('没有')
    await test.work()
    const call = await test.say('a cat')
    expect(await test.ended(call)).toBe('delivered')
    const message = test.chat.messages.findLast(({ address }) => address === call.address)
    expect(message?.history.map(({ locale }) => locale)).toEqual(message?.history.map(() => 'zh'))
    expect(message?.history[0]?.text).toContain('排队中')
  })
})

describe('a request', () => {
  it('takes model, ratio and count from the settings where it says nothing', async () => {
    await open()
    await test.say('/settings model wide ratio 16:9 count 2')
    await test.say('a cat')
    expect(await lastRow()).toMatchObject({ model: 'wide', request: { aspect: '16:9', count: 2 } })
    await test.say('a cat 1:1 --n 1 --model square')
    expect(await lastRow()).toMatchObject({ model: 'square', request: { aspect: '1:1', count: 1 } })
  })

  it('is not refused for a setting that its own model does not take', async () => {
    await open()
    await test.say('/settings ratio 16:9 count 4')
    await test.say('a cat --model square')
    expect(await lastRow()).toMatchObject({ model: 'square', request: { aspect: '1:1', count: 1 } })
  })

  it('gets the first model that takes the settings where no model is set', async () => {
    await open()
    await test.say('a cat')
    expect(await lastRow()).toMatchObject({ model: 'square' })
    await test.say('/settings ratio 16:9')
    await test.say('a cat')
    expect(await lastRow()).toMatchObject({ model: 'wide', request: { aspect: '16:9' } })
  })

  it('gets another model when the one of the settings cannot serve it', async () => {
    await open()
    await test.say('/settings model square')
    await test.say('a cat 16:9')
    expect(await lastRow()).toMatchObject({ model: 'wide', request: { aspect: '16:9' } })
  })

  it('with a picture keeps the shape of that picture', async () => {
    await open()
    await test.say('/settings ratio 16:9 model wide')
    await test.say('make it night', { images: [attachment(await pngOf(40, 40))] })
    expect(await lastRow()).toMatchObject({ model: 'wide', request: { aspect: '1:1' } })
  })

  it('is in no chat when it is private, by a flag or by the settings', async () => {
    await open()
    await test.say('a cat')
    expect(await lastRow()).toMatchObject({ private: false, channel: 'test' })
    expect((await answerOf('a cat --private'))?.private).toBe(true)
    expect(await lastRow()).toMatchObject({ private: true, channel: null, request: { prompt: 'a cat' } })
    await test.say('/settings private on')
    await test.say('a cat', { who: 'bob' })
    await test.say('a cat --private=off', { who: 'ann' })
    expect((await rows()).map((row) => row.private)).toEqual([false, true, false, false])
  })

  it('that is private does not exist for others, and what starts from it is private, too', async () => {
    await open()
    await test.work()
    const call = await test.say('a cat --private')
    expect(await test.ended(call)).toBe('delivered')
    const { id } = await lastRow()
    const act = { kind: 'form', form: `1:edit:${id}`, fields: { prompt: 'a dog' } } as const
    expect((await answerOf('', { act, who: 'bob' }))?.text).toContain('This button no longer works')
    const edited = await test.say('', { act })
    expect(test.chat.last(edited.address)?.private).toBe(true)
    expect(await lastRow()).toMatchObject({ private: true, channel: null })
    expect(await test.ended(edited)).toBe('delivered')
  })

  it('carries the original files along when the settings say so', async () => {
    await open()
    await test.work()
    await test.say('/settings original on')
    const call = await test.say('a cat')
    expect(await test.ended(call)).toBe('delivered')
    const [picture] = test.chat.last(call.address)?.pictures ?? []
    expect(picture?.original?.data.length).toBe(picture?.file.data.length)
  })
})

describe('an enhanced prompt', () => {
  const draftOf = async (text: string, over?: Parameters<TestCore['say']>[1]) => {
    const call = await test.say(text, over)
    const shown = test.chat.last(call.address)
    return { call, shown, ids: shown?.buttons?.flat().map(({ id }) => id) ?? [] }
  }
  const press = (button: string, over?: Parameters<TestCore['say']>[1]) =>
    test.say('', { act: { kind: 'press', button }, ...over })
  const openAsking = async (options: TestCoreOptions = {}) => {
    await open({ enhancer: poet, ...options })
    await test.say('/settings enhance ask')
  }

  it('is shown before anything is held, and drawn once it is chosen', async () => {
    await openAsking()
    await test.work()
    const { call, shown, ids } = await draftOf('a cat 16:9')
    expect(shown).toMatchObject({ state: 'asking' })
    expect(shown?.text).toContain('a cat\n\n✨ a splendid a cat\n\nNothing is charged')
    expect(shown?.buttons?.flat().map(({ action, price }) => [action, price])).toEqual([
      ['useenhanced', 2],
      ['useown', 2],
      ['editdraft', 2],
    ])
    expect(await rows()).toEqual([])
    await press(ids[0]!)
    await expect.poll(async () => test.chat.last(call.address)?.state).toBe('done')
    expect(test.chat.last(call.address)?.text).toContain('a cat\n✨ a splendid a cat')
    const row = await lastRow()
    expect(row).toMatchObject({ enhanced: 'a splendid a cat', request: { prompt: 'a cat', aspect: '16:9' } })
  })

  it('is left aside for the person’s own words', async () => {
    await openAsking()
    const { ids } = await draftOf('a cat')
    await press(ids[1]!)
    const { enhanced, request } = await lastRow()
    expect([enhanced, request.prompt, request.enhance]).toEqual([null, 'a cat', undefined])
  })

  it('is drawn as the person edits it', async () => {
    await openAsking()
    const { call, ids } = await draftOf('a cat')
    const form = test.chat.last((await press(ids[2]!)).address)?.form
    expect(form?.fields[0]).toMatchObject({ name: 'prompt', value: 'a splendid a cat' })
    await test.say('', { act: { kind: 'form', form: ids[2]!, fields: { prompt: 'a splendid dog' } } })
    const { enhanced, request } = await lastRow()
    expect([enhanced, request.prompt, request.enhance]).toEqual([null, 'a splendid dog', undefined])
    expect(test.chat.last(call.address)?.buttons).toBeUndefined()
  })

  it('is asked for by a flag as well', async () => {
    await open({ enhancer: poet })
    expect((await draftOf('a cat --enhance=ask')).ids).toHaveLength(3)
    await test.say('/settings enhance ask')
    await test.say('a cat --enhance=off')
    expect(await lastRow()).toMatchObject({ request: { prompt: 'a cat' } })
  })

  it('needs an enhancer', async () => {
    await open()
    expect((await answerOf('a cat --enhance=ask'))?.text).toContain('Prompt enhancement is not set up here')
  })

  it('is drawn once, however often and in however many processes its buttons are pressed', async () => {
    await openAsking()
    const { ids } = await draftOf('a cat')
    const presses = await Promise.all([ids[0]!, ids[0]!, ids[1]!, ids[1]!].map((id) => press(id)))
    expect(await rows()).toHaveLength(1)
    expect(await test.core.database.rows(sql`select held from users`)).toEqual([{ held: 2 }])
    // the accepted choice turns the draft's message into the request, also when it is delivered again; all others are refused
    const told = ({ address }: Call) =>
      test.chat.last(address)?.text.includes('This choice has already been made') ?? false
    expect(presses.filter(told)).toHaveLength(3)
    const winner = presses.find((each) => !told(each))!
    await test.say('', winner)
    expect(told(winner)).toBe(false)
    const late = await press(ids[1]!)
    expect(test.chat.last(late.address)?.text).toContain('This choice has already been made')
    expect(presses).toHaveLength(4)
    expect(await rows()).toHaveLength(1)
  })

  it('is chosen only by the person who asked', async () => {
    await openAsking()
    const { ids } = await draftOf('a cat')
    for (const id of ids) {
      const { address } = await press(id, { who: 'bob' })
      expect(test.chat.last(address)?.text).toContain('Only the person who made this request')
    }
    expect(await rows()).toEqual([])
  })

  it('stays open after a choice that could not be paid', async () => {
    await openAsking({ limits: { welcome: 2 } })
    const { ids } = await draftOf('a cat')
    await test.core.database.rows(sql`
      insert into ledger (user_id, kind, amount) select id, 'take', -2 from users`)
    expect(test.chat.last((await press(ids[0]!)).address)?.text).toContain('That costs 2 credits')
    await test.core.database.rows(sql`insert into ledger (user_id, kind, amount) select id, 'grant', 2 from users`)
    await press(ids[0]!)
    expect(await rows()).toHaveLength(1)
  })

  it('is refused before it is enhanced when the person cannot pay', async () => {
    const asked: string[] = []
    const counting = { ...poet, enhance: async (prompt: string) => `${asked.push(prompt)}` }
    await openAsking({ enhancer: counting, limits: { welcome: 1 } })
    expect((await draftOf('a cat')).shown?.text).toContain('That costs 2 credits')
    expect(asked).toEqual([])
  })

  it('keeps the pictures of the request', async () => {
    await openAsking()
    const { ids } = await draftOf('make it night', { images: [attachment(await pngOf(40, 40))] })
    await press(ids[0]!)
    expect(await lastRow()).toMatchObject({ request: { images: 1, prompt: 'make it night' } })
  })

  it('counts in the pace once, also when its pictures are bad, and may be the last of a minute', async () => {
    await openAsking({ limits: { perMinute: 2 } })
    const bad = await draftOf('make it night', { images: [attachment(Buffer.from('no picture'))] })
    expect(bad.ids).toEqual([])
    expect((await draftOf('make it night', { images: [attachment(await pngOf(40, 40))] })).ids).toHaveLength(3)
    expect((await draftOf('a cat')).shown?.text).toContain('2 requests a minute')
  })

  it('stays private, and names its parent, when it starts from a private result', async () => {
    await openAsking()
    await test.work()
    const first = await test.say('a cat --private --enhance=off')
    expect(await test.ended(first)).toBe('delivered')
    const parent = await lastRow()
    const [sent] = await test.core.database.rows<{ message: string }>(sql`select message from sent_messages`)
    const image = attachment(await pngOf(40, 40))
    const images = [{ ...image, shownIn: { message: sent!.message, index: 0 } }]
    const { shown, ids } = await draftOf('make it night --private=off', { images })
    expect(shown?.private).toBe(true)
    await press(ids[0]!)
    const drawn = { private: true, channel: null, parent_id: parent.id, parent_button: 'reply' }
    expect(await lastRow()).toMatchObject(drawn)
  })

  it.each(['erased', 'expired'])('takes its words and pictures along once it is %s', async (end) => {
    await openAsking()
    await test.work()
    const { ids } = await draftOf('make it night', { images: [attachment(await pngOf(40, 40))] })
    const { database, store } = test.core
    const [kept] = await database.rows<{ key: string; user_id: string }>(sql`select key, user_id from uploads`)
    expect(await store.get(kept!.key)).toBeDefined()
    if (end === 'expired') {
      await database.rows(sql`update drafts set expires_at = now()`)
      await forgetOldDrafts(test.core)
    } else {
      await press(ids[0]!)
      const ended = async () => (await rows())[0]?.state
      await expect.poll(ended).toBe('delivered')
      expect(await erase(test.core, kept!.user_id, (await lastRow()).id)).toBe(true)
    }
    await forgetOldUploads(test.core)
    expect(await database.rows(sql`select id from drafts`)).toEqual([])
    expect(await database.rows(sql`select key from uploads`)).toEqual([])
    expect(await store.get(kept!.key)).toBeUndefined()
  })

  it('offers only the person’s own words when it could not be enhanced', async () => {
    await openAsking({ enhancer: { ...poet, enhance: () => Promise.reject(new Error('away')) } })
    const { shown } = await draftOf('a cat')
    expect(shown?.buttons?.flat().map(({ action }) => action)).toEqual(['useown', 'editdraft'])
    expect(shown?.text).toContain('could not be enhanced')
  })

  it('answers clearly after its expiry, and leaves nothing behind', async () => {
    await openAsking()
    const { ids } = await draftOf('a cat')
    await test.core.database.rows(sql`update drafts set expires_at = now()`)
    for (const id of ids) expect(test.chat.last((await press(id)).address)?.text).toContain('is too old')
    await forgetOldDrafts(test.core)
    expect(await test.core.database.rows(sql`select id from drafts`)).toEqual([])
    expect(await rows()).toEqual([])
  })
})
