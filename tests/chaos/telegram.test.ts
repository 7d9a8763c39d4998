/** FULL_CHAOS=1: as many people and kills as on a busy day. Otherwise a few, for each run of the tests. */
import { sql } from 'drizzle-orm'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { backends } from '../helpers/backends.ts'
import { pngOf } from '../helpers/core.ts'
import { newSeed, randomOf } from './chaos.ts'
import { type KilledBots, openKilledBots } from './telegram.ts'

const isFull = process.env.FULL_CHAOS === '1'
const firstPerson = 1_000

// the embedded database serves one process
describe.skipIf(!backends().includes('postgres'))('two processes of a Telegram bot that are killed', () => {
  let test: KilledBots
  beforeEach(async () => {
    test = await openKilledBots()
  })
  afterEach(() => test.stop())

  it('make one request of each album, in any order of its parts', { timeout: 900_000 }, async () => {
    const [people, kills, size] = isFull ? [20, 12, 10] : [5, 2, 10]
    const seed = newSeed()
    const random = randomOf(seed)
    const data = await pngOf(32, 32)
    const { telegram, database } = test
    const messages = Array.from({ length: people }, (_, person) =>
      telegram.composeAlbum(
        Array.from({ length: size }, (_, part) => (part === 3 ? { data, caption: `album ${person}` } : { data })),
        { userId: firstPerson + person },
      ),
    ).flat()
    const shuffled = messages.map((message) => ({ message, at: random() })).toSorted((a, b) => a.at - b.at)
    const killing = test.killInTurn(kills, () => random() * 700)
    // an album's parts come within a second on Telegram: here every person sends at the same time
    const updates = shuffled.map(({ message }) => telegram.inject({ message }))
    // Telegram repeats what it has sent before, never what comes after that
    await expect.poll(() => telegram.pendingUpdates()).toBe(0)
    for (const update of updates) if (random() < 0.2) telegram.redeliver(update)
    await killing
    expect(await test.settle(), `seed ${seed}`).toEqual([])
    const rows = await database.rows(sql`
      select request->>'prompt' as prompt, (request->>'images')::int as images, state from generations
      order by length(request->>'prompt'), request->>'prompt'`)
    expect(rows, `seed ${seed}`).toEqual(
      Array.from({ length: people }, (_, person) => ({ prompt: `album ${person}`, images: size, state: 'delivered' })),
    )
  })

  it('send an album once if the process dies before it has recorded it', { timeout: 300_000 }, async () => {
    const { telegram, database } = test
    telegram.faults.add({ kind: 'delayAfter', match: { path: /^sendMediaGroup$/ }, times: 1 })
    const { chatId } = telegram.say('picture 64x64 --n 3', { userId: firstPerson })
    const photos = () => telegram.botMessages(chatId).filter(({ photo }) => photo)
    await expect.poll(() => photos().length).toBe(3)
    await test.killWorker()
    expect(await test.settle()).toEqual([])
    expect(photos()).toHaveLength(3)
    const under = telegram.botMessages(chatId).at(-1)
    expect(under?.text).toContain('did not confirm')
    expect(await database.rows(sql`select state from generations`)).toEqual([{ state: 'delivered' }])
    telegram.press(under!, '📨 Send again', { userId: firstPerson })
    await expect.poll(() => photos().length).toBe(6)
    expect(await test.settle()).toEqual([])
  })

  it('answer each of many requests once', { timeout: 1_800_000 }, async () => {
    const [updates, kills] = isFull ? [1_000, 20] : [60, 2]
    const seed = newSeed()
    const random = randomOf(seed)
    const { telegram } = test
    const killing = test.killInTurn(kills, () => random() * 2_000)
    const sent = []
    // a person may have three requests under way
    for (let n = 0; n < updates; n++) {
      sent.push(telegram.say(`picture ${n} 64x64`, { userId: firstPerson + Math.floor(n / 3) }))
      await new Promise((resolve) => setTimeout(resolve, (isFull ? 160 : 100) * random()))
    }
    await killing
    expect(await test.settle(), `seed ${seed}`).toEqual([])
    const answers = sent.map(({ chatId, messageId }) =>
      telegram.messages(chatId).filter(({ fromBot, replyTo, photo }) => fromBot && replyTo === messageId && photo),
    )
    expect(answers.filter((each) => each.length !== 1).length, `seed ${seed}`).toBe(0)
    const others = [...new Set(sent.map(({ chatId }) => chatId))].flatMap((chatId) =>
      telegram.botMessages(chatId).filter(({ photo }) => !photo),
    )
    process.stderr.write(`${updates} updates, ${kills} kills: ${others.length} waiting messages left over\n`)
    // a process that dies between sending a waiting message and recording it leaves that behind
    expect(others.filter(({ text }) => !text.startsWith('⏳'))).toEqual([])
  })
})
