/** Draws the same request with another model, which a form asks for. The presser pays. */
import { isAllowed } from '../../core/accounts/settings.ts'
import { AppError } from '../../core/errors.ts'
import { asInput, maskFrom, resultOf } from '../../core/generation/result.ts'
import type { Model } from '../../core/ports/models.ts'
import { findModel } from '../../core/request/choose-model.ts'
import { remixesOf } from '../../core/results/again.ts'
import type { Action } from '../action.ts'
import { formOf } from '../form.ts'
import { showOffers, submitOffer } from '../submit.ts'

export const remixAction: Action = {
  name: 'remix',
  who: 'viewer',
  form: {
    audience: 'public',
    async make({ core, call, words, settings: { chosen }, values: { ref } }) {
      const result = await resultOf(core, ref)
      const all = remixesOf(core, result)
      const [first] = all
      if (!first) throw new AppError('unknown_button')
      const remixes = all.filter(({ chosen: { model } }) => isAllowed(chosen, model))
      if (remixes.length === 0) {
        throw new AppError('model_not_here', { model: first.chosen.model.id, available: chosen.allowed })
      }
      const prices = remixes.map(({ chosen: { model }, price }) => [offerOf(model), price] as const)
      await showOffers(core, call, { id: ref, prices })
      const choices = remixes.map(({ chosen: { model }, price, count }) => ({
        value: model.id,
        label: words.forms.remix.model({
          title: model.title,
          price,
          count: count === result.request.count ? undefined : count,
        }),
      }))
      return formOf(words, { action: 'remix', ref, fields: { model: { kind: 'choice', required: true, choices } } })
    },
  },
  async run({ core, call, values: { ref, fields } }) {
    const result = await resultOf(core, ref)
    const { id } = findModel(core.models.all(), fields.model ?? '')
    const remixes = remixesOf(core, result)
    const remix = remixes.find(({ chosen }) => chosen.model.id === id)
    if (!remix)
      throw new AppError('unknown_model', { name: id, available: remixes.map(({ chosen }) => chosen.model.id) })
    const { chosen, params } = remix
    return submitOffer(core, call, {
      chosen,
      params,
      images: result.inputs.map((picture) => asInput(core, picture)),
      mask: params.mask && maskFrom(core, result),
      parent: { id: ref, button: 'remix' },
      result,
      offers: [offerOf(chosen.model)],
    })
  },
}

const offerOf = ({ id }: Model) => `remix:${id}`
