/** Input pictures of a request: addresses, paths from responses, keys, or base64. */
import type { KeyHolder } from '../../../core/accounts/api-keys.ts'
import type { Attachment } from '../../../core/ports/chat.ts'
import type { Family } from '../family.ts'
import { inputOf } from '../inputs.ts'
import type { GenerateBody } from './schemas.ts'

export function picturesIn(family: Family, holder: KeyHolder, { image, images }: GenerateBody): Attachment[] {
  return [image ?? [], images ?? []].flat().map((text) => inputOf(family, holder, addressOf(family, text)))
}

/** undefined: the request has none. */
export const maskIn = (family: Family, holder: KeyHolder, { mask }: GenerateBody): Attachment | undefined =>
  mask === undefined ? undefined : inputOf(family, holder, addressOf(family, mask))

/** Completes paths from our responses. Base64 may come without `data:`, and with line breaks. */
function addressOf({ parts }: Family, text: string): string {
  if (text.startsWith('/image/')) return parts.publicUrl + text
  const isBase64 = !/^(https?|data):/i.test(text) && /^[\w+/=\s-]+$/.test(text)
  return isBase64 ? `data:image/png;base64,${text.replace(/\s/g, '')}` : text
}
