/** Forms that change settings: two, because a form of Discord has five fields at most. */
import { AppError } from '../../core/errors.ts'
import type { Action, Pressed } from '../action.ts'
import type { Asked } from '../command.ts'
import { formOf } from '../form.ts'
import { changeSettings, fieldOf, type Whose } from './reply.ts'

const needs = (ref: string) => (ref === 'here' ? 'manager' : 'everyone')

export const setPicturesAction: Action = {
  name: 'setpictures',
  who: needs,
  form: {
    audience: 'private',
    async make(asked) {
      const filling = fillingOf(asked)
      return formOf(asked.words, {
        action: 'setpictures',
        ref: asked.values.ref,
        fields: {
          model: fieldOf(filling, 'model'),
          aspect: fieldOf(filling, 'aspect'),
          count: fieldOf(filling, 'count'),
          enhance: fieldOf(filling, 'enhance'),
        },
      })
    },
  },
  run: save,
}

export const setAnswersAction: Action = {
  name: 'setanswers',
  who: needs,
  form: {
    audience: 'private',
    async make(asked) {
      const filling = fillingOf(asked)
      return formOf(asked.words, {
        action: 'setanswers',
        ref: asked.values.ref,
        fields: {
          private: fieldOf(filling, 'private'),
          language: fieldOf(filling, 'language'),
          original: fieldOf(filling, 'original'),
        },
      })
    },
  },
  run: save,
}

function fillingOf({ core, words, settings, values: { ref } }: Asked<Pressed>) {
  return { core, words, chosen: whoseOf(ref) === 'here' ? settings.chat : settings.person }
}

async function save({ core, call, values: { ref, fields } }: Asked<Pressed>) {
  return changeSettings({ core, call, whose: whoseOf(ref) }, fields)
}

function whoseOf(ref: string): Whose {
  if (ref !== 'own' && ref !== 'here') throw new AppError('unknown_button')
  return ref
}
