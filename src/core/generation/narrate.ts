/** The waiting message, edited while somebody waits: place in the queue, then progress. */
import { sql } from 'drizzle-orm'
import { wordsFor } from '../../locales/index.ts'
import type { Core } from '../core.ts'
import type { Posted, Reply } from '../ports/chat.ts'
import type { PictureRequest } from '../ports/models.ts'
import { shorten } from '../text.ts'
import { surfaceOf } from './deliver.ts'
import type { Generation } from './row.ts'

export interface Narrator {
  progress(progress: { percent?: number; position?: number; preview?: Buffer }): void
  /** Resolves when no edit is under way any more. */
  stop(): Promise<void>
}

/** Quick pictures need no progress; after that as often as Discord and Telegram groups bear it. */
const firstMs = 1_500
const everyMs = 3_000
const previewEdge = 512

/** While this process draws it. */
export function narrateRun(core: Core, generation: Generation): Narrator {
  let now: { percent?: number; position?: number; preview?: Buffer } = {}
  let shown = ''
  let images: Reply['images']
  let editing: Promise<unknown> = Promise.resolve()
  let stopped = false
  const posted = generation.posted
  const pauseMs = core.surfaces.get(generation.address.slice(0, generation.address.indexOf(':')))?.paceMs
  if (!posted) return { progress: () => undefined, stop: async () => undefined }

  let timer = setTimeout(tick, pauseMs ?? firstMs)
  timer.unref()

  function tick() {
    editing = show()
      .catch((error: unknown) => core.log.debug({ id: generation.id, err: error }, 'progress was not shown'))
      .finally(() => {
        if (stopped) return
        timer = setTimeout(tick, pauseMs ?? everyMs)
        timer.unref()
      })
  }

  async function show() {
    const { percent, position, preview } = now
    now = { ...now, preview: undefined }
    const words = wordsFor(generation.locale)
    const prompt = shorten(generation.request.prompt, 200)
    const at = core.providers.get(generation.provider)?.title ?? generation.provider
    const text = position === undefined ? words.drawing({ prompt, percent }) : words.waitingAt({ prompt, position, at })
    if ((text === shown && !preview) || !posted || stopped) return
    shown = text
    // said again each time: a message without it would take the last one away
    if (preview) images = (await previewOf(core, generation, preview)) ?? images
    if (!stopped) await surfaceOf(core, generation).edit(posted, { text, state: 'waiting', percent, images })
  }

  return {
    progress: ({ percent, position, preview }) => {
      now = {
        percent: percent === undefined ? undefined : Math.round(percent),
        position,
        preview: preview ?? now.preview,
      }
    },
    stop: async () => {
      stopped = true
      clearTimeout(timer)
      await editing
    },
  }
}

/** Untrusted bytes like any other; one that is no picture is left out. */
async function previewOf(core: Core, generation: Generation, preview: Buffer): Promise<Reply['images']> {
  try {
    const file = await core.images.thumbnail(await core.images.keep(preview), previewEdge)
    return [{ file, key: '', name: 'preview.webp', alt: shorten(generation.request.prompt, 1000) }]
  } catch {
    return undefined
  }
}

interface Waiting extends Pick<Generation, 'id' | 'address' | 'locale'> {
  posted: Posted
  request: PictureRequest
  place: number
}

/**
 * Tells some of those who wait for their place. Each row is leased meanwhile, so that no worker can finish it while an
 * older text is on its way; the next in line are left alone, for they start at any moment.
 */
export async function narrateQueue(core: Core): Promise<void> {
  const places = core.providers.all().map(({ provider, settings }) => [provider.name, settings.concurrency] as const)
  const due = await core.database.rows<Waiting>(sql`
    with places as (
      select id, row_number() over (partition by provider order by priority, id)::int as place
      from generations where state = 'queued' and error is null),
    due as (
      select g.id, p.place from generations g join places p on p.id = g.id
      where g.state = 'queued' and g.posted is not null
        and p.place > coalesce((${JSON.stringify(Object.fromEntries(places))}::jsonb->>g.provider)::int, 0)
        and g.address not like 'api:%' -- programs ask for it
        and g.created_at < now() - interval '2 seconds'
        and (g.narrated_at is null or g.narrated_at < now() - interval '3 seconds')
        and (g.lease_until is null or g.lease_until < now())
      order by g.narrated_at nulls first limit 10 for update of g skip locked)
    update generations g set narrated_at = now(), lease_until = now() + interval '8 seconds'
    from due where g.id = due.id
    returning g.id, g.address, g.locale, g.posted, g.request, due.place`)
  await Promise.all(due.map((row) => tellPlace(core, row)))
}

async function tellPlace(core: Core, row: Waiting): Promise<void> {
  const words = wordsFor(row.locale)
  const text = words.waiting({ prompt: shorten(row.request.prompt, 200), place: row.place })
  try {
    await core.surfaces
      .get(row.address.slice(0, row.address.indexOf(':')))
      ?.edit(row.posted, { text, state: 'waiting' })
  } catch (error) {
    core.log.debug({ id: row.id, err: error }, 'a place in the queue was not shown')
  }
  await core.database.rows(sql`update generations set lease_until = null where id = ${row.id} and state = 'queued'`)
}
