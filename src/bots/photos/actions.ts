/** The buttons below a picture that was sent without words. Only the person who sent it may press them. */
import { AppError } from '../../core/errors.ts'
import type { RequestParams } from '../../core/ports/models.ts'
import type { ChosenModel } from '../../core/request/check.ts'
import { promptLimit } from '../../core/request/parse.ts'
import { describePicture } from '../../core/results/describe.ts'
import { readOffer } from '../../core/results/picture-offers.ts'
import type { Action, ActionName, Pressed } from '../action.ts'
import type { Answer, Asked } from '../command.ts'
import { formOf } from '../form.ts'
import { draftFor, submitFor } from '../submit.ts'
import { buttonsWithPrices, enlargementFor, requestOf } from './offer.ts'

export const varyPhotoAction: Action = {
  name: 'varyphoto',
  who: 'everyone', // `readOffer` refuses other people
  answers: 'public',
  run: (asked) => drawFrom(asked, 'varyphoto', requestOf(asked)),
}

export const editPhotoAction: Action = {
  name: 'editphoto',
  who: 'everyone',
  form: {
    audience: 'public',
    async make({ core, call, words, values: { ref } }) {
      await readOffer(core, call, ref)
      const prompt = { kind: 'text', required: true, maxLength: promptLimit } as const
      return formOf(words, { action: 'editphoto', ref, fields: { prompt } })
    },
  },
  run: (asked) => drawFrom(asked, 'editphoto', requestOf(asked, asked.values.fields.prompt)),
}

export const enlargePhotoAction: Action = {
  name: 'enlargephoto',
  who: 'everyone',
  answers: 'public',
  run: (asked) => drawFrom(asked, 'enlargephoto', enlargementFor(asked.core)),
}

export const describePhotoAction: Action = {
  name: 'describephoto',
  who: 'everyone',
  answers: 'public',
  async run({ core, call, words, values: { ref } }) {
    const { picture } = await readOffer(core, call, ref)
    const text = words.described(await describePicture(core, call.from, picture))
    return { locale: call.locale, state: 'info', content: { kind: 'text', text } }
  },
}

interface Wanted {
  chosen: ChosenModel
  params: RequestParams
  private?: boolean
  /** Whether the person sees the enhanced prompt first. */
  isDraft?: boolean
}

/** For no more than the button shows, unless the person wrote another model or count. */
async function drawFrom(asked: Asked<Pressed>, action: ActionName, wanted: Wanted): Promise<Answer> {
  const { core, call, values } = asked
  const offer = await readOffer(core, call, values.ref)
  const { isDraft = false, ...request } = wanted
  const images = [offer.picture]
  if (isDraft) return draftFor(core, call, { ...request, images })
  const shownPrice = isAsOffered(asked, wanted) ? offer.quoted[action] : undefined
  try {
    return await submitFor(core, call, { ...request, images, shownPrice })
  } catch (thrown) {
    if (!(thrown instanceof AppError) || thrown.kind !== 'price_rose') throw thrown
    // the buttons show today's prices, so that the next press agrees to them
    const newButtons = await buttonsWithPrices(asked, offer)
    const content = { kind: 'refusal', error: thrown.kind, data: thrown.data } as const
    return { locale: call.locale, state: 'failed', content, private: true, newButtons }
  }
}

function isAsOffered(asked: Asked<Pressed>, { chosen, params }: Wanted): boolean {
  const { prompt } = params
  if (prompt === '') return true
  const offered = requestOf(asked, 'x')
  return offered.chosen.model.id === chosen.model.id && (params.count ?? 1) === (offered.params.count ?? 1)
}
