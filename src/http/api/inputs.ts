/** Input pictures by address or key. Pictures of the account itself come from the store; all others are fetched. */

import type { KeyHolder } from '../../core/accounts/api-keys.ts'
import type { Core } from '../../core/core.ts'
import { AppError } from '../../core/errors.ts'
import { outcomeOf } from '../../core/history/outcome.ts'
import { ownPicture } from '../../core/media/uploads.ts'
import type { Attachment } from '../../core/ports/chat.ts'
import { canParseUrl } from '../../net/can-parse-url.ts'
import type { Family } from './family.ts'
import { attachmentOf } from './fetcher.ts'
import type { ApiParts } from './parts.ts'

/** A key of the store, alone or at the end of a link. */
const keyForm = /(?:^|\/)((?:input|image)\/[0-9a-f-]{36}\/[A-Za-z0-9_-][A-Za-z0-9._-]*\.(?:png|jpg|webp))$/
/** The link of a generation, which responses of the ComfyUI family contain. */
const generationForm = /^\/image\/([0-9a-f-]{36})(?=\?|$)/i
const maxKeyLength = 200
/** Base64 of a PNG, JPEG or WebP, by its first bytes. */
const base64Form = /^(?:iVBORw0KGgo|\/9j\/|UklGR)[\w+/=\s-]{40,}$/
/** The links are only compared, so their lifetime does not matter. */
const comparedSeconds = 60

/**
 * `sent`: an https address, a data URL, base64, a link of the service, or the key of an uploaded or generated picture. `load`
 * rejects with AppError unknown_upload, image_too_big, image_unreachable.
 */
export function inputOf(
  { core, fetcher, parts }: Pick<Family, 'core' | 'fetcher'> & { parts: Pick<ApiParts, 'publicUrl'> },
  holder: KeyHolder,
  sent: string,
): Attachment {
  const address = base64Form.test(sent) ? `data:;base64,${sent}` : sent
  const fetched = fetcher.attachment(address)
  const generated = generatedPictureIn(parts, address)
  if (generated) {
    const load = async (limitBytes: number, signal?: AbortSignal) => {
      const data = await loadGenerated(core, holder, generated)
      return data ? attachmentOf(data, fetched.name).load(limitBytes) : fetched.load(limitBytes, signal)
    }
    return { ...fetched, load }
  }
  const found = keyIn(address)
  if (found === undefined) return fetched
  const { key, bare } = found
  return {
    ...fetched,
    load: async (limitBytes, signal) => {
      const ours = bare || (await isLinkTo(core, key, address))
      const data = ours ? await ownPicture(core, holder.userId, key) : undefined
      if (data) return attachmentOf(data, fetched.name).load(limitBytes)
      if (bare) throw new AppError('unknown_upload')
      // the server of the link verifies its signature
      return fetched.load(limitBytes, signal)
    },
  }
}

/** `bare`: the address is nothing but the key. */
function keyIn(address: string): { key: string; bare: boolean } | undefined {
  if (/^data:/i.test(address)) return undefined
  const path = canParseUrl(address) ? new URL(address).pathname : address
  const key = path.length > maxKeyLength * 2 ? undefined : keyForm.exec(path)?.[1]
  return key === undefined ? undefined : { key, bare: key === address }
}

/** Ignores the signature: an account may use its own pictures after their links have expired. */
async function isLinkTo({ store }: Core, key: string, address: string): Promise<boolean> {
  if (!canParseUrl(address)) return false
  const [given, ours] = [new URL(address), new URL(await store.link(key, comparedSeconds))]
  return given.origin === ours.origin && given.pathname === ours.pathname
}

interface GeneratedPicture {
  /** Of the generation. */
  id: string
  /** Position among its pictures, from 0. */
  n: number
}

function generatedPictureIn({ publicUrl }: Pick<ApiParts, 'publicUrl'>, address: string): GeneratedPicture | undefined {
  if (!address.startsWith(`${publicUrl}/image/`) || !canParseUrl(address)) return undefined
  const id = generationForm.exec(address.slice(publicUrl.length))?.[1]
  return id === undefined ? undefined : { id, n: Number(new URL(address).searchParams.get('n') ?? 0) }
}

/** Resolves to undefined for another account's generation. Throws AppError image_unreachable when it has no such picture. */
async function loadGenerated(
  core: Core,
  { userId }: KeyHolder,
  { id, n }: GeneratedPicture,
): Promise<Buffer | undefined> {
  const outcome = await outcomeOf(core, userId, id)
  if (!outcome) return undefined
  const picture = outcome.state === 'delivered' ? outcome.pictures[n] : undefined
  const object = picture && (await core.store.get(picture.key))
  if (!object) throw new AppError('image_unreachable')
  return object.data
}
