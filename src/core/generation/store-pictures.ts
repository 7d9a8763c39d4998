/** Puts the pictures of a generation and their thumbnails into the store. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Core } from '../core.ts'
import { outputKey, thumbnailKey } from '../media/object-keys.ts'
import type { ImageFile } from '../ports/images.ts'
import type { Generation, StoredPicture } from './row.ts'

/** Pixels on the longer side. */
const thumbnailEdge = 512
const maxTries = 4

export async function storePictures(core: Core, { id }: Generation, files: ImageFile[]): Promise<StoredPicture[]> {
  const put = async (key: string, file: ImageFile): Promise<Omit<StoredPicture, 'role' | 'position'>> => {
    const { type, width, height, data } = file
    await putWithRetries(core, key, file)
    return { key, type, width, height, bytes: data.length }
  }
  const pairs = files.map(async (file, position): Promise<StoredPicture[]> => {
    const output = await put(outputKey(core, id, position, file.type), file)
    const small = await core.images.thumbnail(file, thumbnailEdge)
    const thumbnail = await put(thumbnailKey(core, id, position), small)
    return [
      { ...output, role: 'output', position },
      { ...thumbnail, role: 'thumbnail', position },
    ]
  })
  // waits for all of them: after a failure none may be stored behind the back of the deletion
  await Promise.allSettled(pairs)
  return (await Promise.all(pairs)).flat()
}

/** The pictures may have cost money: a short failure of the store must not lose them. */
async function putWithRetries(core: Core, key: string, file: ImageFile): Promise<void> {
  for (let tries = 1; ; tries++) {
    try {
      return await core.store.put(key, file.data, file.type)
    } catch (error) {
      if (tries === maxTries) throw error
      await sleep(100 * 4 ** tries)
    }
  }
}
