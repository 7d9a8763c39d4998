/** The picture in an answer of the Gemini API, or why there is none. A refusal is an answer with status 200. */
import { z } from 'zod'
import { AppError } from '../../core/errors.ts'
import type { Json } from '../../db/json.ts'
import { readableReason } from '../reason.ts'

const partShape = z.looseObject({
  text: z.string().nullish(),
  /** The model shows what it tries on the way. */
  thought: z.boolean().nullish(),
  inlineData: z.looseObject({ data: z.string() }).nullish(),
})

const answerShape = z.looseObject({
  candidates: z
    .array(
      z.looseObject({
        content: z.looseObject({ parts: z.array(partShape).nullish() }).nullish(),
        finishReason: z.string().nullish(),
        finishMessage: z.string().nullish(),
      }),
    )
    .nullish(),
  promptFeedback: z.looseObject({ blockReason: z.string().nullish() }).nullish(),
})

/** Reasons that are about content: of the request, of the picture, or of someone's rights to it. */
const aboutContent = /SAFETY|PROHIBITED_CONTENT|BLOCKLIST|SPII|RECITATION/

/** Throws AppError moderated, provider_refused, bad_result. */
export function pictureIn(json: Json, key: string | undefined): Buffer {
  const answer = answerShape.safeParse(json).data
  if (!answer) throw badResult('the answer does not have the form of the API')
  const [candidate] = answer.candidates ?? []
  const parts = (candidate?.content?.parts ?? []).filter(({ thought }) => thought !== true)
  const picture = parts.find(({ inlineData }) => inlineData)?.inlineData
  if (picture && picture.data === '') throw badResult('the picture is empty')
  if (picture) return Buffer.from(picture.data, 'base64')
  const blocked = answer.promptFeedback?.blockReason
  const finished = candidate?.finishReason ?? ''
  if (blocked || aboutContent.test(finished)) {
    throw new AppError('moderated', { provider: 'gemini' }, { cause: new Error(`gemini: ${blocked || finished}`) })
  }
  // a model that answers in words says why it drew nothing
  const words = candidate?.finishMessage || parts.map(({ text }) => text ?? '').join('')
  const reason = readableReason(words.trim() || undefined, key)
  if (reason !== undefined) throw new AppError('provider_refused', { provider: 'gemini', reason })
  throw badResult(`the answer has no picture: ${finished || 'no reason'}`)
}

const badResult = (message: string) => new AppError('bad_result', { provider: 'gemini' }, { cause: new Error(message) })
