/** Asks for words, a ratio and a model, and draws from the pictures of any message. */
import { isAllowed } from '../../core/accounts/settings.ts'
import { quote } from '../../core/billing/quote.ts'
import { AppError } from '../../core/errors.ts'
import type { Model } from '../../core/ports/models.ts'
import { canServe, chooseModel, drawing, offeredAspects } from '../../core/request/choose-model.ts'
import { promptLimit } from '../../core/request/parse.ts'
import type { Action, Pressed } from '../action.ts'
import type { Asked } from '../command.ts'
import { readRequest } from '../commands/flux.ts'
import { formOf } from '../form.ts'
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
  async run(asked) {
    const { core, call, values, images, parent, settings } = asked
    const { prompt = '', aspect = '', model = '' } = values.fields
    const typed = {
      prompt,
      aspect: aspect === '' ? undefined : aspect,
      // a model named in the words wins over the one that the form proposed
      model: model === proposed(asked).id ? undefined : model,
    }
    const { isDraft, ...wanted } = readRequest(core, { values: typed, images: images.length, set: settings.chosen })
    return (isDraft ? draftFor : submitFor)(core, call, { ...wanted, images, parent })
  },
}

/** The price does not depend on what they say. */
const anyWords = 'words'

function makeForm(asked: Asked<Pressed>) {
  const { core, words, values, images, settings } = asked
  // the surface no longer has them
  if (images.length === 0) throw new AppError('question_over')
  const count = images.length
  const { id } = proposed(asked)
  const models = drawing(core.models.all()).filter(
    (model) => isAllowed(settings.chosen, model) && canServe(core, model, { images: count, words: true }),
  )
  const priceFor = (model: Model) => {
    const typed = { prompt: anyWords, model: model.id }
    const { chosen, params } = readRequest(core, { values: typed, images: count, set: settings.chosen })
    return quote(core, { chosen, params, images: count }).price
  }
  return formOf(words, {
    action: 'useinput',
    ref: values.ref,
    fields: {
      prompt: { kind: 'text', required: true, maxLength: promptLimit },
      aspect: { kind: 'choice', choices: offeredAspects(models).map((value) => ({ value, label: value })) },
      model: {
        kind: 'choice',
        value: id,
        required: true,
        choices: models.map((model) => ({ value: model.id, label: words.priced(model.title, priceFor(model)) })),
      },
    },
  })
}

/** Throws AppError too_many_images. */
function proposed({ core, images, settings: { chosen } }: Pick<Asked<Pressed>, 'core' | 'images' | 'settings'>): Model {
  const prefer = chosen.model === undefined ? [] : [chosen.model]
  return chooseModel(core, { allowed: chosen.allowed, images: images.length, words: true, prefer }).model
}
