/** Pictures by address or key: what is the account's own comes straight from the store, all else is fetched. */
import type { KeyHolder } from '../../core/accounts/api-keys.ts'
import type { Core } from '../../core/core.ts'
import { AppError } from '../../core/errors.ts'
import { outcomeOf } from '../../core/history/outcome.ts'
import { ownPicture } from '../../core/media/uploads.ts'
import type { Attachment } from '../../core/ports/chat.ts'
import type { Family } from './family.ts'
import { type ApiParts, attachmentOf } from './parts.ts'

/** A key of the store, alone or at the end of a link. */
const keyForm = /(?:^|\/)((?:input|image)\/[0-9a-f-]{36}\/[A-Za-z0-9_-][A-Za-z0-9._-]*\.(?:png|jpg|webp))$/
/** A request's own link, as `/generate` answers. */
const taskForm = /^\/image\/([0-9a-f-]{36})(?=\?|$)/i
const longestKey = 200
const anySeconds = 60

/**
 * An https address, a data URL, a link of ours, or the key of a picture that this account sent ahead. Its `load` rejects with
 * AppError unknown_upload, image_too_big, image_unreachable.
 */
export function inputOf(
  { core, fetcher, parts }: Pick<Family, 'core' | 'fetcher'> & { parts: Pick<ApiParts, 'publicUrl'> },
  holder: KeyHolder,
  address: string,
): Attachment {
  const fetched = fetcher.attachment(address)
  const task = taskIn(parts, address)
  if (task) {
    const load = async (limitBytes: number, signal?: AbortSignal) => {
      const data = await ownDrawn(core, holder, task)
      return data ? attachmentOf(data, fetched.name).load(limitBytes) : fetched.load(limitBytes, signal)
    }
    return { ...fetched, load }
  }
  const named = nameIn(address)
  if (named === undefined) return fetched
  const { key, bare } = named
  return {
    ...fetched,
    load: async (limitBytes, signal) => {
      const ours = bare || (await isLinkTo(core, key, address))
      const data = ours ? await ownPicture(core, holder.userId, key) : undefined
      if (data) return attachmentOf(data, fetched.name).load(limitBytes)
      if (bare) throw new AppError('unknown_upload')
      // whoever serves it looks at its signature
      return fetched.load(limitBytes, signal)
    },
  }
}

function nameIn(address: string): { key: string; bare: boolean } | undefined {
  if (/^data:/i.test(address)) return undefined
  const path = URL.canParse(address) ? new URL(address).pathname : address
  const key = path.length > longestKey * 2 ? undefined : keyForm.exec(path)?.[1]
  return key === undefined ? undefined : { key, bare: key === address }
}

/** Whatever its signature: an account's own pictures are its own also when a link has expired. */
async function isLinkTo({ store }: Core, key: string, address: string): Promise<boolean> {
  if (!URL.canParse(address)) return false
  const [given, ours] = [new URL(address), new URL(await store.link(key, anySeconds))]
  return given.origin === ours.origin && given.pathname === ours.pathname
}

interface Drawn {
  id: string
  /** Which of several. */
  n: number
}

function taskIn({ publicUrl }: Pick<ApiParts, 'publicUrl'>, address: string): Drawn | undefined {
  if (!address.startsWith(`${publicUrl}/image/`) || !URL.canParse(address)) return undefined
  const id = taskForm.exec(address.slice(publicUrl.length))?.[1]
  return id === undefined ? undefined : { id, n: Number(new URL(address).searchParams.get('n') ?? 0) }
}

/** undefined: it is not the account's. Throws AppError image_unreachable for one that was not drawn. */
async function ownDrawn(core: Core, { userId }: KeyHolder, { id, n }: Drawn): Promise<Buffer | undefined> {
  const outcome = await outcomeOf(core, userId, id)
  if (!outcome) return undefined
  const picture = outcome.state === 'delivered' ? outcome.pictures[n] : undefined
  const object = picture && (await core.store.get(picture.key))
  if (!object) throw new AppError('image_unreachable')
  return object.data
}
