/** Results that are larger than Discord allows: what is shown of them, and where the stored files are. */
import { sql } from 'drizzle-orm'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { addressOf, targetOf } from '../../../src/bots/discord/address.ts'
import { fileLimitsOf } from '../../../src/bots/discord/message.ts'
import { verifyLink } from '../../../src/core/media/links.ts'
import { snowflake } from '../../emulators/discord/ids.ts'
import type { DiscordOptions, From, Message } from '../../emulators/discord/index.ts'
import { createPlain, noiseOf } from '../../helpers/core.ts'
import { type OnDiscord, openOnDiscord } from '../../helpers/discord.ts'
import { isInBucket } from '../../helpers/store.ts'

const MB = 1024 * 1024
/** A picture of 300×300 pixels of noise has 540 kB, and 63 kB as WebP. */
const small = 100_000
const publicUrl = 'https://pictures.example.org'

let on: OnDiscord
let pictures: Buffer[]

beforeEach(async () => {
  pictures = [await noiseOf(300, 300)]
})

afterEach(async () => {
  await on.close()
  expect(on.discord.violations).toEqual([])
})

const open = async (options: { publicUrl?: string; attachmentSizeLimit?: number } = { publicUrl }) => {
  const provider = createPlain({ start: async () => ({ state: 'done', images: pictures }) })
  const world: DiscordOptions = { attachmentSizeLimit: options.attachmentSizeLimit }
  on = await openOnDiscord({ world, publicUrl: options.publicUrl, providers: [provider] })
}

async function drawn(from: From, options: Record<string, string | number> = {}) {
  const asked = on.discord.slash('flux', { prompt: 'a fox', ...options }, from)
  return asked.waitForReply(({ attachments }) => attachments.length > 0)
}

/** By label. Each must be signed. */
function linksIn({ content }: Message): [label: string, key: string][] {
  return [...content.matchAll(/\[([^\]]+)\]\(<([^>]+)>\)/g)].map(([, label = '', url = '']) => {
    expect(url).toMatch(new RegExp(`^${publicUrl}/image/`))
    const { pathname, searchParams } = new URL(url)
    const key = pathname.slice('/image/'.length)
    const [expires, signature] = [searchParams.get('expires') ?? '', searchParams.get('signature') ?? '']
    const now = Math.floor(Date.now() / 1000)
    expect(verifyLink(on.test.core.secretKey, { key, expires, signature, now })).toBe('ok')
    return [label, key]
  })
}

interface Stored {
  key: string
  data: Buffer
}

/** The pictures of the latest request, as they are stored. */
async function stored(): Promise<Stored[]> {
  const rows = await on.test.core.database.rows<{ key: string }>(sql`
    select key from images where role = 'output' and generation_id = (select max(id::text) from generations)::uuid order by position`)
  return Promise.all(rows.map(async ({ key }) => ({ key, data: (await on.test.core.store.get(key))!.data })))
}

/** Whether each attachment has the stored bytes. Compared here, because printing how large files differ takes minutes. */
async function areWhole({ attachments }: Message): Promise<boolean[]> {
  const originals = await stored()
  return attachments.map(({ data }, index) => data.equals(originals[index]!.data))
}

