/** Puts the pictures of a generation into the store, and the thumbnails that are needed at once. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Core } from '../core.ts'
import { AppError } from '../errors.ts'
import type { Generation } from '../generation/row.ts'
import type { StoredPicture } from '../media/image-rows.ts'
import { outputKey, thumbnailKey } from '../media/object-keys.ts'
import type { ImageFile, KeptPicture } from '../ports/images.ts'

const maxTries = 4
/** Attempts of a generation after which a store that fails ends it: the person must not wait for minutes. */
const maxAttempts = 3

/** `thumbnail` is absent where none is needed yet (media/thumbnails.ts). */
export type NewPicture = Pick<KeptPicture, 'file'> & Partial<KeptPicture>

/** Throws AppError not_stored. */
export async function storePictures(
  core: Pick<Core, 'store' | 'secretKey' | 'meter'>,
  { id, attempt, searches }: Pick<Generation, 'id' | 'attempt' | 'searches'>,
  pictures: readonly NewPicture[],
): Promise<StoredPicture[]> {
  const put = async (key: string, file: ImageFile): Promise<Omit<StoredPicture, 'role' | 'position'>> => {
    const { type, width, height, data } = file
    await putWithRetries(core, key, file).catch((error: unknown) => {
      throw new AppError('not_stored', {}, { cause: error, final: attempt - searches >= maxAttempts })
    })
    return { key, type, width, height, bytes: data.length, flagged: file.flagged ?? false }
  }
  const pairs = pictures.map(async ({ file, thumbnail }, position): Promise<StoredPicture[]> => {
    const output = await put(outputKey(core, id, position, file.type), file)
    const stored: StoredPicture[] = [{ ...output, role: 'output', position }]
    if (!thumbnail) return stored
    const small = await put(thumbnailKey(core, id, position), { ...thumbnail, flagged: file.flagged })
    return [...stored, { ...small, role: 'thumbnail', position }]
  })
  // waits for all of them: after a failure none may be stored behind the back of the deletion
  await Promise.allSettled(pairs)
  return (await Promise.all(pairs)).flat()
}

/** The pictures may have cost money: a short failure of the store must not lose them. */
async function putWithRetries(core: Pick<Core, 'store' | 'meter'>, key: string, file: ImageFile): Promise<void> {
  for (let tries = 1; ; tries++) {
    try {
      return await core.store.put(key, file.data, file.type)
    } catch (error) {
      core.meter?.notStored()
      if (tries === maxTries) throw error
      await sleep(100 * 4 ** tries)
    }
  }
}
