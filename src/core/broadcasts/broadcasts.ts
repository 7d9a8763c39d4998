/**
 * Announcements of administrators to many people: a draft is shown first, then sent. Each act of an administrator is recorded in the
 * statement that makes the change.
 */
import { type SQL, sql } from 'drizzle-orm'
import { v7 as uuidv7 } from 'uuid'
import { columnsOf, readRows, typed } from '../../db/columns.ts'
import { type BroadcastState, broadcasts } from '../../db/schema/broadcasts.ts'
import { type AdminAct, audited } from '../accounts/audit.ts'
import type { Core } from '../core.ts'
import { AppError } from '../errors.ts'
import { callHash, isId } from '../ids.ts'
import type { Call, Posted } from '../ports/chat.ts'
import { type Audience, isIn, isOf, mayReceive } from './audience.ts'

/** Characters. The preview shows the audiences below the text, and Telegram's limit is 4,096. */
export const textLimit = 3_500

/** Days that a broadcast is kept after its end; an administrator may look at it for that long. */
const keptDays = 7
/** Days after which a draft, and days after which a broadcast that was never ended, is deleted. */
const draftDays = 1
const longestDays = 90

const columns = columnsOf(
  {
    id: broadcasts.id,
    surface: broadcasts.surface,
    text: broadcasts.text,
    audience: typed<Audience>(broadcasts.audience),
    state: broadcasts.state,
    locale: broadcasts.locale,
    posted: typed<Posted | null>(broadcasts.posted),
    shown: broadcasts.shown,
    /** The platform has asked for a pause, or did not answer. */
    rests: typed<boolean>(sql`coalesce(b.not_before > now(), false)`),
  },
  'b',
)

export type Broadcast = NonNullable<(typeof columns)['row']>

/** Repeated with the same call, it returns the same draft. Throws AppError no_broadcasts, bad_option, prompt_too_long. */
export async function draftBroadcast(
  core: Core,
  { key, surface, from, locale }: Call,
  text: string,
): Promise<Broadcast> {
  assertAnnounces(core, surface)
  if (text === '') throw new AppError('bad_option', { name: 'text', value: '' })
  if (text.length > textLimit) throw new AppError('prompt_too_long', { limit: textLimit })
  await core.database.rows(sql`
    insert into broadcasts (id, key, surface, text, audience, asked_by, locale)
    values (${uuidv7()}::uuid, ${key}, ${surface}, ${text}, 'everyone', ${from.id}, ${locale})
    on conflict (key) do nothing`)
  return found(await read(core, sql`b.key = ${key}`))
}

/** The latest one that has not ended. Throws AppError no_broadcasts. */
export async function broadcastUnderWay(
  core: Core,
  { surface }: Pick<Call, 'surface'>,
): Promise<Broadcast | undefined> {
  assertAnnounces(core, surface)
  const [latest] = await read(
    core,
    sql`b.surface = ${surface} and b.state in ('running','paused') order by b.started_at desc limit 1`,
  )
  return latest
}

/** Throws AppError draft_over. */
export async function readBroadcast(core: Core, id: string): Promise<Broadcast> {
  return found(isId(id) ? await read(core, sql`b.id = ${id}::uuid`) : [])
}

/** Throws AppError draft_over once it was started. */
export async function chooseAudience(core: Core, id: string, audience: Audience): Promise<Broadcast> {
  await readBroadcast(core, id)
  return found(
    await readRows(
      core.database,
      columns,
      (list) => sql`
        update broadcasts b set audience = ${audience} where b.id = ${id}::uuid and b.state = 'draft' returning ${list}`,
    ),
  )
}

/** A draft that is gone already is not an error. */
export async function dropDraft(core: Core, id: string): Promise<void> {
  if (isId(id)) await core.database.rows(sql`delete from broadcasts where id = ${id}::uuid and state = 'draft'`)
}

interface Act {
  id: string
  call: Call
}

/**
 * Chooses the people, and starts. The message with the pressed button will show how it stands. Repeating it changes nothing. Throws
 * AppError draft_over.
 */
export async function startBroadcast(core: Core, { id, call }: Act): Promise<Broadcast> {
  const { surface, audience } = await readBroadcast(core, id)
  await core.database.rows(sql`
    with noted as (${audited(actOf(core, 'broadcast', { id, call }), {
      after: sql`jsonb_build_object('state', 'running', 'audience', ${audience}::text)`,
      from: lockedIf(id, sql`state = 'draft' and audience = ${audience}`),
    })}),
    started as (
      update broadcasts set state = 'running', started_at = now(), posted = ${messageOf(call)}
      where id = ${id}::uuid and exists (select from noted) returning id)
    insert into broadcast_recipients (broadcast_id, person)
    select started.id, c.person from started, private_chats c
    where ${isOf(surface)} and ${isIn(audience)} and ${mayReceive}`)
  const now = await readBroadcast(core, id)
  // another press has chosen another audience meanwhile
  if (now.state === 'draft') throw new AppError('draft_over')
  return now
}

