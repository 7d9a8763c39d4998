/** Shows a result again: all its pictures, or the stored files. */
import type { Core } from '../core.ts'
import { resultReply } from '../generation/replies.ts'
import { fileName, picturesToShow, readPictures } from '../generation/reply-pictures.ts'
import { readPicture, type StoredResult } from '../generation/result.ts'
import type { Reply, ReplyFile } from '../ports/chat.ts'
import { buttonsToShow } from './quotes.ts'

/** The buttons work, and show the current prices. */
export async function showAgain(core: Core, result: StoredResult): Promise<Reply> {
  const [buttons, stored] = await Promise.all([buttonsToShow(core, result), readPictures(core, result.id)])
  const pictures = await picturesToShow(core, result, stored)
  const shown = resultReply(core, result, { pictures, sizes: result.pictures, seconds: result.runMs / 1000, buttons })
  return { ...shown, private: result.private }
}

/** The stored bytes of all pictures. Rejects with AppError unknown_button once they are gone. */
export function originalFiles(core: Core, result: StoredResult, maxBytes = 0): Promise<ReplyFile[]> {
  return Promise.all(
    result.pictures.map(async ({ key, type, bytes }, index) => {
      const data = bytes <= maxBytes ? await readPicture(core, key) : undefined
      return { name: fileName(result.id, index, type), key, type, data, link: await core.link(key) }
    }),
  )
}
