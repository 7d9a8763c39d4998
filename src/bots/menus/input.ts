/** Asks for words, a ratio and a model, and draws from the pictures of any message. */
import { isAllowed } from '../../core/accounts/settings.ts'
import { quote } from '../../core/billing/quote.ts'
import { AppError } from '../../core/errors.ts'
import type { Model } from '../../core/ports/models.ts'
import { canServe, chooseModel, drawing, offeredAspects } from '../../core/request/choose-model.ts'
import { promptLimit } from '../../core/request/parse.ts'
import type { Action, Pressed } from '../action.ts'
import type { Answer, Asked } from '../command.ts'
import { readRequest } from '../commands/flux.ts'
import { type FieldSpec, formOf } from '../form.ts'
import { draftFor, submitFor } from '../submit.ts'
import type { Menu } from './menu.ts'

export const inputMenu: Menu = {
  name: 'input',
  opensForm: true,
  async run(asked) {
    if (asked.images.length === 0) throw new AppError('no_picture')
    const form = makeForm({ ...asked, values: { ref: asked.values.ref, fields: {} } })
    const content = { kind: 'text', text: form.title } as const
    return { locale: asked.call.locale, state: 'info', content, private: true, form }
  },
}

/** No button opens it: its form is the answer to a menu. The surface finds the pictures by the ref. */
export const inputAction: Action = {
  name: 'useinput',
  who: 'everyone',
  form: { audience: 'public', make: async (asked) => makeForm(asked) },
  run: (asked) => drawFromForm(asked, asked.images.length),
}

/** `shown`: the number of pictures for which the form offered its models. */
export async function drawFromForm(asked: Asked<Pressed>, shown: number): Promise<Answer> {
  const { core, call, values, images, parent, settings } = asked
  const { prompt = '', aspect = '', model = '' } = values.fields
  const typed = {
    prompt,
    aspect: aspect === '' ? undefined : aspect,
    // a model named in the words wins over the one that the form proposed
    model: model === proposed(asked, shown).id ? undefined : model,
  }
  const { isDraft, ...wanted } = readRequest(core, { values: typed, images: images.length, set: settings.chosen })
  return (isDraft ? draftFor : submitFor)(core, call, { ...wanted, images, parent })
}

/** The price does not depend on what they say. */
const anyWords = 'words'

function makeForm(asked: Asked<Pressed>) {
  const { words, values, images } = asked
  // the surface no longer has them
  if (images.length === 0) throw new AppError('question_over')
  return formOf(words, { action: 'useinput', ref: values.ref, fields: fieldsFor(asked, images.length) })
}

/** Words, a ratio, and the models that take so many pictures, with their prices. Throws AppError too_many_images. */
export function fieldsFor(asked: Pick<Asked<unknown>, 'core' | 'words' | 'settings'>, count: number) {
  const { core, words, settings } = asked
  const { id } = proposed(asked, count)
  const models = drawing(core.models.all()).filter(
    (model) => isAllowed(settings.chosen, model) && canServe(core, model, { images: count, words: true }),
  )
  const priceFor = (model: Model) => {
    const typed = { prompt: anyWords, model: model.id }
    const { chosen, params } = readRequest(core, { values: typed, images: count, set: settings.chosen })
    return quote(core, { chosen, params, images: count }).price
  }
  return {
    prompt: { kind: 'text', required: true, maxLength: promptLimit },
    aspect: { kind: 'choice', choices: offeredAspects(models).map((value) => ({ value, label: value })) },
    model: {
      kind: 'choice',
      value: id,
      required: true,
      choices: models.map((model) => ({ value: model.id, label: words.priced(model.title, priceFor(model)) })),
    },
  } as const satisfies Record<string, FieldSpec>
}

/** Throws AppError too_many_images. */
function proposed({ core, settings: { chosen } }: Pick<Asked<unknown>, 'core' | 'settings'>, count: number): Model {
  const prefer = chosen.model === undefined ? [] : [chosen.model]
  return chooseModel(core, { allowed: chosen.allowed, images: count, words: true, prefer }).model
}
