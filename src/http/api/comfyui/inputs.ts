/** The pictures of a request, in every form in which a client may send them. */
import type { KeyHolder } from '../../../core/accounts/api-keys.ts'
import type { Attachment } from '../../../core/ports/chat.ts'
import type { Family } from '../family.ts'
import { inputOf } from '../inputs.ts'
import type { GenerateBody } from './schemas.ts'

export function picturesIn(family: Family, holder: KeyHolder, { image, images }: GenerateBody): Attachment[] {
  return [image ?? [], images ?? []].flat().map((sent) => inputOf(family, holder, addressOf(family, sent)))
}

/** Paths are those of our own answers. Base64 may come without a word about it, and in lines. */
function addressOf({ parts }: Family, sent: string): string {
  if (sent.startsWith('/image/')) return parts.publicUrl + sent
  const bare = !/^(https?|data):/i.test(sent) && /^[\w+/=\s-]+$/.test(sent)
  return bare ? `data:image/png;base64,${sent.replace(/\s/g, '')}` : sent
}