describe('a result that is larger than the interaction allows', () => {
  it.skipIf(isInBucket)('is shown smaller, with a link to the stored file', async () => {
    await open()
    const shown = await drawn({ attachmentSizeLimit: small })
    expect(shown.attachments[0]?.size).toBeLessThanOrEqual(small)
    const [[label, key] = [], ...others] = linksIn(shown)
    expect([label, others]).toEqual(['Full size', []])
    expect(key).toBe((await stored())[0]?.key)
    expect(await areWhole(shown)).toEqual([false])
  })

  it.skipIf(isInBucket)('has the words of the link in the person’s language', async () => {
    await open()
    const shown = await drawn({ attachmentSizeLimit: small, locale: 'zh-CN' })
    expect(linksIn(shown).map(([label]) => label)).toEqual(['查看原图'])
  })

  it.skipIf(isInBucket)('has a link for each picture that is shown smaller, and for no other', async () => {
    pictures = [await noiseOf(30, 30), await noiseOf(300, 300), await noiseOf(301, 300)]
    await open()
    const shown = await drawn({ attachmentSizeLimit: small }, { count: 3 })
    const links = linksIn(shown)
    expect(links.map(([label]) => label)).toEqual(['Full size 2', 'Full size 3'])
    expect(links.map(([, key]) => key)).toEqual((await stored()).slice(1).map(({ key }) => key))
    expect(await areWhole(shown)).toEqual([true, false, false])
  })

  it('has no link where the service has no public address', async () => {
    await open({})
    const shown = await drawn({ attachmentSizeLimit: small })
    expect(shown.attachments[0]?.size).toBeLessThanOrEqual(small)
    expect(shown.content).not.toContain('http')
  })

  it.skipIf(isInBucket)('is made small enough for a very low limit', async () => {
    await open()
    const shown = await drawn({ attachmentSizeLimit: 50_000 })
    expect(shown.attachments[0]?.size).toBeLessThanOrEqual(50_000)
    expect(linksIn(shown)).toHaveLength(1)
  })

  it.skipIf(isInBucket)('keeps its link below a long prompt', async () => {
    await open()
    const shown = await drawn({ attachmentSizeLimit: small }, { prompt: '*'.repeat(1900) })
    expect(linksIn(shown)).toHaveLength(1)
  })

  it.skipIf(isInBucket)('is shown again with the limit of the new interaction', async () => {
    await open()
    await drawn({ attachmentSizeLimit: small })
    const [row] = await on.test.core.database.rows<{ id: string }>(sql`select id from generations`)
    const again = on.discord.slash('show', { id: row?.id ?? '' })
    const shown = await again.waitForReply(({ attachments }) => attachments.length > 0)
    expect(await areWhole(shown)).toEqual([true])
    expect(linksIn(shown)).toEqual([])
  })
})

describe('a limit above the usual one', () => {
  it('lets a larger picture through as it is stored', async () => {
    pictures = [await noiseOf(1400, 1350)]
    await open()
    const shown = await drawn({ attachmentSizeLimit: 25 * MB })
    expect(await areWhole(shown)).toEqual([true])
    expect(linksIn(shown)).toEqual([])
  })

  it.skipIf(isInBucket)('does not make a message larger than Discord takes', async () => {
    const picture = await noiseOf(1400, 1350)
    pictures = [picture, picture, picture]
    await open()
    const shown = await drawn({ attachmentSizeLimit: 25 * MB }, { count: 3 })
    expect(shown.attachments).toHaveLength(3)
    const whole = (await areWhole(shown)).filter(Boolean).length
    expect(whole).toBeGreaterThan(0)
    expect(linksIn(shown)).toHaveLength(3 - whole)
  })

  it('is kept with the address of the request, and ends with the token of the interaction', () => {
    const target = { kind: 'interaction', applicationId: '1', token: 't', channelId: '2', userId: '3' } as const
    const aged = (ageMs: number, maxFileBytes?: number) => {
      const interactionId = snowflake(Date.now() - ageMs)
      const address = addressOf({ ...target, audience: 'public', interactionId, maxFileBytes })
      return fileLimitsOf(targetOf(address)).picture
    }
    expect(aged(1000, 50 * MB)).toBe(50 * MB)
    expect(aged(1000, small)).toBe(small)
    expect(aged(1000)).toBe(10 * MB)
    expect(aged(14 * 60_000, 50 * MB)).toBe(10 * MB)
    expect(aged(14 * 60_000, small)).toBe(small)
    expect(fileLimitsOf({ kind: 'channel', channelId: '2', userId: '3' }).picture).toBe(10 * MB)
  })
})

describe('the setting for original files', () => {
  const settings = async (options: Record<string, string>) =>
    (await on.discord.slash('settings', options).waitForReply(({ content }) => content !== '')).content

  it.skipIf(isInBucket)('holds always: what is shown is the stored file, or has a link to it', async () => {
    await open()
    expect(await settings({ original: 'on' })).toContain('Original files: always: pictures here are the stored files')
    const whole = await drawn({})
    expect(await areWhole(whole)).toEqual([true])
    const reduced = await drawn({ attachmentSizeLimit: small })
    expect(reduced.attachments).toHaveLength(1)
    const [[, key] = []] = linksIn(reduced)
    expect(key).toBe((await stored())[0]?.key)
  })
})
