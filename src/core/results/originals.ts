/** For pictures of ours that people reply to, uses the stored original in place of the platform's compressed copy. */
import type { Core } from '../core.ts'
import type { Submission } from '../generation/accept.ts'
import { asInput, pictureOf } from '../generation/result.ts'
import type { Attachment, Call } from '../ports/chat.ts'
import { shownTo } from './access.ts'

export interface Originals {
  images: readonly Attachment[]
  /** The result that the person replied to. Absent: none of ours. */
  parent?: Submission['parent']
}

export async function withOriginals(core: Core, call: Call): Promise<Originals> {
  const found = await Promise.all(
    call.images.map(async (image) => {
      const shown = image.shownIn && (await shownTo(core, call, image.shownIn))
      if (!shown) return { image }
      return { image: asInput(core, pictureOf(shown.result, shown.number)), id: shown.result.id }
    }),
  )
  const id = found.find((each) => each.id !== undefined)?.id
  return { images: found.map(({ image }) => image), parent: id === undefined ? undefined : { id, button: 'reply' } }
}
