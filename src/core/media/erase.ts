/** Requests that their owner removes from the history: words and pictures go, the price stays in the ledger. */
import { type SQL, sql } from 'drizzle-orm'
import { readAccount } from '../accounts/accounts.ts'
import { type ActOnRequest, auditedOn } from '../accounts/audit.ts'
import type { Core } from '../core.ts'
import { AppError } from '../errors.ts'
import { outcomeOf } from '../history/outcome.ts'
import { isId } from '../ids.ts'
import { noteMessages } from '../results/message-deletions.ts'
import { deleteDue, deleteNoted, noteDeletion } from './deletions.ts'
import { giveUpUploads } from './uploads.ts'

/** Rows that one statement changes at most. */
const batchRows = 500
/** How long the owner of a whole history waits for its objects to go; the sweeper deletes the rest. */
const ownerWaitMs = 5_000

const wasEnded = sql`jsonb_build_object('state', state)`

interface Erased {
  id: string
  pictures: number
}

interface Erasing {
  /** Also notes the messages for deletion. */
  messages?: boolean
  /** Of an administrator, for the audit log. */
  act?: ActOnRequest
}

/** Resolves to false when the account has no such request. Throws AppError still_running. */
export async function erase(core: Core, userId: string, id: string, how: Erasing = {}): Promise<boolean> {
  if (!isId(id)) return false
  const [erased] = await eraseWords(core, userId, { ...how, which: sql`id = ${id}::uuid`, target: id })
  if (erased) await deleteNoted(core, erased)
  else if (await outcomeOf(core, userId, id)) throw new AppError('still_running')
  return erased !== undefined
}

/** Erases every ended request. `running`: how many have not ended, and stay. */
export async function eraseAll(
  core: Core,
  userId: string,
  how: Erasing = {},
): Promise<{ erased: number; running: number }> {
  const erased = await eraseEnded(core, userId, how)
  await deleteDue(core, ownerWaitMs)
  const { inFlight } = await readAccount(core, userId)
  return { erased, running: inFlight }
}

/**
 * Erases the words of ended requests, and notes their objects for deletion, as long as there is time. Resolves to how many it
 * has erased.
 */
export async function eraseEnded(
  core: Core,
  userId: string,
  { withinMs = Number.POSITIVE_INFINITY, messages }: Erasing & { withinMs?: number } = {},
): Promise<number> {
  const until = Date.now() + withinMs
  let erased = 0
  for (let last: string | undefined; Date.now() < until; ) {
    const batch = await eraseWords(core, userId, { messages, which: sql`id in (${endedAfter(userId, last)})` })
    if (batch.length === 0) break
    erased += batch.length
    last = batch
      .map(({ id }) => id)
      .sort()
      .at(-1)
  }
  return erased
}

/** Ordered by id, so that two concurrent calls cannot deadlock; by account first, so that the planner takes its index. */
const endedAfter = (userId: string, last = '00000000-0000-0000-0000-000000000000') => sql`
  select id from generations
  where user_id between ${userId}::uuid and ${userId}::uuid and id > ${last}::uuid and erased_at is null
    and state in ('delivered','failed','cancelled')
  order by user_id, id limit ${batchRows} for update`

/** The ticket and the webhook message go too: they may quote the prompt, or link to the pictures. So does the draft, if any. */
function eraseWords(
  core: Core,
  userId: string,
  { which, messages = false, act, target = '' }: Erasing & { which: SQL; target?: string },
): Promise<Erased[]> {
  // unchecked row: the columns belong to the statement's own table
  return core.database.rows<Erased>(sql`
    with erased as (
      update generations set erased_at = now(), request = (request - array['negative', 'loras', 'continues']) || '{"prompt": ""}'::jsonb,
        enhanced = null, webhook_url = null, ticket = null, webhook_message = null, error_data = null, traceparent = null
      where ${which} and user_id = ${userId}::uuid and erased_at is null
        and state in ('delivered','failed','cancelled')
      returning id, user_id, state, key, surface, posted, (request->>'count')::int as pictures),
    acted as (${auditedOn(sql`erased`, { act, action: 'delete', target }, { before: wasEnded })}),
    webhooks as (delete from api_webhooks where generation_id in (select id from erased) and due_at is null),
    drafted as (
      delete from drafts where user_id = ${userId}::uuid and 'draft:' || id in (select key from erased) returning images),
    given_up as (${giveUpUploads(sql`select jsonb_array_elements_text(images) from drafted`)}),
    ${messages ? sql`messages as (${noteMessages(core, sql`erased`)}),` : sql``}
    noted as (${noteDeletion(sql`erased`, 0)})
    select id, pictures from erased`)
}
