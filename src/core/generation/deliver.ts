/**
 * Telling the person how it ended, and only then settling. Editing our message a second time is harmless, so each step
 * may be repeated from any process until the row says that it is over.
 */
import { sql } from 'drizzle-orm'
import { wordsFor } from '../../locales/index.ts'
import type { Core } from '../core.ts'
import { AppError, asAppError } from '../errors.ts'
import type { ChatSurface, Posted, Reply } from '../ports/chat.ts'
import type { ImageFile, ImageType } from '../ports/images.ts'
import { shorten } from '../text.ts'
import { endDelivered, endFailed, outputKey } from './end.ts'
import { type Generation, saveDeliveryTry, savePosted } from './row.ts'

type Again = { retryInMs: number } | undefined

/** The largest file that every surface takes as a picture: Discord's default upload limit and Telegram's for photos. */
const uploadLimit = 10 * 1024 * 1024
const mostTries = 12
/** A chat that cannot be reached does not keep credits put aside longer than this past the deadline. */
const graceMs = 30_000

/** stored → delivered. `files`: the pictures, where this process still has them. */
export async function deliver(core: Core, generation: Generation, files?: ImageFile[]): Promise<Again> {
  return tell(
    core,
    generation,
    () => pictureReply(core, generation, files),
    async (posted) => {
      await endDelivered(core, generation, posted)
    },
  )
}

/** Says what went wrong, gives the credits back. `g.error` says what. */
export async function deliverFailure(core: Core, generation: Generation): Promise<Again> {
  const words = wordsFor(generation.locale)
  const error = generation.error ?? 'internal'
  const text = words.failed({
    prompt: shorten(generation.request.prompt, 200),
    reason: words.errors[error](generation.errorData ?? {}),
    credits: generation.price,
  })
  return tell(
    core,
    generation,
    async () => ({ text, state: 'failed' }),
    async () => {
      await endFailed(core, generation, error)
    },
  )
}

async function tell(
  core: Core,
  generation: Generation,
  reply: () => Promise<Reply>,
  settle: (posted: Posted) => Promise<void>,
): Promise<Again> {
  let posted: Posted
  try {
    posted = await show(core, generation, await reply())
  } catch (error) {
    return notTold(core, generation, asAppError(error))
  }
  await settle(posted)
  return undefined
}

async function show(core: Core, generation: Generation, reply: Reply): Promise<Posted> {
  const surface = surfaceOf(core, generation)
  if (generation.posted) return surface.edit(generation.posted, reply)
  if (!surface.postsAnew) return surface.post(generation.address, reply)
  // where a repeated post would show twice: a message to edit first, remembered before the picture goes into it
  const waiting = await surface.post(generation.address, {
    text: wordsFor(generation.locale).finishing,
    state: 'waiting',
  })
  await savePosted(core, generation.id, waiting)
  generation.posted = waiting
  return surface.edit(waiting, reply)
}

/** Tries again later; a chat that says no, or stays out of reach too long, ends it with the credits back. */
async function notTold(core: Core, generation: Generation, error: AppError): Promise<Again> {
  const hopeless = !error.retry || generation.deliveryTries + 1 >= mostTries || generation.leftMs < -graceMs
  core.log.warn(
    { id: generation.id, kind: error.kind, err: error.cause, tries: generation.deliveryTries + 1, hopeless },
    'not delivered',
  )
  if (hopeless) {
    await endFailed(core, generation, generation.error ?? error.kind)
    return undefined
  }
  const retryInMs = error.retryAfterMs ?? Math.min(30_000, 500 * 2 ** generation.deliveryTries)
  await saveDeliveryTry(core, generation, retryInMs)
  return { retryInMs }
}

export function surfaceOf(core: Core, generation: Generation): ChatSurface {
  const surface = core.surfaces.get(generation.address.slice(0, generation.address.indexOf(':')))
  if (!surface) throw new AppError('chat_refused', {}, { cause: new Error('this chat is no longer configured') })
  return surface
}

async function pictureReply(core: Core, generation: Generation, files?: ImageFile[]): Promise<Reply> {
  const stored = files?.map((file, at) => ({ file, key: outputKey(core, generation, 'output', at, file.type) }))
  const pictures = stored ?? (await readPictures(core, generation))
  const images = await Promise.all(
    pictures.map(async ({ file, key }, at) => {
      const small = file.data.length <= uploadLimit ? file : await core.images.thumbnail(file, 2048)
      const name = `fluxbot-${generation.id.slice(-12)}-${at + 1}.${small.type.replace('image/', '').replace('jpeg', 'jpg')}`
      return { file: small, key, name, alt: shorten(generation.request.prompt, 1000) }
    }),
  )
  return {
    text: caption(
      core,
      generation,
      pictures.map(({ file }) => file),
    ),
    state: 'done',
    images,
  }
}

async function readPictures(core: Core, generation: Generation): Promise<{ file: ImageFile; key: string }[]> {
  const rows = await core.database.rows<{ key: string; type: ImageType; width: number; height: number }>(sql`
    select key, type, width, height from images
    where generation_id = ${generation.id} and role = 'output' order by position`)
  return Promise.all(rows.map(async ({ key, ...about }) => ({ key, file: { data: await read(core, key), ...about } })))
}

async function read(core: Core, key: string): Promise<Buffer> {
  const object = await core.store.get(key)
  if (!object) throw new AppError('internal', {}, { cause: new Error(`no object under ${key}`) })
  return object.data
}

function caption(core: Core, generation: Generation, files: readonly ImageFile[]): string {
  const words = wordsFor(generation.locale)
  const model = core.models.all().find((each) => each.id === generation.model)
  const [first] = files
  const notes = (generation.notes ?? []).map((note) => words.notes[note.kind](note.data ?? {}))
  return words.caption({
    prompt: shorten(generation.request.prompt, 500),
    enhanced: generation.enhanced === null ? undefined : shorten(generation.enhanced, 500),
    enhancedBy: core.enhancer?.model,
    model: model?.title ?? generation.model,
    servedBy: core.providers.get(generation.provider)?.title ?? generation.provider,
    width: first?.width ?? generation.request.width,
    height: first?.height ?? generation.request.height,
    seed: generation.seed ?? undefined,
    // drawn by this worker just now, or stored by an earlier one
    seconds: (generation.runMs + (generation.state === 'stored' ? 0 : Date.now() - generation.takenAt)) / 1000,
    credits: Math.floor((generation.price * files.length) / generation.request.count),
    notes,
  })
}
