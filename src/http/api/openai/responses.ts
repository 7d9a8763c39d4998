/** Renders the outcome of a request as OpenAI's images response, and the fields it shares with events and chat. */
import { AppError } from '../../../core/errors.ts'
import { isExpired, type Outcome } from '../../../core/history/outcome.ts'
import { base64 } from '../../server/json.ts'
import type { ApiParts } from '../parts.ts'
import type { ImagesResponse } from './response-schemas.ts'

export type Format = 'url' | 'b64_json'

type Picture = Outcome['pictures'][number]

/** Throws the AppError that ended the request, if any, or pictures_expired. */
export function assertSucceeded(outcome: Outcome): void {
  if (outcome.error) throw outcome.error
  if (isExpired(outcome)) throw new AppError('pictures_expired')
}

/** Throws AppError. */
export async function imagesResponseOf(parts: ApiParts, outcome: Outcome, format: Format): Promise<ImagesResponse> {
  assertSucceeded(outcome)
  const revised = outcome.enhanced === null ? {} : { revised_prompt: outcome.enhanced }
  const data = await Promise.all(
    outcome.pictures.map(async (picture) => ({ ...(await pictureIn(parts, picture, format)), ...revised })),
  )
  const seed = outcome.seed === null ? {} : { seed: outcome.seed }
  return {
    created: seconds(outcome.createdAt),
    data,
    ...propertiesOf(outcome),
    model: outcome.model,
    ...seed,
    usage: usageOf(outcome),
  }
}

type PictureFields = Pick<ImagesResponse['data'][number], 'url' | 'b64_json'>

export async function pictureIn(parts: ApiParts, picture: Picture, format: Format): Promise<PictureFields> {
  if (format === 'url') return { url: await linkTo(parts, picture) }
  const object = await parts.pictures.load(picture.key)
  if (!object) throw new AppError('internal', {}, { cause: new Error(`no object under ${picture.key}`) })
  // serialized as a JSON string
  return { b64_json: base64(object.data) as unknown as string }
}

export const linkTo = ({ core, imageExpirationSeconds }: ApiParts, { key }: Picture) =>
  core.store.link(key, imageExpirationSeconds)

const formats = { 'image/png': 'png', 'image/jpeg': 'jpeg', 'image/webp': 'webp' } as const

/** Properties of the stored picture, which may differ from the requested ones. */
export function propertiesOf({ pictures, request }: Outcome, picture = pictures[0]) {
  const { width, height } = picture ?? request
  return {
    size: `${width}x${height}`,
    quality: 'auto' as const,
    background: 'opaque' as const,
    output_format: formats[picture?.type ?? 'image/png'],
  }
}

/**
 * Clients add up token counts, so the response has some: a token for four characters of the prompt and for 32×32 pixels of
 * a result. Charges are in `credits`.
 */
export function usageOf({ prompt, pictures, credits }: Outcome) {
  const input = textTokens(prompt)
  const output = pictures.reduce((sum, { width, height }) => sum + Math.ceil((width * height) / 1024), 0)
  return {
    input_tokens: input,
    input_tokens_details: { image_tokens: 0, text_tokens: input },
    output_tokens: output,
    total_tokens: input + output,
    credits,
  }
}

export const textTokens = (text: string) => Math.ceil(text.length / 4)

/** Unix time in whole seconds. */
export const seconds = (time: Date) => Math.floor(time.getTime() / 1000)