export type Change = 'pause' | 'resume' | 'stop'

const changes: Readonly<Record<Change, { from: readonly BroadcastState[]; to: BroadcastState }>> = {
  pause: { from: ['running'], to: 'paused' },
  resume: { from: ['paused'], to: 'running' },
  stop: { from: ['running', 'paused'], to: 'stopped' },
}

/** One that has ended stays as it is. Resolves to what it is then. Throws AppError draft_over. */
export async function changeBroadcast(core: Core, change: Change, { id, call }: Act): Promise<Broadcast> {
  await readBroadcast(core, id)
  const { from, to } = changes[change]
  const isFrom = sql`state in (${sql.join(
    from.map((state) => sql`${state}`),
    sql`, `,
  )})`
  // a message shows what was before, so `shown` is cleared: the next one to show it edits it
  await core.database.rows(sql`
    with noted as (${audited(actOf(core, change, { id, call }), {
      before: sql`jsonb_build_object('state', state)`,
      after: { state: to },
      from: lockedIf(id, isFrom),
    })})
    update broadcasts set state = ${to}, posted = coalesce(${messageOf(call)}, posted), shown = null,
      ended_at = case when ${to} = 'stopped' then now() end
    where id = ${id}::uuid and exists (select from noted)`)
  return readBroadcast(core, id)
}

/** Two presses at once are one after the other: the second finds another state, so it neither changes nor records anything. */
const lockedIf = (id: string, condition: SQL) =>
  sql`from (select state from broadcasts where id = ${id}::uuid and ${condition} for update) b`

const actOf = (core: Core, name: 'broadcast' | Change, { id, call }: Act): AdminAct => ({
  actor: call.from.id,
  action: name === 'broadcast' ? name : `broadcast ${name}`,
  target: id,
  key: `broadcast:${callHash(core, call.key)}`,
})

const messageOf = ({ act }: Call): SQL => sql`${(act.kind === 'press' ? act.on?.posted : undefined) ?? null}::text`

/** The broadcasts whose message has to be edited: those that are being sent, and those whose state it does not show. */
export const broadcastsToShow = (core: Core, surfaces: readonly string[]): Promise<Broadcast[]> =>
  read(
    core,
    sql`b.state <> 'draft' and b.posted is not null and (b.state = 'running' or b.shown is distinct from b.state)
      and b.surface in (${listed(surfaces)}) order by b.started_at`,
  )

/** Nothing if the state has changed meanwhile: then the message does not show the new one yet. */
export async function saveShown(core: Core, { id, state }: Pick<Broadcast, 'id' | 'state'>): Promise<void> {
  await core.database.rows(sql`update broadcasts set shown = ${state} where id = ${id}::uuid and state = ${state}`)
}

/** The one to send now: the first that was started. undefined: there is none, or the platform has asked for a pause. */
export async function broadcastToSend(core: Core, surfaces: readonly string[]): Promise<Broadcast | undefined> {
  const [first] = await read(
    core,
    sql`b.state = 'running' and b.surface in (${listed(surfaces)}) order by b.started_at limit 1`,
  )
  return first?.rests ? undefined : first
}

/** Deletes old ones, with their recipients. */
export async function forgetOldBroadcasts({ database }: Pick<Core, 'database'>): Promise<void> {
  await database.rows(sql`
    delete from broadcasts where created_at < now() - make_interval(days => ${draftDays}::int) and (state = 'draft'
      or ended_at < now() - make_interval(days => ${keptDays}::int)
      or created_at < now() - make_interval(days => ${longestDays}::int))`)
}

function assertAnnounces({ surfaces }: Core, surface: string): void {
  if (!surfaces.get(surface)?.announcer) throw new AppError('no_broadcasts')
}

const read = (core: Core, condition: SQL): Promise<Broadcast[]> =>
  readRows(core.database, columns, (list) => sql`select ${list} from broadcasts b where ${condition}`)

function found([broadcast]: readonly Broadcast[]): Broadcast {
  if (!broadcast) throw new AppError('draft_over')
  return broadcast
}

const listed = (names: readonly string[]): SQL => sql`select jsonb_array_elements_text(${JSON.stringify(names)}::jsonb)`
