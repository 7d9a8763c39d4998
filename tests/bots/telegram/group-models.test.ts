/** Which models may draw in a Telegram group: words and buttons of its administrators, and what they do to requests of members. */
import { sql } from 'drizzle-orm'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { allActions } from '../../../src/bots/actions/index.ts'
import { allCommands } from '../../../src/bots/commands/index.ts'
import { createDispatch } from '../../../src/bots/dispatch.ts'
import { createTelegram } from '../../../src/bots/telegram/telegram.ts'
import { en } from '../../../src/locales/en.ts'
import { zh } from '../../../src/locales/zh.ts'
import { sketch } from '../../../src/models/sketch.ts'
import { upscale } from '../../../src/models/upscale.ts'
import type { ShownMessage } from '../../emulators/telegram/index.ts'
import { quickest } from '../../helpers/backends.ts'
import { createPlain, openTestCore } from '../../helpers/core.ts'
import { createGate } from '../../helpers/gate.ts'
import { violations } from '../../helpers/invariants.ts'
import { keepLog } from '../../helpers/log.ts'
import { openTestTelegram, type TestTelegram } from '../../helpers/telegram.ts'

const modelOf = (id: string) => ({ ...sketch, id, title: `The ${id}`, aliases: [`alias-of-${id}`] })
/** It takes no pictures. */
const wordy = {
  ...modelOf('other-8'),
  routes: sketch.routes.map((route) => ({ ...route, takes: { ...route.takes, images: { min: 0, max: 0 } } })),
}
/** More than a page shows. */
const others = [...Array.from({ length: 7 }, (_, index) => modelOf(`other-${index + 1}`)), wordy]
const models = [modelOf('usual'), modelOf('fine'), ...others, upscale]
const chatId = -4000002
const manager = { chatId, userId: 501, chatTitle: 'Painters' }
const member = { chatId, userId: 502 }
type From = typeof manager | typeof member

let test: TestTelegram

beforeEach(async () => {
  test = await openTestTelegram({
    models,
    providers: [createPlain(), createPlain({ name: 'lanczos' })],
    limits: { welcome: 1_000, perMinute: 1_000 },
  })
  test.telegram.promote(chatId, manager.userId)
})

afterEach(async () => {
  await test.atRest()
  const wrong = await violations(test.core.database)
  await test.close()
  expect([...wrong, ...test.telegram.violations]).toEqual([])
})

const answerTo = async (text: string, from: From) => {
  const { messageId } = test.telegram.say(text, from)
  const answers = ({ fromBot, replyTo, text: shown }: ShownMessage) =>
    fromBot && replyTo === messageId && !/^(?:⏳|🎨 (?:Drawing|Almost))/u.test(shown)
  return test.telegram.waitFor(from.chatId, answers)
}
const shows = ({ messageId }: ShownMessage, text: string) =>
  test.telegram.waitFor(chatId, (each) => each.messageId === messageId && each.text.includes(text))
const labels = ({ buttons }: ShownMessage) => buttons.map((row) => row.map(({ label }) => label))
const stored = async () => {
  const rows = sql`select r.models, s.model from chat_rules r left join chat_settings s using (chat)`
  return (await test.core.database.rows<{ models: string[] | null; model: string | null }>(rows))[0]
}
const drawnWith = async () => {
  const rows = sql`select model from generations order by id`
  return (await test.core.database.rows<{ model: string }>(rows)).map(({ model }) => model)
}
const modelsLine = (...ids: string[]) => en.server.models(ids)

/** The message in which an administrator of the group changes the models. */
async function picker(): Promise<ShownMessage> {
  const settings = await answerTo('/settings here', manager)
  test.telegram.press(settings, '🎨 Models', manager)
  return shows(settings, en.settings.modelsTitle(1))
}

