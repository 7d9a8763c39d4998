/** Shows a result again: all its pictures, or the stored files. */
import { showsFlagged } from '../chats/rules.ts'
import type { Core } from '../core.ts'
import { AppError } from '../errors.ts'
import { resultReply } from '../generation/replies.ts'
import { fileName, picturesToShow, readPictures } from '../generation/reply-pictures.ts'
import { readPicture, type StoredResult } from '../generation/result.ts'
import type { Call, Reply } from '../ports/chat.ts'
import type { ReplyFile } from '../ports/reply-files.ts'
import { buttonsToShow } from './quotes.ts'

type Where = Pick<Call, 'surface' | 'place'>

/** The buttons work, and show the current prices. Throws AppError flagged. */
export async function showAgain(core: Core, call: Where & Pick<Call, 'address'>, result: StoredResult): Promise<Reply> {
  await assertShown(core, call, result)
  const [buttons, stored] = await Promise.all([buttonsToShow(core, result), readPictures(core, result.id)])
  const pictures = await picturesToShow(core, { asked: { ...result, surface: call.surface }, stored, at: call.address })
  const shown = resultReply(core, result, { pictures, sizes: result.pictures, seconds: result.runMs / 1000, buttons })
  return { ...shown, private: result.private }
}

/** The stored bytes of all pictures. Rejects with AppError unknown_button once they are gone, and flagged. */
export async function originalFiles(
  core: Core,
  call: Where & Pick<Call, 'address' | 'maxFileBytes'>,
  result: StoredResult,
): Promise<ReplyFile[]> {
  const { maxFileBytes: maxBytes = 0 } = call
  await assertShown(core, call, result)
  const limits = core.surfaces.get(call.surface)?.fileLimits?.(call.address)
  let left = limits?.pictures ?? Number.POSITIVE_INFINITY
  return Promise.all(
    result.pictures.map(async ({ key, type, bytes, flagged }, index) => {
      const isSent = bytes <= maxBytes && bytes <= left
      if (isSent) left -= bytes
      const data = isSent ? await readPicture(core, key) : undefined
      return { name: fileName(result.id, index, type), key, type, data, flagged, link: await core.link(key) }
    }),
  )
}

/** A picture that a provider flagged was drawn where it may be shown, and is shown in such places alone. */
async function assertShown(core: Core, where: Where, { pictures }: StoredResult): Promise<void> {
  if (pictures.some(({ flagged }) => flagged) && !(await showsFlagged(core, where))) throw new AppError('flagged')
}
