/** What is kept about a person, as JSON in pieces: a history may be too long to be in memory at once. */
import { sql } from 'drizzle-orm'
import { columnsOf, readRows, typed } from '../../db/columns.ts'
import { users } from '../../db/schema/accounts.ts'
import { generations } from '../../db/schema/generations.ts'
import { ledger } from '../../db/schema/ledger.ts'
import { uploads } from '../../db/schema/programs.ts'
import type { Core } from '../core.ts'
import { extensionOf } from '../media/object-keys.ts'
import type { ImageType } from '../ports/images.ts'
import { lists } from './record-lists.ts'
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
  inFlightLimit: users.inFlightLimit,
  perMinuteLimit: users.perMinuteLimit,
  createdAt: users.createdAt,
})

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
  channel: generations.channel,
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
  const { userIds, identities } = await readPerson(core, userId)
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
  yield* listOf('uploads', uploadsOf(core, userId))
  yield* listOf('messages', messagesOf(core, identities))
  yield '\n}\n'
}

export interface KeptPicture {
  /** In the archive. */
  name: string
  /** In the store. */
  key: string
  createdAt: Date
}

/** Pictures that were drawn, pictures that they were drawn from, and uploads. */
export async function* picturesOf(core: Core, userId: string): AsyncGenerator<KeptPicture> {
  for await (const { id, images, createdAt } of requestsOf(core, userId)) {
    for (const image of images) yield { name: fileName(id, image), key: image.key, createdAt }
  }
  for await (const { file, key, createdAt } of uploadsOf(core, userId)) yield { name: file, key, createdAt }
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

const uploadColumns = columnsOf({
  key: uploads.key,
  type: uploads.type,
  width: uploads.width,
  height: uploads.height,
  bytes: uploads.bytes,
  createdAt: uploads.createdAt,
})

/** Without those that are being stored or deleted. */
async function* uploadsOf(core: Core, userId: string) {
  const { userIds } = await readPerson(core, userId)
  for (let after = ''; ; ) {
    const rows = await readRows(
      core.database,
      uploadColumns,
      (list) => sql`
        select ${list} from uploads where user_id in (${uuids(userIds)}) and bytes > 0 and key > ${after}
        order by key limit ${batchRows}`,
    )
    for (const row of rows) yield { ...row, file: row.key.replace(/^input/, 'uploads') }
    if (rows.length < batchRows) break
    after = rows.at(-1)?.key ?? after
  }
}

/** What the person wrote on surfaces that keep it. */
async function* messagesOf(core: Core, identities: readonly string[]) {
  for (const { name, conversations } of core.surfaces.values()) {
    if (!conversations) continue
    for await (const message of conversations.read(identities)) yield { surface: name, ...message }
  }
}

async function* withFiles(requests: ReturnType<typeof requestsOf>) {
  for await (const { images, ...request } of requests) {
    yield { ...request, files: images.map((image) => fileName(request.id, image)) }
  }
}

const fileName = (id: string, { role, position, type }: StoredImage) =>
  `pictures/${id}/${role}-${position + 1}.${extensionOf(type)}`
