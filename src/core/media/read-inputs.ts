/**
 * Reads pictures of people, which costs us something before the request is paid for: within a time limit, a memory budget,
 * and a number of requests that decode at the same time.
 */
import { limitsOf } from '../accounts/limits.ts'
import type { AccountLimits, Core } from '../core.ts'
import { AppError } from '../errors.ts'
import type { Attachment } from '../ports/chat.ts'
import type { ImageFile } from '../ports/images.ts'
import type { Reservation } from './input-limits.ts'

/** Pictures of the largest size, for each request that an account may have under way. One request may use them all. */
const picturesOfRequest = 5

interface Owner extends AccountLimits {
  userId: string
}

/** Throws AppError too_many_in_flight when the account reads pictures of as many requests as it may have under way. */
export async function withReservation<T>(
  core: Core,
  { userId, ...usual }: Owner,
  work: (reservation: Reservation) => Promise<T>,
): Promise<T> {
  const { inFlight } = await limitsOf(core, userId, usual)
  const bytes = inFlight * picturesOfRequest * core.limits.uploadBytes
  const reservation = core.inputLimits.memory.enter(userId, { places: inFlight, bytes })
  try {
    return await work(reservation)
  } finally {
    reservation.leave()
  }
}

interface WithMask {
  images: readonly Attachment[]
  /** Absent: there is none. */
  mask?: Attachment
}

/** Pictures and their mask. Rejects as `readInputs`, and with AppError mask_empty. */
export async function readWithMask(
  core: Core,
  reservation: Reservation,
  { images, mask }: WithMask,
): Promise<{ inputs: ImageFile[]; mask?: ImageFile }> {
  const all = mask ? [...images, mask] : images
  const files = await decodeAll(core, reservation, {
    images: all,
    read: (data, at) => (at < images.length ? core.images.clean(data) : core.images.mask(data)),
  })
  return { inputs: files.slice(0, images.length), mask: files[images.length] }
}

/** Loads and decodes all pictures. Rejects with AppError image_unreachable (also when out of time), overloaded, image_…. */
export async function readInputs(
  core: Core,
  reservation: Reservation,
  images: readonly Attachment[],
): Promise<ImageFile[]> {
  return decodeAll(core, reservation, { images, read: (data) => core.images.clean(data) })
}

interface Decoding {
  images: readonly Attachment[]
  read: (data: Buffer, at: number) => Promise<ImageFile>
}

async function decodeAll(core: Core, reservation: Reservation, { images, read }: Decoding): Promise<ImageFile[]> {
  const loaded = await withTimeout(core.limits.fetchMs, (signal) => loadAll(core, reservation, { images, signal }))
  return core.inputLimits.decode(async () => {
    const files: ImageFile[] = []
    // one after the other: fourteen pictures of 16 megapixels at once would take a gigabyte
    for (let data = loaded.shift(); data; data = loaded.shift()) {
      files.push(await read(data, files.length))
    }
    return files
  })
}

interface Loading {
  images: readonly Attachment[]
  signal: AbortSignal
}

async function loadAll(core: Core, reservation: Reservation, { images, signal }: Loading): Promise<Buffer[]> {
  const { uploadBytes } = core.limits
  const loaded: Buffer[] = []
  for (const image of images) {
    signal.throwIfAborted()
    const arrived = reservation.take(Math.min(image.bytes ?? uploadBytes, uploadBytes))
    const data = await image.load(uploadBytes, signal)
    arrived(data.length)
    loaded.push(data)
  }
  return loaded
}

/** Times out even if the work ignores its signal. */
async function withTimeout<T>(timeoutMs: number, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const stop = new AbortController()
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(new AppError('image_unreachable', {}, { cause: new Error('the pictures did not arrive in time') }))
      stop.abort()
    }, timeoutMs)
  })
  try {
    return await Promise.race([late, work(stop.signal)])
  } finally {
    clearTimeout(timer)
  }
}
