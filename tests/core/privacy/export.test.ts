import { text } from 'node:stream/consumers'
import { sql } from 'drizzle-orm'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { visitorIdOf } from '../../../src/bots/web/access.ts'
import { accountOf } from '../../../src/core/accounts/accounts.ts'
import { archiveOf } from '../../../src/core/privacy/archive.ts'
import { databases } from '../../helpers/backends.ts'
import { dump, linesWith } from '../../helpers/dump.ts'
import { identity, mark, openPerson } from './person.ts'

/** Table → name in data.json. */
const shown: Readonly<Record<string, string>> = {
  api_keys: 'keys',
  api_requests: 'programRequests',
  broadcast_recipients: 'announcements',
  broadcasts: 'broadcasts',
  code_redemptions: 'codes',
  daily_claims: 'dailyCredits',
  dialogues: 'questions',
  drafts: 'drafts',
  favourites: 'favourites',
  generations: 'requests',
  identities: 'identities',
  ledger: 'entries',
  link_codes: 'linkCodes',
  link_tries: 'wrongLinkCodes',
  orders: 'orders',
  panel_links: 'signInLinks',
  picked_messages: 'pickedMessages',
  picture_offers: 'pictureOffers',
  privacy_exports: 'exports',
  private_chats: 'chats',
  ratings: 'ratings',
  referral_codes: 'invitationCodes',
  referrals: 'invitation',
  reports: 'reports',
  role_claims: 'roleCredits',
  uploads: 'uploads',
  user_settings: 'settings',
  users: 'account',
  web_messages: 'messages',
  web_sessions: 'sessions',
}

/** Table → why it is not in the archive, or not as a list of its own. */
const notShown: Readonly<Record<string, string>> = {
  api_webhooks: 'the address is in the request',
  audit_log: 'two lists: changes, acts',
  begun_messages: 'no names, deleted after two days',
  chat_calls: 'times of calls to the platform',
  earlier_accounts: 'an HMAC of the identity',
  inbox: 'words are deleted once they are handled',
  inbox_files: 'deleted once they are handled',
  kept_bans: 'of closed accounts, an HMAC of the identity',
  sent_messages: 'names of messages of the bot',
}

describe.each(databases())('an archive of all that is kept about a person on %s', (kind) => {
  let person: Awaited<ReturnType<typeof openPerson>>
  beforeEach(async () => {
    person = await openPerson(kind)
  })
  afterEach(() => person.test.close())

  /** Words of data.json, and the other files. */
  async function read(userId: string) {
    const files = new Map<string, Uint8Array>()
    let words = ''
    for await (const { name, content } of archiveOf(person.test.core, userId)) {
      if (content instanceof Uint8Array) files.set(name, content)
      else words = await text(content)
    }
    // biome-ignore lint/suspicious/noExplicitAny: the archive is for people, so it has no schema
    return { files, words, data: JSON.parse(words) as Record<string, any> }
  }

  it('has every kind that closing the account removes', async () => {
    const { test, plant, rows } = person
    const { userId } = await plant()
    const lines = linesWith(await dump(test.core.database), [mark, userId, visitorIdOf(identity)])
    const { words, data } = await read(userId)
    const named = await rows<{ name: string }>(sql`
      select distinct table_name::text as name from information_schema.columns
      where table_schema = 'public' and column_name in ('user_id', 'person', 'identity', 'identity_hash', 'visitor')`)
    const tables = new Set([
      ...named.map(({ name }) => name),
      ...lines.map((line) => /^public\.(\w+)/.exec(line)?.[1] ?? line),
    ])
    for (const table of tables) {
      const name = shown[table]
      expect(name ?? notShown[table], table).toBeDefined()
      if (name) expect(Object.keys(data[name] ?? {}), table).not.toEqual([])
    }
    for (const name of ['invitations', 'changes', 'acts']) expect(data[name], name).not.toEqual([])
    const planted = lines.join('\n').match(new RegExp(`${mark} \\w+`, 'g')) ?? []
    expect(planted.length).toBeGreaterThan(10)
    for (const word of planted) expect(words).toContain(word)
    expect(data.messages).toMatchObject([{ surface: 'web', text: `${mark} page` }])
    expect(data.dailyCredits).toMatchObject([{ streak: 1, credits: 5 }])
    expect(data.sessions).toEqual([{ person: identity, createdAt: expect.any(String), expiresAt: expect.any(String) }])
  })

  it('has the files of uploads', async () => {
    const { test, plant, rows } = person
    const { userId } = await plant()
    const { files, data } = await read(userId)
    const stored = await rows<{ key: string }>(sql`select key from uploads where bytes > 0 order by key`)
    // of a program, and a picture without words
    expect(stored).toHaveLength(2)
    expect(data.pictureOffers).toMatchObject([{ upload: stored[1]?.key, width: 48, height: 48 }])
    for (const [number, { key }] of stored.entries()) {
      const { file } = data.uploads[number]
      expect(file).toMatch(/^uploads\/.+\.png$/)
      expect(Buffer.from(files.get(file) ?? [])).toEqual((await test.core.store.get(key))?.data)
    }
  })

  it('has neither secrets nor what is about another person', async () => {
    const { test, plant, rows } = person
    const { userId, secrets } = await plant()
    const { words } = await read(userId)
    const hashes = await rows<{ hash: string }>(sql`
      select hash from web_sessions union all select hash from panel_links union all select hash from privacy_exports
      union all select hash from link_codes union all select hash from api_keys union all select hash from credit_codes
      union all select identity_hash from earlier_accounts`)
    expect(hashes.length).toBeGreaterThan(5)
    const bob = await accountOf(test.core, { id: 'test:bob', name: 'bob' })
    for (const secret of [...secrets, ...hashes.map(({ hash }) => hash), bob, 'a dog']) {
      expect(secret).not.toBe('')
      expect(words.includes(secret), secret).toBe(false)
    }
  })

  it('has all of a long conversation and of many uploads, in order', async () => {
    const { test, rows } = person
    const userId = await accountOf(test.core, { id: identity, name: 'ann' })
    const visitor = visitorIdOf(identity)
    await rows(sql`
      insert into web_messages (id, visitor, version, body)
      select ${visitor}::text || ':' || n, ${visitor}::text, n / 3, jsonb_build_object('role', 'person', 'text', 'words ' || n)
      from generate_series(100, 350) n`)
    await rows(sql`
      insert into uploads (key, user_id, type, width, height, bytes)
      select 'input/' || n || '/0-x.png', ${userId}::uuid, 'image/png', 1, 1, 1 from generate_series(1000, 1500) n`)
    const { data } = await read(userId)
    const numbers = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, n) => from + n)
    expect(data.messages.map((message: { text: string }) => message.text)).toEqual(
      numbers(100, 350).map((n) => `words ${n}`),
    )
    expect(data.uploads.map(({ key }: { key: string }) => key)).toEqual(
      numbers(1000, 1500).map((n) => `input/${n}/0-x.png`),
    )
  })
})
