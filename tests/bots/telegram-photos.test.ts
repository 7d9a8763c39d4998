/** A picture without words on Telegram: its buttons, and what they draw. */
import { sql } from 'drizzle-orm'
import { afterEach, describe, expect, it } from 'vitest'
import { forgetOldOffers } from '../../src/core/results/picture-offers.ts'
import { fluxDevRedux } from '../../src/models/flux-dev.ts'
import { sketch } from '../../src/models/sketch.ts'
import { upscale } from '../../src/models/upscale.ts'
import { createEnhancer } from '../../src/providers/enhancer.ts'
import { lanczos } from '../../src/providers/lanczos/lanczos.ts'
import { startLlm } from '../emulators/llm/index.ts'
import type { From, MessageRef, ShownMessage } from '../emulators/telegram/index.ts'
import { createPlain, pngOf } from '../helpers/core.ts'
import { violations } from '../helpers/invariants.ts'
import { keepLog } from '../helpers/log.ts'
import { openTestTelegram, type TestTelegram } from '../helpers/telegram.ts'

const ADA = { userId: 501 }
const question = /^What shall I do with this picture\?/

describe('a picture without words in a private chat', () => {
  let test: TestTelegram
  const closing: (() => unknown)[] = []
  afterEach(async () => {
    await test.atRest()
    const wrong = await violations(test.core.database)
    await test.close()
    for (const close of closing.splice(0)) await close()
    expect(test.telegram.violations).toEqual([])
    expect(wrong).toEqual([])
  })

  async function open() {
    const llm = await startLlm({ reply: () => 'A blue square.' })
    closing.push(llm.stop)
    const builtIn = lanczos.create({ baseUrl: 'lanczos:', timeoutMs: 60_000, concurrency: 5 }, { log: keepLog() })
    test = await openTestTelegram({
      providers: [createPlain(), createPlain({ name: 'fal' }), builtIn],
      models: [sketch, fluxDevRedux, upscale],
      enhancer: createEnhancer({ baseUrl: llm.baseUrl, model: llm.model, key: llm.key }),
      limits: { welcome: 50 },
    })
  }

  async function offered() {
    const sent = test.telegram.sendPhoto({ data: await pngOf(64, 48) }, ADA)
    return test.telegram.waitFor(sent.chatId, ({ text, replyTo }) => question.test(text) && replyTo === sent.messageId)
  }
  const labels = ({ buttons }: Pick<ShownMessage, 'buttons'>) => buttons.flat().map(({ label }) => label)
  const press = (message: ShownMessage, icon: string, from: From = ADA) =>
    test.telegram.press(message, labels(message).find((label) => label.startsWith(icon)) ?? icon, from)
  const pictureBelow = ({ chatId, messageId }: MessageRef) =>
    test.telegram.waitFor(chatId, ({ replyTo, photo }) => replyTo === messageId && photo !== undefined)
  const prices = () =>
    test.core.database.rows<{ model: string; price: number }>(sql`select model, price from generations order by id`)

  it('gets buttons with prices, and holds no credits', async () => {
    await open()
    const message = await offered()
    expect(labels(message)).toEqual([
      '🔀 Vary · 2 credits',
      '✏️ Edit · 1 credit',
      '🔍 Upscale · 4 credits',
      '📝 Describe',
    ])
    expect(await test.states()).toEqual([])
    expect(await test.core.database.rows(sql`select held from users`)).toEqual([{ held: 0 }])
  })

  it('is varied, enlarged, described or edited by its buttons', async () => {
    await open()
    const message = await offered()
    press(message, '🔀')
    await pictureBelow(message)
    const described = press(message, '📝', ADA)
    await described.answered()
    await test.telegram.waitFor(ADA.userId, ({ text }) => text === '📝 A blue square.')
    press(message, '✏️', ADA)
    const asked = await test.telegram.waitFor(ADA.userId, ({ opensReplyOf }) => opensReplyOf !== undefined)
    const answer = test.telegram.say('make it night', { ...ADA, replyTo: asked.messageId })
    await pictureBelow(answer)
    expect(await prices()).toMatchObject([{ model: 'flux-dev-redux' }, { model: 'sketch', price: 1 }])
  })

  it('keeps its buttons after a restart, for its sender only, until it expires', async () => {
    await open()
    const message = await offered()
    await test.bot.stop()
    await test.another()
    const other = press(message, '🔍', { userId: 502 })
    expect((await other.answered()).text).toContain('Only the person who made')
    press(message, '🔍', ADA)
    const big = await pictureBelow(message)
    expect(big.photo).toBeDefined()
    await test.core.database.rows(sql`update picture_offers set expires_at = now()`)
    const late = press(message, '📝', ADA)
    expect((await late.answered()).text).toContain('no longer kept')
    await forgetOldOffers(test.core)
    expect(await test.core.database.rows(sql`select bytes from uploads`)).toEqual([{ bytes: 0 }])
  })

  it('costs no more than the button shows: the button then shows the new price', async () => {
    await open()
    const message = await offered()
    await test.core.database.rows(sql`update picture_offers set quoted = '{"varyphoto":1}'`)
    const pressed = press(message, '🔀', ADA)
    expect((await pressed.answered()).text).toContain('2 credits')
    expect(await test.states()).toEqual([])
    press(message, '🔀')
    await pictureBelow(message)
  })
})
