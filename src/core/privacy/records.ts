/** What is kept about a person, as JSON in pieces: a history may be too long to be in memory at once. */
import { type SQL, sql } from 'drizzle-orm'
import { type Columns, columnsOf, readRows, typed } from '../../db/columns.ts'
import { apiKeys, identities, users } from '../../db/schema/accounts.ts'
import { codeRedemptions, orders, payments, poolDraws, roleClaims } from '../../db/schema/billing.ts'
import { broadcastRecipients, privateChats } from '../../db/schema/broadcasts.ts'
import { drafts } from '../../db/schema/drafts.ts'
import { generations } from '../../db/schema/generations.ts'
import { ledger } from '../../db/schema/ledger.ts'
import { uploads } from '../../db/schema/programs.ts'
import { favourites, ratings, reports } from '../../db/schema/reactions.ts'
import { userSettings } from '../../db/schema/settings.ts'
import type { Core } from '../core.ts'
import { extensionOf } from '../media/object-keys.ts'
import type { ImageType } from '../ports/images.ts'
import { readPerson, uuids } from './words.ts'

/** Rows that are in memory at once. */
const batchRows = 500

const accountColumns = columnsOf({
  id: users.id,
  name: users.name,
  balance: users.balance,
  held: users.held,
  debt: users.debt,
  banned: users.banned,
  bannedUntil: users.bannedUntil,
  banReason: users.banReason,
  tier: users.tier,
  createdAt: users.createdAt,
})

/** Name in the JSON → what is read, from where. All of it has `user_id`. */
const lists: Readonly<Record<string, { columns: Columns<unknown>; from: SQL }>> = {
  identities: {
    columns: columnsOf({
      id: identities.id,
      name: identities.name,
      handle: identities.handle,
      createdAt: identities.createdAt,
    }),
    from: sql`identities`,
  },
  settings: {
    columns: columnsOf({
      model: userSettings.model,
      aspect: userSettings.aspect,
      count: userSettings.count,
      enhance: userSettings.enhance,
      private: userSettings.private,
      language: userSettings.language,
      original: userSettings.original,
      announcements: userSettings.announcements,
      changedAt: userSettings.changedAt,
    }),
    from: sql`user_settings`,
  },
  chats: {
    columns: columnsOf({
      person: privateChats.person,
      language: privateChats.locale,
      seenAt: privateChats.seenAt,
      blockedAt: privateChats.blockedAt,
    }),
    from: sql`private_chats join identities on identities.id = private_chats.person`,
  },
  announcements: {
    columns: columnsOf({
      id: broadcastRecipients.broadcastId,
      person: broadcastRecipients.person,
      state: broadcastRecipients.state,
      changedAt: broadcastRecipients.changedAt,
    }),
    from: sql`broadcast_recipients join identities on identities.id = broadcast_recipients.person`,
  },
  keys: {
    columns: columnsOf({
      id: apiKeys.id,
      name: apiKeys.name,
      lastCharacters: apiKeys.tail,
      monthlyCap: apiKeys.monthlyCap,
      models: apiKeys.models,
      createdAt: apiKeys.createdAt,
      usedAt: apiKeys.usedAt,
      revokedAt: apiKeys.revokedAt,
    }),
    from: sql`api_keys`,
  },
  orders: {
    columns: columnsOf({
      id: orders.id,
      platform: orders.platform,
      item: orders.item,
      credits: orders.credits,
      amount: orders.amount,
      currency: orders.currency,
      state: orders.state,
      createdAt: orders.createdAt,
      charge: typed<string | null>(payments.charge),
      paidAt: typed<Date | null>(payments.paidAt),
      refundedAt: payments.refundedAt,
    }),
    from: sql`orders left join payments on payments.order_id = orders.id`,
  },
  codes: { columns: columnsOf({ redeemedAt: codeRedemptions.createdAt }), from: sql`code_redemptions` },
  roleCredits: {
    columns: columnsOf({ chat: roleClaims.chat, day: roleClaims.day, credits: roleClaims.credits }),
    from: sql`role_claims`,
  },
  poolDraws: {
    columns: columnsOf({ chat: poolDraws.chat, day: poolDraws.day, credits: poolDraws.credits }),
    from: sql`(
      select distinct g.user_id, d.id, d.chat, d.day, d.credits from pool_draws d join generations g on g.draw_id = d.id
    ) pool_draws`,
  },
  favourites: {
    columns: columnsOf({ request: favourites.generationId, createdAt: favourites.createdAt }),
    from: sql`favourites`,
  },
  ratings: {
    columns: columnsOf({ request: ratings.generationId, value: ratings.value, createdAt: ratings.createdAt }),
    from: sql`ratings`,
  },
  reports: {
    columns: columnsOf({ request: reports.generationId, reason: reports.reason, createdAt: reports.createdAt }),
    from: sql`reports`,
  },
  drafts: {
    columns: columnsOf({
      id: drafts.id,
      params: drafts.params,
      enhanced: drafts.enhanced,
      expiresAt: drafts.expiresAt,
    }),
    from: sql`drafts`,
  },
  uploads: {
    columns: columnsOf({ key: uploads.key, bytes: uploads.bytes, createdAt: uploads.createdAt }),
    from: sql`uploads`,
  },
}

