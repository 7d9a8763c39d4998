/**
 * Telling the person how it ended, and only then settling. Editing our message a second time is harmless, so each step
 * may be repeated from any process until the row says that it is over.
 */
import { sql } from 'drizzle-orm'
import { wordsFor } from '../locales/index.ts'
import type { Core } from './core.ts'
import { endDelivered, endFailed, outputKey } from './end.ts'
import { AppError, asAppError } from './errors.ts'
import { type Generation, saveDeliveryTry, savePosted } from './generation.ts'
import type { ChatSurface, ImageFile, ImageType, Posted, Reply } from './ports.ts'
import { shorten } from './text.ts'

type Again = { againMs: number } | undefined

/** The largest file that every surface takes as a picture: Discord's default upload limit and Telegram's for photos. */
const uploadLimit = 10 * 1024 * 1024
const mostTries = 12
/** A chat that cannot be reached does not keep credits put aside longer than this past the deadline. */
const graceMs = 30_000

/** stored → delivered. `files`: the pictures, where this process still has them. */
export async function deliver(core: Core, g: Generation, files?: ImageFile[]): Promise<Again> {
  return tell(
    core,
    g,
    () => pictureReply(core, g, files),
    async (posted) => {
      await endDelivered(core, g, posted)
    },
  )
}

/** Says what went wrong, gives the credits back. `g.error` says what. */
export async function deliverFailure(core: Core, g: Generation): Promise<Again> {
  const words = wordsFor(g.locale)
  const error = g.error ?? 'internal'
  const text = words.failed({
    prompt: shorten(g.request.prompt, 200),
    reason: words.errors[error](g.errorData ?? {}),
    credits: g.price,
  })
  return tell(
    core,
    g,
    async () => ({ text, state: 'failed' }),
    async () => {
      await endFailed(core, g, error)
    },
  )
}

async function tell(
  core: Core,
  g: Generation,
  reply: () => Promise<Reply>,
  settle: (posted: Posted) => Promise<void>,
): Promise<Again> {
  let posted: Posted
  try {
    posted = await show(core, g, await reply())
  } catch (error) {
    return notTold(core, g, asAppError(error))
  }
  await settle(posted)
  return undefined
}

async function show(core: Core, g: Generation, reply: Reply): Promise<Posted> {
  const surface = surfaceOf(core, g)
  if (g.posted) return surface.edit(g.posted, reply)
  if (!surface.postsAnew) return surface.post(g.address, reply)
  // where a repeated post would show twice: a message to edit first, remembered before the picture goes into it
  const waiting = await surface.post(g.address, { text: wordsFor(g.locale).finishing, state: 'waiting' })
  await savePosted(core, g.id, waiting)
  g.posted = waiting
  return surface.edit(waiting, reply)
}

/** Tries again later; a chat that says no, or stays out of reach too long, ends it with the credits back. */
async function notTold(core: Core, g: Generation, error: AppError): Promise<Again> {
  const hopeless = !error.retry || g.deliveryTries + 1 >= mostTries || g.leftMs < -graceMs
  core.log.warn({ id: g.id, kind: error.kind, err: error.cause, tries: g.deliveryTries + 1, hopeless }, 'not delivered')
  if (hopeless) {
    await endFailed(core, g, g.error ?? error.kind)
    return undefined
  }
  const againMs = error.retryAfterMs ?? Math.min(30_000, 500 * 2 ** g.deliveryTries)
  await saveDeliveryTry(core, g, againMs)
  return { againMs }
}

export function surfaceOf(core: Core, g: Generation): ChatSurface {
  const surface = core.surfaces.get(g.address.slice(0, g.address.indexOf(':')))
  if (!surface) throw new AppError('chat_refused', {}, { cause: new Error('this chat is no longer configured') })
  return surface
}

async function pictureReply(core: Core, g: Generation, files?: ImageFile[]): Promise<Reply> {
  const stored = files?.map((file, at) => ({ file, key: outputKey(core, g, 'output', at, file.type) }))
  const pictures = stored ?? (await readPictures(core, g))
  const images = await Promise.all(
    pictures.map(async ({ file, key }, at) => {
      const small = file.data.length <= uploadLimit ? file : await core.images.thumbnail(file, 2048)
      const name = `fluxbot-${g.id.slice(-12)}-${at + 1}.${small.type.replace('image/', '').replace('jpeg', 'jpg')}`
      return { file: small, key, name, alt: shorten(g.request.prompt, 1000) }
    }),
  )
  return {
    text: caption(
      core,
      g,
      pictures.map(({ file }) => file),
    ),
    state: 'done',
    images,
  }
}

async function readPictures(core: Core, g: Generation): Promise<{ file: ImageFile; key: string }[]> {
  const rows = await core.database.rows<{ key: string; type: ImageType; width: number; height: number }>(sql`
    select key, type, width, height from images
    where generation_id = ${g.id} and role = 'output' order by position`)
  return Promise.all(rows.map(async ({ key, ...about }) => ({ key, file: { data: await read(core, key), ...about } })))
}

async function read(core: Core, key: string): Promise<Buffer> {
  const object = await core.store.get(key)
  if (!object) throw new AppError('internal', {}, { cause: new Error(`no object under ${key}`) })
  return object.data
}

function caption(core: Core, g: Generation, files: readonly ImageFile[]): string {
  const words = wordsFor(g.locale)
  const model = core.models.all().find((each) => each.id === g.model)
  const [first] = files
  const notes = (g.notes ?? []).map((note) => words.notes[note.kind](note.data ?? {}))
  return words.caption({
    prompt: shorten(g.request.prompt, 500),
    enhanced: g.enhanced === null ? undefined : shorten(g.enhanced, 500),
    enhancedBy: core.enhancer?.model,
    model: model?.title ?? g.model,
    servedBy: core.providers.get(g.provider)?.title ?? g.provider,
    width: first?.width ?? g.request.width,
    height: first?.height ?? g.request.height,
    seed: g.seed ?? undefined,
    // drawn by this worker just now, or stored by an earlier one
    seconds: (g.runMs + (g.state === 'stored' ? 0 : Date.now() - g.takenAt)) / 1000,
    credits: Math.floor((g.price * files.length) / g.request.count),
    notes,
  })
}
