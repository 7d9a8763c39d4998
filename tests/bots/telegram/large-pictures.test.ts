/** Results that are larger than Telegram's photos may be: what is shown of them, and where the stored files are. */
import { sql } from 'drizzle-orm'
import { afterEach, describe, expect, it } from 'vitest'
import type { ShownMessage } from '../../emulators/telegram/index.ts'
import { createPlain, noiseOf, pngOf } from '../../helpers/core.ts'
import { isInBucket } from '../../helpers/store.ts'
import { openTestTelegram, type TestTelegram } from '../../helpers/telegram.ts'

const MB = 1024 * 1024
const publicUrl = 'https://pictures.example.org'
const ada = { userId: 501 }

let test: TestTelegram
afterEach(async () => {
  await test.close()
  expect(test.telegram.violations).toEqual([])
})

async function open(images: Buffer[], options: { publicUrl?: string } = { publicUrl }) {
  const provider = createPlain({ start: async () => ({ state: 'done', images }) })
  test = await openTestTelegram({ ...options, providers: [provider] })
}

async function drawn(text: string, person: { userId: number; languageCode?: string } = ada): Promise<ShownMessage> {
  const { chatId } = test.telegram.say(text, person)
  await test.telegram.waitFor(chatId, ({ text: shown }) => shown.includes('64×64') || shown.includes('1400×1350'))
  await test.atRest()
  return test.telegram.botMessages(chatId).find(({ buttons }) => buttons.length > 0)!
}

/** By label. */
function linksIn({ text, entities }: ShownMessage): [label: string, key: string][] {
  return entities.flatMap((entity) => {
    if (entity.type !== 'text_link') return []
    expect(entity.url).toMatch(new RegExp(`^${publicUrl}/image/.*signature=`))
    const { pathname } = new URL(entity.url)
    return [[text.slice(entity.offset, entity.offset + entity.length), pathname.slice('/image/'.length)]]
  })
}

/** The last picture, as it is stored. */
async function stored() {
  const [row] = await test.core.database.rows<{ key: string }>(sql`
    select key from images where role = 'output' order by position desc limit 1`)
  return { key: row!.key, data: (await test.core.store.get(row!.key))!.data }
}

describe('a result that is larger than a photo may be', () => {
  it.skipIf(isInBucket)('is shown smaller, with a link to the stored file', async () => {
    await open([await noiseOf(1400, 1350)])
    const shown = await drawn('a fox')
    expect(shown.photo?.length).toBeLessThan(10 * MB)
    const [[label, key] = [], ...others] = linksIn(shown)
    expect([label, others]).toEqual(['Full size', []])
    expect(shown.text.endsWith('\nFull size')).toBe(true)
    expect(key).toBe((await stored()).key)
  })

  it('is followed by the stored file, if the person wants that', async () => {
    await open([await noiseOf(1400, 1350)])
    const { chatId } = test.telegram.say('/settings original on', ada)
    await test.telegram.waitFor(chatId, ({ text }) => text.includes('Original files: on'))
    await drawn('a fox')
    const documents = test.telegram.botMessages(chatId).flatMap(({ document }) => document?.data ?? [])
    const { data } = await stored()
    // compared here, because printing how large files differ takes minutes
    expect(documents.map((document) => document.equals(data))).toEqual([true])
  })

  it.skipIf(isInBucket)('has its link in the message below an album, in the person’s language', async () => {
    await open([await pngOf(64, 64), await noiseOf(1400, 1350)])
    const shown = await drawn('a fox --n 2', { userId: 502, languageCode: 'zh-hans' })
    expect(shown.photo).toBeUndefined()
    const [[label, key] = []] = linksIn(shown)
    expect(label).toBe('查看原图 2')
    expect(key).toBe((await stored()).key)
  })

  it('has no link where the service has no public address', async () => {
    await open([await noiseOf(1400, 1350)], {})
    expect(linksIn(await drawn('a fox'))).toEqual([])
  })
})

it('has no link to a picture that is shown in full', async () => {
  await open([await pngOf(64, 64)])
  expect(linksIn(await drawn('a fox'))).toEqual([])
})
