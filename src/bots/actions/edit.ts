/** Changes a result: asks for other words, a ratio and a model, and draws anew from its first picture. The presser pays. */
import type { InForce } from '../../core/accounts/settings.ts'
import type { Core } from '../../core/core.ts'
import { AppError } from '../../core/errors.ts'
import { editingModels, editingWith, keepLoras, proposeEdit, sameShape } from '../../core/generation/edit.ts'
import { asInput, pictureOf, resultOf, type StoredResult } from '../../core/generation/result.ts'
import type { RequestParams } from '../../core/ports/models.ts'
import { readAspect } from '../../core/request/aspect.ts'
import type { ChosenModel } from '../../core/request/check.ts'
import { canServe, chooseModel, findModel, inputsOf, offeredAspects } from '../../core/request/choose-model.ts'
import { type Message, parseMessage, promptLimit } from '../../core/request/parse.ts'
import type { Action } from '../action.ts'
import { formOf } from '../form.ts'
import { showOffers, submitOffer } from '../submit.ts'

export const editAction: Action = {
  name: 'edit',
  who: 'viewer',
  form: {
    audience: 'public',
    async make({ core, call, words, settings, values: { ref } }) {
      const { allowed } = settings.chosen
      const result = { ...(await resultOf(core, ref)), allowed }
      const { request } = result
      const models = editingModels(core, result)
      const proposed = proposeEdit(core, result)
      const prices = models.map(({ model: { id }, price }) => [offerOf(id), price] as const)
      await showOffers(core, call, {
        id: ref,
        prices: proposed ? [...prices, [proposal, proposed.price]] : prices,
      })
      const aspects = offeredAspects(models.map(({ model }) => model))
      return formOf(words, {
        action: 'edit',
        ref,
        fields: {
          prompt: { kind: 'text', value: request.prompt, required: true, maxLength: promptLimit },
          aspect: { kind: 'choice', choices: aspects.map((value) => ({ value, label: value })) },
          model: {
            kind: 'choice',
            value: proposed?.model.id,
            required: true,
            choices: models.map(({ model: { id, title }, price, images }) => ({
              value: id,
              label: words.forms.edit.model({ title, price, wordsOnly: images === 0 }),
            })),
          },
          pictures: { kind: 'files' },
        },
      })
    },
  },
  async run({ core, call, images: added, settings, values: { ref, fields } }) {
    const { allowed } = settings.chosen
    const result = { ...(await resultOf(core, ref)), allowed }
    const { prompt = '', aspect = '', model = '' } = fields
    // an unchanged prompt was parsed before, so it is not searched for flags and ratios again
    const ratios = offeredAspects(core.models.all())
    const {
      private: asked,
      ask,
      ...written
    }: Message = prompt === result.request.prompt ? { prompt } : parseMessage(prompt, { ratios })
    if (ask) throw new AppError('bad_option', { name: 'enhance', value: 'ask', expected: 'on, off' })
    const proposed = proposeEdit(core, result)?.model.id
    // order of precedence: the model changed in the form, a flag in the prompt, the model that the form proposed
    const isUnchanged = model === '' || model === proposed
    const name = (isUnchanged ? written.model : undefined) ?? (model || proposed)
    const isProposed = isUnchanged && written.model === undefined
    const { chosen: first, own } = chooseFor(core, { name, isProposed, written, added: added.length, result })
    const images = [...(own === 0 ? [] : [asInput(core, pictureOf(result))]), ...added]
    const { chosen, loras } = written.loras
      ? { chosen: first, loras: written.loras }
      : keepLoras(core, { chosen: first, inputs: inputsOf(written, images.length), drawn: result })
    const params: RequestParams = {
      ...written,
      loras,
      aspect:
        aspect === ''
          ? (written.aspect ?? (images.length === 0 ? sameShape(chosen.takes, result) : undefined))
          : readAspect(aspect),
    }
    return submitOffer(core, call, {
      params,
      images,
      chosen,
      private: asked,
      parent: { id: ref, button: 'edit' },
      result,
      // a person who leaves the model as it is was shown the price of the one proposed then
      offers: [offerOf(chosen.model.id), ...(isProposed || chosen.model.id === proposed ? [proposal] : [])],
      times: written.count,
    })
  },
}

interface Choice {
  name: string | undefined
  /** The person left the model as the form proposed it. */
  isProposed: boolean
  written: RequestParams
  /** Pictures that were added to that of the result. */
  added: number
  result: StoredResult & Pick<InForce, 'allowed'>
}

/** `own`: whether the picture of the result is used. A proposed model that does not take what was added gives way to one that does. */
function chooseFor(
  core: Core,
  { name, isProposed, written, added, result }: Choice,
): { chosen: ChosenModel; own: 0 | 1 } {
  const model = name === undefined ? undefined : findModel(core.models.all(), name)
  const own = model ? (editingWith(core, model, result)?.images ?? 1) : 1
  const needs = (images: number) => ({ ...inputsOf(written, images), words: true })
  const adds = added > 0 || written.expand !== undefined || written.loras !== undefined
  const givesWay = model && isProposed && adds && !canServe(core, model, needs(1 + added))
  const { allowed } = result
  if (givesWay) return { chosen: chooseModel(core, { allowed, ...needs(1 + added) }), own: 1 }
  return {
    chosen: chooseModel(core, { name, allowed: name === undefined ? allowed : null, ...needs(own + added) }),
    own,
  }
}

/** The price of the model that the form proposes. */
const proposal = 'edit:'
const offerOf = (id: string) => `edit:${id}`
