/** Edits the waiting message of a request: its place in the queue, then its progress. */
import { sql } from 'drizzle-orm'
import { columnsOf, readRows, typed } from '../../db/columns.ts'
import { generations } from '../../db/schema/generations.ts'
import type { Core } from '../core.ts'
import type { Content, Posted, ReplyPicture } from '../ports/chat.ts'
import type { PictureRequest } from '../ports/models.ts'
import { altOf, promptOf, surfaceFor, waitingReply } from './replies.ts'
import type { Generation } from './row.ts'

export interface Narrator {
  progress(progress: { percent?: number; position?: number; preview?: Buffer }): void
  /** Resolves once no edit is under way. */
  stop(): Promise<void>
}

/** Fast pictures need no progress; after that, as often as Discord and groups of Telegram permit. */
const firstMs = 1_500
const everyMs = 3_000
/** Pixels on the longer side. */
const previewEdge = 512

/** Shows the progress of a generation that this process draws. */
export function narrateRun(core: Core, generation: Generation): Narrator {
  let next: { percent?: number; position?: number; preview?: Buffer } = {}
  let shown = ''
  let pictures: readonly ReplyPicture[] | undefined
  let editing: Promise<unknown> = Promise.resolve()
  let stopped = false
  const { posted } = generation
  const pauseMs = core.surfaces.get(generation.surface)?.paceMs
  if (!posted) return { progress: () => undefined, stop: async () => undefined }

  let timer = setTimeout(tick, pauseMs ?? firstMs)
  timer.unref()

  function tick() {
    editing = show()
      .catch((error: unknown) => core.log.debug({ id: generation.id, err: error }, 'could not show progress'))
      .finally(() => {
        if (stopped) return
        timer = setTimeout(tick, pauseMs ?? everyMs)
        timer.unref()
      })
  }

  async function show() {
    const { percent, position, preview } = next
    next = { ...next, preview: undefined }
    const content = contentOf(core, generation, { percent, position })
    const text = JSON.stringify(content)
    if ((text === shown && !preview) || !posted || stopped) return
    shown = text
    // sent again with every edit: one without it would remove the last preview
    if (preview) pictures = (await previewOf(core, generation, preview)) ?? pictures
    if (!stopped) await surfaceFor(core, generation).edit(posted, waitingReply(generation, content, pictures))
  }

  return {
    progress: ({ percent, position, preview }) => {
      next = {
        percent: percent === undefined ? undefined : Math.round(percent),
        position,
        preview: preview ?? next.preview,
      }
    },
    stop: async () => {
      stopped = true
      clearTimeout(timer)
      await editing
    },
  }
}

function contentOf(
  core: Core,
  generation: Generation,
  { percent, position }: { percent?: number; position?: number },
): Content {
  const prompt = promptOf(generation)
  if (position === undefined) return { kind: 'drawing', prompt, percent }
  const at = core.providers.get(generation.provider)?.title ?? generation.provider
  return { kind: 'queued', prompt, place: position, at }
}

/** A preview is untrusted bytes like any other input. undefined: it is no picture. */
async function previewOf(core: Core, generation: Generation, preview: Buffer): Promise<ReplyPicture[] | undefined> {
  try {
    const file = await core.images.thumbnail(await core.images.keep(preview), previewEdge)
    return [{ file, key: '', name: 'preview.webp', alt: altOf(generation) }]
  } catch {
    return undefined
  }
}

const queuedColumns = columnsOf(
  {
    id: generations.id,
    surface: generations.surface,
    locale: generations.locale,
    posted: typed<Posted>(generations.posted),
    request: typed<PictureRequest>(generations.request),
    place: typed<number>(sql`due.place`),
  },
  'g',
)

type QueuedMessage = NonNullable<(typeof queuedColumns)['row']>

/**
 * Shows some of those that wait their place in the queue. Each row is leased meanwhile, so that no worker can finish it
 * while an older text is on its way; the next in line are left out, since they start at any moment.
 */
export async function narrateQueue(core: Core): Promise<void> {
  const slots = core.providers.all().map(({ provider, settings }) => [provider.name, settings.concurrency] as const)
  const due = await readRows(
    core.database,
    queuedColumns,
    (list) => sql`
      with places as (
        select id, row_number() over (partition by provider order by priority, id)::int as place
        from generations where state = 'queued' and error is null),
      due as (
        select g.id, p.place from generations g join places p on p.id = g.id
        where g.state = 'queued' and g.posted is not null
          and p.place > coalesce((${JSON.stringify(Object.fromEntries(slots))}::jsonb->>g.provider)::int, 0)
          and not g.watched -- programs poll for it
          and g.created_at < now() - interval '2 seconds'
          and (g.narrated_at is null or g.narrated_at < now() - interval '3 seconds')
          and (g.lease_until is null or g.lease_until < now())
        order by g.narrated_at nulls first limit 10 for update of g skip locked)
      update generations g set narrated_at = now(), lease_until = now() + interval '8 seconds'
      from due where g.id = due.id
      returning ${list}`,
  )
  await Promise.all(due.map((row) => showPlace(core, row)))
}

async function showPlace(core: Core, row: QueuedMessage): Promise<void> {
  const content: Content = { kind: 'queued', prompt: promptOf(row), place: row.place }
  try {
    await core.surfaces.get(row.surface)?.edit(row.posted, waitingReply(row, content))
  } catch (error) {
    core.log.debug({ id: row.id, err: error }, 'could not show a place in the queue')
  }
  await core.database.rows(sql`update generations set lease_until = null where id = ${row.id} and state = 'queued'`)
}
