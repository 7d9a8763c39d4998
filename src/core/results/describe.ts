/**
 * Picture → prompt, by the language model, else by a provider that can. It is free, and counts towards the person's requests per
 * minute.
 */
import { accountOf } from '../accounts/accounts.ts'
import { takePace } from '../accounts/limits.ts'
import type { Core } from '../core.ts'
import { AppError, asAppError } from '../errors.ts'
import { readInputs, withReservation } from '../media/read-inputs.ts'
import type { Attachment, Identity } from '../ports/chat.ts'
import type { Describer } from '../ports/providers.ts'
import { promptLimit } from '../request/parse.ts'
import { cleanText, shorten } from '../text.ts'

const modelMs = 30_000
/** Providers have queues. */
const providerMs = 90_000
/** Pixels on the longer side. Language models read pictures in about this size. */
const edge = 768

/** Throws AppError describer_missing, images_not_read, not_described, banned, too_fast, and the errors of unusable pictures. */
export async function describePicture(core: Core, from: Identity, picture: Attachment): Promise<string> {
  const { enhancer, limits } = core
  const ways = waysIn(core)
  if (ways.length === 0) {
    throw enhancer ? new AppError('images_not_read', { model: enhancer.model }) : new AppError('describer_missing')
  }
  const userId = await accountOf(core, from)
  await takePace(core, userId, limits)
  const owner = { ...limits, userId }
  const [file] = await withReservation(core, owner, (reservation) => readInputs(core, reservation, [picture]))
  if (!file) throw new AppError('image_unreachable')
  // PNG, because some servers of language models read no WebP
  const small = await core.images.png(await core.images.thumbnail(file, edge))
  for (const [at, { describe, timeoutMs }] of ways.entries()) {
    try {
      const text = await describe(small, AbortSignal.timeout(timeoutMs))
      return shorten(cleanText(text), promptLimit)
    } catch (error) {
      const { kind, cause } = asAppError(error)
      if (kind === 'images_not_read' && at + 1 < ways.length) continue
      if (kind === 'images_not_read') throw error
      core.log.warn({ kind, err: cause }, 'could not describe a picture')
      throw new AppError('not_described', { refused: kind === 'moderated' }, { cause: error })
    }
  }
  throw new AppError('describer_missing')
}

export const canDescribe = (core: Pick<Core, 'enhancer' | 'providers'>): boolean => waysIn(core).length > 0

function waysIn({ enhancer, providers }: Pick<Core, 'enhancer' | 'providers'>) {
  const way = (timeoutMs: number, { describe }: { describe?: Describer }) => (describe ? [{ timeoutMs, describe }] : [])
  return [...way(modelMs, enhancer ?? {}), ...providers.all().flatMap(({ provider }) => way(providerMs, provider))]
}