const entryColumns = columnsOf({
  id: ledger.id,
  kind: ledger.kind,
  amount: ledger.amount,
  held: ledger.held,
  debt: ledger.debt,
  source: ledger.source,
  reason: ledger.reason,
  request: ledger.generationId,
  createdAt: ledger.createdAt,
})

interface StoredImage {
  key: string
  role: 'input' | 'mask' | 'output'
  position: number
  type: ImageType
}

const requestColumns = columnsOf({
  id: generations.id,
  state: generations.state,
  createdAt: generations.createdAt,
  endedAt: generations.endedAt,
  surface: generations.surface,
  language: generations.locale,
  model: generations.model,
  provider: generations.provider,
  endpoint: generations.endpoint,
  request: generations.request,
  enhanced: generations.enhanced,
  seed: generations.seed,
  private: generations.private,
  price: generations.price,
  parent: generations.parentId,
  parentButton: generations.parentButton,
  key: generations.apiKeyId,
  webhook: generations.webhookUrl,
  notes: generations.notes,
  error: generations.error,
  errorData: generations.errorData,
  erasedAt: generations.erasedAt,
  images: typed<StoredImage[]>(sql`coalesce((
    select jsonb_agg(jsonb_build_object('key', i.key, 'role', i.role, 'position', i.position, 'type', i.type)
      order by i.role, i.position)
    from images i where i.generation_id = generations.id and i.role <> 'thumbnail'), '[]')`),
})

export async function* recordsOf(core: Core, userId: string): AsyncGenerator<string> {
  const { userIds } = await readPerson(core, userId)
  const isTheirs = sql`user_id in (${uuids(userIds)})`
  const [account] = await readRows(
    core.database,
    accountColumns,
    (list) => sql`select ${list} from users where id = ${userId}::uuid`,
  )
  yield `{${field('exportedAt', new Date())},${field('account', account)}`
  for (const [name, { columns, from }] of Object.entries(lists)) {
    const rows = await readRows(core.database, columns, (list) => sql`select ${list} from ${from} where ${isTheirs}`)
    yield `,${field(name, rows)}`
  }
  yield* listOf('entries', entriesOf(core, userIds))
  yield* listOf('requests', withFiles(requestsOf(core, userId)))
  yield '\n}\n'
}

export interface PastPicture {
  /** In the archive. */
  name: string
  /** In the store. */
  key: string
  createdAt: Date
}

/** Pictures that were drawn, and pictures that they were drawn from. */
export async function* picturesOf(core: Core, userId: string): AsyncGenerator<PastPicture> {
  for await (const { id, images, createdAt } of requestsOf(core, userId)) {
    for (const image of images) yield { name: fileName(id, image), key: image.key, createdAt }
  }
}

const field = (name: string, value: unknown) => `\n${JSON.stringify(name)}: ${JSON.stringify(value ?? null)}`

async function* listOf(name: string, items: AsyncIterable<unknown>): AsyncGenerator<string> {
  let before = `,\n${JSON.stringify(name)}: [\n`
  for await (const item of items) {
    yield before + JSON.stringify(item)
    before = ',\n'
  }
  yield before === ',\n' ? '\n]' : `${before}]`
}

async function* entriesOf(core: Core, userIds: readonly string[]) {
  for (const userId of userIds) {
    for (let after = 0; ; ) {
      const rows = await readRows(
        core.database,
        entryColumns,
        (list) => sql`
          select ${list} from ledger where user_id between ${userId}::uuid and ${userId}::uuid and id > ${after}::bigint
          order by user_id, id limit ${batchRows}`,
      )
      yield* rows
      if (rows.length < batchRows) break
      after = rows.at(-1)?.id ?? after
    }
  }
}

async function* requestsOf(core: Core, userId: string) {
  const { userIds } = await readPerson(core, userId)
  for (const own of userIds) {
    for (let after = '00000000-0000-0000-0000-000000000000'; ; ) {
      const rows = await readRows(
        core.database,
        requestColumns,
        (list) => sql`
          select ${list} from generations
          where user_id between ${own}::uuid and ${own}::uuid and id > ${after}::uuid
          order by user_id, id limit ${batchRows}`,
      )
      yield* rows
      if (rows.length < batchRows) break
      after = rows.at(-1)?.id ?? after
    }
  }
}

async function* withFiles(requests: ReturnType<typeof requestsOf>) {
  for await (const { images, ...request } of requests) {
    yield { ...request, files: images.map((image) => fileName(request.id, image)) }
  }
}

const fileName = (id: string, { role, position, type }: StoredImage) =>
  `pictures/${id}/${role}-${position + 1}.${extensionOf(type)}`
