/**
 * Reading people's pictures: what a request costs us before it is paid for. They are fetched within a time, without keeping
 * others waiting, and no more of them than there is room for; decoding and encoding them anew is done in turns.
 */

import type { AccountLimits } from '../accounts/limits.ts'
import type { Core } from '../core.ts'
import { AppError } from '../errors.ts'
import type { Attachment } from '../ports/chat.ts'
import type { ImageFile } from '../ports/images.ts'
import { createMemoryBudget, type MemoryBudget, type Reservation } from './memory-budget.ts'
import { createTurns, type TurnLimits, type Turns } from './turns.ts'

interface Reading {
  turns: Turns
  room: MemoryBudget
}

/** Requests. One that waits has its pictures in memory, which is bounded by the room. */
const turnLimits: TurnLimits = { atATime: 8, waiting: 200 }
/** The largest of all pictures: for eight requests of fourteen. */
const picturesInRoom = 8 * 14
/** For each request that an account may have under way; one of them may have it all. */
const picturesOfRequest = 5

const known = new WeakMap<Core, Reading>()

function readingOf(core: Core): Reading {
  const reading = known.get(core) ?? {
    turns: createTurns(turnLimits),
    room: createMemoryBudget(picturesInRoom * core.limits.uploadBytes),
  }
  known.set(core, reading)
  return reading
}

interface Reader extends Pick<AccountLimits, 'inFlight'> {
  userId: string
}

/** Of one request. Throws AppError too_many_in_flight when the account has as many here as it may have under way. */
export async function whileReading<T>(
  core: Core,
  { userId, inFlight }: Reader,
  work: (place: Reservation) => Promise<T>,
): Promise<T> {
  const bytes = inFlight * picturesOfRequest * core.limits.uploadBytes
  const place = readingOf(core).room.enter(userId, { places: inFlight, bytes })
  try {
    return await work(place)
  } finally {
    place.leave()
  }
}

/** Decodes pictures. Rejects with AppError overloaded. */
export function inTurn<T>(core: Core, work: () => Promise<T>): Promise<T> {
  return readingOf(core).turns(work)
}

/** All of them. Rejects with AppError image_unreachable, also when they take too long, overloaded, and for bad ones. */
export async function readPictures(
  core: Core,
  place: Reservation,
  images: readonly Attachment[],
): Promise<ImageFile[]> {
  const fetched = await inTime(core.limits.fetchMs, (signal) => fetchAll(core, place, { images, signal }))
  return inTurn(core, async () => {
    const files: ImageFile[] = []
    // one after the other: fourteen pictures of 16 megapixels at once would be a gigabyte
    for (let data = fetched.shift(); data; data = fetched.shift()) files.push(await core.images.clean(data))
    return files
  })
}

interface Fetching {
  images: readonly Attachment[]
  signal: AbortSignal
}

async function fetchAll(core: Core, place: Reservation, { images, signal }: Fetching): Promise<Buffer[]> {
  const { uploadBytes } = core.limits
  const fetched: Buffer[] = []
  for (const image of images) {
    signal.throwIfAborted()
    const came = place.take(Math.min(image.bytes ?? uploadBytes, uploadBytes))
    const data = await image.load(uploadBytes, signal)
    came(data.length)
    fetched.push(data)
  }
  return fetched
}

/** Ends in time also where nobody hears the signal. */
async function inTime<T>(timeoutMs: number, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const stop = new AbortController()
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(new AppError('image_unreachable', {}, { cause: new Error('the pictures did not come in time') }))
      stop.abort()
    }, timeoutMs)
  })
  try {
    return await Promise.race([late, work(stop.signal)])
  } finally {
    clearTimeout(timer)
  }
}
