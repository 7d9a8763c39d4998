/**
 * Shows the person how the request ended, and only then settles the money. Editing our message twice is harmless, so each
 * step may be repeated by any process until the row says that the generation has ended.
 */
import { readAccount } from '../accounts/accounts.ts'
import { costOf } from '../billing/cost.ts'
import { chargedFor, type Size } from '../billing/quote.ts'
import { moveToPrivate } from '../chats/elsewhere.ts'
import { asPutOff } from '../chats/pace.ts'
import type { Core } from '../core.ts'
import { type AppError, asAppError, isPutOff, shortestPauseMs } from '../errors.ts'
import type { StoredPicture } from '../media/image-rows.ts'
import { outputKey } from '../media/object-keys.ts'
import type { Posted, Reply } from '../ports/chat.ts'
import type { ImageFile } from '../ports/images.ts'
import { note, traced } from '../trace.ts'
import { endDelivered, endDrawn, endFailed } from './end.ts'
import { offerIsOver, placeEditIsOver } from './place-edits.ts'
import { failureReply, finishingReply, resultReply, surfaceFor } from './replies.ts'
import { picturesToShow, readPictures } from './reply-pictures.ts'
import { type Quoted, resultButtons } from './result-buttons.ts'
import { type Generation, saveDeliveryTry } from './row.ts'
import { removeSurplus, savePosted, sentMessages } from './sent-messages.ts'

type Retry = { retryInMs: number } | undefined

const maxTries = 12
/** How long past the deadline an unreachable chat may keep the credits on hold. */
const graceMs = 30_000
/** Before an answer is given up because of the deadline, which may have passed while no process ran. */
const leastTries = 4
const leastPauseMs = 500
const longestPauseMs = 30_000

/** What the process that stored a result still has in memory. */
export interface FreshResult {
  files: readonly ImageFile[]
  /** Of the person's account. */
  balance: number
}

/** stored → delivered. */
export const deliver = (core: Core, generation: Generation, fresh?: FreshResult): Promise<Retry> =>
  traced('deliver', factsOf(generation), () => asPutOff(() => deliverPictures(core, generation, fresh)))

/** Shows `generation.error`, then refunds. */
export const deliverFailure = (core: Core, generation: Generation): Promise<Retry> =>
  traced('deliver', factsOf(generation), () => asPutOff(() => showFailure(core, generation)))

const factsOf = ({ id, surface, deliveryTries }: Generation) => ({ id, surface, count: deliveryTries + 1 })

async function deliverPictures(core: Core, generation: Generation, fresh?: FreshResult): Promise<Retry> {
  let posted: Posted
  let result: ResultReply
  try {
    result = await pictureReply(core, generation, fresh)
    posted = await show(core, generation, result.reply)
  } catch (error) {
    return retryOrGiveUp(core, generation, asAppError(error))
  }
  const { quoted, sizes } = result
  await endDelivered(core, generation, { posted, quoted, costMicros: costOf(core, generation, sizes) })
  note({ outcome: 'delivered' })
  return undefined
}

/**
 * running → delivered, on a silent surface, which refuses nothing. false: the statement changed nothing, or it is not known whether it
 * did.
 */
export const deliverUnseen = (core: Core, generation: Generation, drawn: DrawnPictures): Promise<boolean> =>
  traced('deliver', factsOf(generation), async () => {
    const { files, pictures } = drawn
    try {
      const isDelivered = await endDrawn(core, generation, { pictures, costMicros: costOf(core, generation, files) })
      if (isDelivered) note({ outcome: 'delivered' })
      return isDelivered
    } catch (error) {
      core.log.warn({ id: generation.id, err: error }, 'could not end a request with its pictures; storing them first')
      return false
    }
  })

interface DrawnPictures {
  files: readonly ImageFile[]
  pictures: readonly StoredPicture[]
}

async function showFailure(core: Core, generation: Generation): Promise<Retry> {
  const { error, errorData, price } = generation
  const kind = error ?? 'internal'
  try {
    await show(core, generation, failureReply(generation, { error: kind, data: errorData ?? {}, refunded: price }))
  } catch (thrown) {
    return retryOrGiveUp(core, generation, asAppError(thrown))
  }
  await endFailed(core, generation, kind)
  note({ outcome: 'failed', error: kind })
  return undefined
}

async function show(core: Core, generation: Generation, reply: Reply): Promise<Posted> {
  const surface = surfaceFor(core, generation)
  const { id, surface: name, attempt } = generation
  const sent = await sentMessages(core, { id, surface: name, isFirst: attempt === 1 })
  if (generation.posted) {
    await placeEditIsOver(core, generation)
    if (surface.needsPressFrom?.(generation.posted) !== undefined) {
      generation.posted = await offerIsOver(core, generation.id, generation.posted)
    }
    return surface.edit(generation.posted, reply, sent)
  }
  // an earlier message is private already
  const isPrivate = generation.private || undefined
  if (!surface.postsAnew) return surface.post(generation.address, { ...reply, private: isPrivate }, sent)
  // a repeated post would show twice, so a message is posted and recorded first, and the answer goes into it by an edit
  const waiting = await surface.post(generation.address, { ...finishingReply(generation), private: isPrivate })
  const { posted = waiting } = (await savePosted(core, id, { posted: waiting })) ?? {}
  if (posted !== waiting) await removeSurplus(core, name, waiting)
  generation.posted = posted
  return surface.edit(posted, reply, sent)
}

