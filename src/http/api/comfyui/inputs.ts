/** The pictures that come with a request, whatever they were sent as. */
import type { Holder } from '../../../core/api-keys.ts'
import { AppError } from '../../../core/errors.ts'
import { outcomeOf } from '../../../core/outcome.ts'
import type { Attachment } from '../../../core/ports.ts'
import type { Family } from '../family.ts'
import { inputOf } from '../inputs.ts'
import { attachmentOf } from '../parts.ts'
import type { GenerateBody } from './schemas.ts'

/** Paths are those of our own answers. */
const ownPath = '/image/'
const taskPath = /^\/image\/([0-9a-f-]{36})$/i

export function picturesIn(family: Family, holder: Holder, { image, images }: GenerateBody): Attachment[] {
  return [image ?? [], images ?? []].flat().map((sent) => pictureOf(family, holder, sent))
}

function pictureOf(family: Family, holder: Holder, sent: string): Attachment {
  const { publicUrl } = family.parts
  const address = sent.startsWith(ownPath) ? publicUrl + sent : asDataUrl(sent)
  const path = address.startsWith(publicUrl) ? address.slice(publicUrl.length) : ''
  const [, id] = taskPath.exec(path.split('?')[0] ?? '') ?? []
  if (id === undefined) return inputOf(family, holder, address)
  const n = Number(new URL(address).searchParams.get('n') ?? 0)
  return { name: 'image', load: (limitBytes) => loadDrawn(family, holder, { id, n, limitBytes }) }
}

/** Base64 may come without a word about it, and in lines. */
function asDataUrl(sent: string): string {
  const bare = !/^(https?|data):/i.test(sent) && /^[\w+/=\s-]+$/.test(sent)
  return bare ? `data:image/png;base64,${sent.replace(/\s/g, '')}` : sent
}

interface DrawnBefore {
  id: string
  n: number
  limitBytes: number
}

/** Of the account's own, whether the link has expired or not. */
async function loadDrawn({ core }: Family, holder: Holder, { id, n, limitBytes }: DrawnBefore): Promise<Buffer> {
  const outcome = await outcomeOf(core, holder.userId, id)
  const picture = outcome?.state === 'delivered' ? outcome.pictures[n] : undefined
  const object = picture && (await core.store.get(picture.key))
  if (!object) throw new AppError('image_unreachable')
  return attachmentOf(object.data, 'image').load(limitBytes)
}
