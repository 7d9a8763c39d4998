/** Draws the same request with another model, which a form asks for. The presser pays. */
import { AppError } from '../../core/errors.ts'
import { asInput, resultOf } from '../../core/generation/result.ts'
import { findModel } from '../../core/request/choose-model.ts'
import { remixesOf } from '../../core/results/again.ts'
import type { Action } from '../action.ts'
import { formOf } from '../form.ts'
import { submitFor } from '../submit.ts'

export const remixAction: Action = {
  name: 'remix',
  who: 'viewer',
  form: {
    audience: 'public',
    async make({ core, words, values: { ref } }) {
      const result = await resultOf(core, ref)
      const remixes = remixesOf(core, result)
      if (remixes.length === 0) throw new AppError('unknown_button')
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
    return submitFor(core, call, {
      chosen,
      params,
      images: result.inputs.map((picture) => asInput(core, picture)),
      parent: { id: ref, button: 'remix' },
    })
  },
}