/** If a chat refuses, the answer goes to the person in private. If that is refused too, or the chat stays unreachable, there is a refund. */
async function retryOrGiveUp(core: Core, generation: Generation, error: AppError): Promise<Retry> {
  if (isPutOff(error)) return comeAgain(core, generation, error.retryAfterMs)
  const tries = generation.deliveryTries + 1
  const leftMs = generation.leftMs + generation.takenAt - Date.now()
  const giveUp = !error.retry || tries >= maxTries || (leftMs < -graceMs && tries >= leastTries)
  core.meter?.notDelivered(generation.surface, error.kind)
  note({ outcome: giveUp ? 'given up' : 'retried', error: error.kind })
  core.log.warn({ id: generation.id, kind: error.kind, err: error.cause, tries, giveUp }, 'could not deliver an answer')
  const isChat = error.kind === 'chat_refused' || error.kind === 'chat_unavailable'
  if (giveUp && !isChat && !generation.error) {
    // the chat works: its message says why the pictures do not come
    return deliverFailure(core, { ...generation, error: error.kind, errorData: error.data })
  }
  // what is for adults may not be for the private chat
  const mayMove = !generation.request.adult || generation.error !== null
  if (error.kind === 'chat_refused' && mayMove && (await moveToPrivate(core, generation))) {
    await saveDeliveryTry(core, generation, { waitMs: leastPauseMs })
    return { retryInMs: leastPauseMs }
  }
  if (giveUp) {
    await endFailed(core, generation, generation.error ?? error.kind)
    return undefined
  }
  const retryInMs = Math.max(
    leastPauseMs,
    pauseWithin(leftMs, Math.min(longestPauseMs, 500 * 2 ** generation.deliveryTries)),
  )
  await saveDeliveryTry(core, generation, { waitMs: retryInMs })
  return { retryInMs }
}

/** The chat works, and takes the answer later. Any number of times, until the request has to end. */
async function comeAgain(core: Core, generation: Generation, pauseMs: number): Promise<Retry> {
  const { id, takenAt, error } = generation
  const leftMs = generation.leftMs + takenAt - Date.now()
  const isOver = leftMs < -graceMs
  if (isOver && generation.deliveryTries >= leastTries) {
    core.meter?.notDelivered(generation.surface, 'chat_unavailable')
    core.log.warn(
      { id, kind: 'chat_unavailable' },
      'could not deliver an answer: its chat took none until the deadline',
    )
    await endFailed(core, generation, error ?? 'chat_unavailable')
    return undefined
  }
  const retryInMs = Math.max(shortestPauseMs, pauseWithin(leftMs, pauseMs))
  await saveDeliveryTry(core, generation, { waitMs: retryInMs, isPutOff: !isOver })
  return { retryInMs }
}

/** A platform may ask for hours: the last try comes when the request has to end. */
function pauseWithin(leftMs: number, pauseMs: number): number {
  const untilEndMs = leftMs < -graceMs ? longestPauseMs : leftMs + graceMs + leastPauseMs
  return Math.min(pauseMs, untilEndMs)
}

interface ResultReply {
  reply: Reply
  quoted: Quoted
  /** Of the stored pictures. */
  sizes: readonly Size[]
}

async function pictureReply(core: Core, generation: Generation, fresh?: FreshResult): Promise<ResultReply> {
  const { id, runMs, state, takenAt, userId, price } = generation
  const stored = fresh
    ? fresh.files.map((file, position) => ({ key: outputKey(core, id, position, file.type), file }))
    : await readPictures(core, id)
  const pictures = await picturesToShow(core, {
    asked: generation,
    stored,
    at: generation.posted ?? generation.address,
  })
  // a row that was stored before this attempt has its final time
  const seconds = (runMs + (state === 'stored' ? 0 : Date.now() - takenAt)) / 1000
  const sizes = stored.map(({ file }) => file)
  if (surfaceFor(core, generation).isSilent) {
    return { reply: resultReply(core, generation, { pictures, sizes, seconds, buttons: [] }), quoted: {}, sizes }
  }
  const { rows, quoted } = resultButtons(core, generation, sizes)
  // on hold until it is delivered, unless the pool of the group holds it
  const held = generation.drawId === null ? price - chargedFor(generation, stored.length) : 0
  const left = (fresh ?? (await readAccount(core, userId))).balance + held
  const reply = resultReply(core, generation, {
    pictures,
    sizes,
    seconds,
    left,
    byPool: generation.drawId !== null,
    buttons: rows,
  })
  return { reply, quoted, sizes }
}