describe('models of a Telegram group', () => {
  it('are limited by words of an administrator, also for replies, buttons and defaults', async () => {
    const { telegram } = test
    const before = await answerTo('/flux a cat', member)
    const saved = await answerTo('/settings models fine, alias-of-OTHER-1', manager)
    expect(saved.text).toContain(`✅ Saved.\n⚙️ The settings of this group\nModel: The fine · default`)
    expect(saved.text).toContain(modelsLine('fine', 'other-1'))
    expect(saved.text).toContain(`${en.settings.usageOfGroup}\n${en.settings.usageModels}`)

    const refusal = '⚠️ usual may not draw here. Models here: fine, other-1.'
    expect((await answerTo('/flux a dog --model usual', member)).text).toBe(refusal)
    expect((await answerTo('/settings model usual', member)).text).toBe(refusal)
    expect((await answerTo('/settings model usual here', manager)).text).toBe(refusal)
    expect((await answerTo('/settings models fine model usual here', manager)).text).toContain('Models here: fine.')
    const again = telegram.press(before, '🎲 Again · 1 credit', member)
    expect(await again.answered()).toEqual({ text: refusal, showAlert: true })
    const list = await answerTo('/models', member)
    expect(list.text).toContain('⭐ The fine')
    expect(list.text).toContain('The other-1')
    expect(list.text).not.toMatch(/The (usual|other-2)/)
    expect((await answerTo('/help', member)).text).toContain('fine, other-1\n')
    expect((await answerTo('/flux a fox', member)).photo).toBeDefined()
    expect((await answerTo('/flux a fox --model other-1', member)).photo).toBeDefined()
    expect(await drawnWith()).toEqual(['usual', 'fine', 'other-1'])

    // in another chat nothing has changed
    const alone = { chatId: member.userId, userId: member.userId }
    expect((await answerTo('a dog --model usual', alone)).photo).toBeDefined()
    expect((await answerTo('/settings model usual', alone)).text).toContain('Model: The usual · yours')
    expect((await answerTo('/flux an owl', member)).text).toContain('The fine')

    expect((await answerTo('/settings models all', manager)).text).toContain('Models: all')
    expect((await answerTo('/flux a dog --model usual', member)).photo).toBeDefined()
  })

  it('are changed by buttons, page by page, in the same message', async () => {
    const { telegram } = test
    const shown = await picker()
    const press = (label: string) => telegram.press(shown, label, manager)
    expect(shown.text).toBe(`⚙️ Models that may draw in this group\nModels: all\n\n${en.settings.modelsHint}`)
    expect(labels(shown)).toEqual([
      ['✅ The usual', '✅ The fine'],
      ['✅ The other-1', '✅ The other-2'],
      ['✅ The other-3', '✅ The other-4'],
      ['✅ The other-5', '✅ The other-6'],
      ['Page 2'],
      ['👥 Settings of this group'],
    ])
    press('✅ The usual')
    const without = await shows(shown, 'Models: fine, other-1')
    expect(labels(without)[0]).toEqual(['▫️ The usual', '✅ The fine'])
    expect(labels(without).slice(-2)).toEqual([['All models'], ['👥 Settings of this group']])
    press('Page 2')
    const second = await shows(shown, 'page 2')
    expect(labels(second).slice(0, 2)).toEqual([['✅ The other-7', '✅ The other-8'], ['Page 1']])
    press('✅ The other-8')
    // the page with the model stays open
    await shows(shown, `page 2\n${modelsLine('fine', ...others.slice(0, 7).map(({ id }) => id))}\n`)
    expect((await stored())?.models).not.toContain('other-8')
    press('All models')
    await shows(shown, 'group\nModels: all')
    expect((await stored())?.models).toBeNull()
    press('✅ The usual')
    await shows(shown, 'Models: fine')
    // once all of them draw, there is no rule: a model that is added later draws, too
    press('▫️ The usual')
    await shows(shown, 'Models: all')
    press('👥 Settings of this group')
    expect(labels(await shows(shown, 'The settings of this group'))).toEqual([
      ['🖼 Pictures', '💬 Answers', '🎨 Models'],
    ])
    expect(telegram.botMessages(chatId)).toHaveLength(1)
  })

  it('act once, however often a press is delivered, and the last one stays', async () => {
    const { telegram } = test
    await answerTo('/settings models usual, fine', manager)
    await answerTo('/settings model usual here', manager)
    const shown = await picker()
    const { update } = telegram.press(shown, '✅ The usual', manager)
    telegram.redeliver(update)
    await shows(shown, modelsLine('fine'))
    await test.quiet()
    // a second press of the same label, on a slow phone
    telegram.press(shown, '✅ The usual', manager)
    await test.quiet()
    expect(await stored()).toEqual({ models: ['fine'], model: null })
    expect(await telegram.press(shown, '✅ The fine', manager).answered()).toEqual({
      text: '⚠️ fine is the only model that may draw here. Allow another one first.',
      showAlert: true,
    })
    expect(await stored()).toEqual({ models: ['fine'], model: null })
  })

  it('are for administrators of the group alone', async () => {
    const { telegram } = test
    const refusal = `⚠️ ${en.errors.managers_only()}`
    expect((await answerTo('/settings models fine', member)).text).toBe(refusal)
    const shown = await picker()
    for (const label of ['✅ The usual', 'Page 2', '👥 Settings of this group']) {
      expect(await telegram.press(shown, label, member).answered()).toEqual({ text: refusal, showAlert: true })
    }
    expect(await stored()).toBeUndefined()
    // rights in another group, or in private, count for nothing
    const alone = { chatId: manager.userId, userId: manager.userId }
    expect((await answerTo('/settings models fine', alone)).text).toBe(refusal)
    telegram.promote(-4000003, member.userId)
    expect((await answerTo('/settings models fine', member)).text).toBe(refusal)
    telegram.promote(chatId, manager.userId, false)
    expect((await answerTo('/settings models fine', manager)).text).toBe(refusal)
    expect(await stored()).toBeUndefined()
  })

  it.each([
    ['/settings models fine, none', 'There is no model "none"'],
    ['/settings models upscale', 'There is no model "upscale"'],
    ['/settings models ,', 'models'],
    ['/settings models', 'models needs a value, such as usual'],
  ])('answer %s', async (text, told) => {
    expect((await answerTo(text, manager)).text).toContain(told)
    expect(await stored()).toBeUndefined()
  })

  it('offer the models that may draw, and no others, in forms', async () => {
    await answerTo('/settings models usual, fine', manager)
    const before = await answerTo('/flux a cat', member)
    test.telegram.press(before, '🔁 Other model', member)
    const asks = ({ opensReplyOf }: ShownMessage) => opensReplyOf !== undefined
    const question = await test.telegram.waitFor(chatId, asks)
    expect(question.text).toContain('The fine')
    expect(question.text).not.toContain('The other-1')
    await answerTo('/settings models usual', manager)
    expect((await test.telegram.press(before, '🔁 Other model', member).answered()).text).toBe(
      '⚠️ fine may not draw here. Models here: usual.',
    )
    test.telegram.press(await answerTo('/settings here', manager), '🖼 Pictures', manager)
    const form = await test.telegram.waitFor(chatId, (each) => asks(each) && each.text.includes('⚙️'))
    expect(form.text).toContain('The usual')
    expect(form.text).not.toContain('The fine')
  })

  it('draw a variation where they may, also for a result of a model without pictures', async () => {
    await answerTo('/settings models other-8, fine', manager)
    const shown = await answerTo('/flux a cat --model other-8', member)
    test.telegram.press(shown, '🔀 Vary · 1 credit', member)
    await expect.poll(drawnWith).toEqual(['other-8', 'fine'])
    await answerTo('/settings models other-8', manager)
    expect((await test.telegram.press(shown, '🔀 Vary · 1 credit', member).answered()).text).toBe(
      '⚠️ usual may not draw here. Models here: other-8.',
    )
  })

  it('hold for a request that meets the change, in either order, with two processes', async () => {
    await test.another()
    const { database } = test.core
    await answerTo('/settings models usual, fine', manager)
    await answerTo('/settings model usual here', manager)
    await answerTo('/flux a cat', member)
    const shown = await picker()
    const meeting = async (lock: string, acts: (() => void)[]) => {
      const locked = createGate()
      const holding = database.db.transaction(async (tx) => {
        await tx.execute(sql.raw(lock))
        await locked.pass(undefined)
      })
      await locked.arrived
      for (const [index, act] of acts.entries()) {
        act()
        await waiters(index + 1)
      }
      locked.open()
      await holding
      await test.quiet()
      await test.atRest()
    }
    const forbid = () => void test.telegram.press(shown, '✅ The usual', manager)
    const say = (text: string) => () => void test.telegram.say(text, member)

    // the change has the row of the rules, and waits for that of the defaults: the request waits for the change
    await meeting(`select from chat_settings for update`, [forbid, say('/flux late --model usual')])
    expect(await stored()).toEqual({ models: ['fine'], model: null })
    const last = test.telegram.botMessages(chatId).at(-1)
    expect(last?.text).toBe('⚠️ usual may not draw here. Models here: fine.')
    expect(await drawnWith()).toEqual(['usual'])

    // the request has the row of the rules, and waits for that of the account: the change waits for the request
    await answerTo('/settings models usual, fine', manager)
    await meeting(`select from users for update`, [say('/flux early --model usual'), forbid])
    expect((await stored())?.models).toEqual(['fine'])
    expect(await drawnWith()).toEqual(['usual', 'usual'])
    expect(await test.states()).toEqual(['delivered', 'delivered'])
  })

  it('hold at once in another process, which has read other rules before', async () => {
    const { database } = test.core
    const { token, apiUrl } = test.telegram
    const other = await openTestCore(quickest, {
      models,
      beside: test,
      limits: { welcome: 1_000, perMinute: 1_000 },
      surfaces: () => [createTelegram({ token, apiUrl, database, commands: allCommands, log: keepLog() })],
    })
    await other.work()
    const dispatch = createDispatch(other.core, { commands: allCommands, actions: allActions })
    const askThere = async (model: string) => {
      const { messageId } = test.telegram.say(`a message to no bot`, member)
      const person = { id: `telegram:${member.userId}`, name: 'Ada' }
      await dispatch({
        key: `telegram:there ${messageId}`,
        surface: 'telegram',
        address: `telegram:${chatId}::${messageId}`,
        from: person,
        place: { group: { id: String(chatId) }, channel: String(chatId), nsfw: false, manager: false, roles: [] },
        locale: 'en',
        act: { kind: 'command', name: 'flux', text: `a cat --model ${model}`, options: {} },
        images: [],
      })
      return test.telegram.waitFor(chatId, ({ fromBot, replyTo }) => fromBot && replyTo === messageId)
    }
    const refusal = '⚠️ usual may not draw here. Models here: fine.'
    for (const drawn of [['usual'], ['usual', 'usual']]) {
      await answerTo('/settings models fine', manager)
      expect((await askThere('usual')).text).toBe(refusal)
      await answerTo('/settings models all', manager)
      await askThere('usual')
      expect(await drawnWith()).toEqual(drawn)
    }
    await test.atRest()
    await other.close()
  })

  it('stay when the group becomes a supergroup', async () => {
    await answerTo('/settings models fine', manager)
    const newId = test.telegram.migrate(chatId)
    await test.quiet()
    const inNew = { ...member, chatId: newId }
    expect((await answerTo('/flux a cat --model usual', inNew)).text).toContain('Models here: fine.')
    test.telegram.promote(newId, manager.userId)
    expect((await answerTo('/settings models all', { ...manager, chatId: newId })).text).toContain('Models: all')
  })

  it('are shown in Chinese', async () => {
    const { messageId } = test.telegram.say('/settings models fine', { ...manager, languageCode: 'zh-hans' })
    const shown = await test.telegram.waitFor(chatId, ({ replyTo }) => replyTo === messageId)
    expect(shown.text).toContain(zh.server.models(['fine']))
    expect(labels(shown)[0]).toContain('🎨 模型')
  })
})

/** Until so many statements wait for a lock. The embedded database runs one at a time. */
async function waiters(count: number): Promise<void> {
  if (quickest === 'pglite') return
  const waiting = sql`select l.pid from pg_locks l join pg_stat_activity a using (pid)
    where not l.granted and a.datname = current_database()`
  await expect.poll(async () => (await test.core.database.rows(waiting)).length).toBe(count)
}
