/** Forms that change settings: two, because a form of Discord has five fields at most. */
import { AppError } from '../../core/errors.ts'
import type { Action } from '../action.ts'
import { type FormSpec, formOf } from '../form.ts'
import { changeSettings, type Filling, fieldOf, settingsReply, type Whose } from './reply.ts'

export const setPicturesAction = changing('setpictures', (filling) => ({
  model: fieldOf(filling, 'model'),
  aspect: fieldOf(filling, 'aspect'),
  count: fieldOf(filling, 'count'),
  enhance: fieldOf(filling, 'enhance'),
}))

export const setAnswersAction = changing('setanswers', (filling) => ({
  private: fieldOf(filling, 'private'),
  language: fieldOf(filling, 'language'),
  original: fieldOf(filling, 'original'),
}))

/** Below the person's own settings, for people who manage the group. */
export const groupSettingsAction: Action = {
  name: 'groupsettings',
  who: 'manager',
  async run({ core, call, settings }) {
    if (!call.place.group) throw new AppError('groups_only')
    return { ...settingsReply({ core, call, settings, whose: 'here' }), inPlace: true }
  },
}

/** `ref`: whose settings they are. */
function changing<const N extends 'setpictures' | 'setanswers'>(
  name: N,
  fieldsOf: (filling: Filling) => FormSpec<N>['fields'],
): Action {
  return {
    name,
    who: (ref) => (ref === 'here' ? 'manager' : 'everyone'),
    form: {
      audience: 'private',
      make: async ({ core, words, settings, values: { ref } }) => {
        const { person, chat, rules } = settings
        const chosen = whoseOf(ref) === 'here' ? { ...chat, allowed: rules.models ?? undefined } : person
        return formOf(words, { action: name, ref, fields: fieldsOf({ core, words, chosen }) })
      },
    },
    run: ({ core, call, values: { ref, fields } }) => changeSettings({ core, call, whose: whoseOf(ref) }, fields),
  }
}

function whoseOf(ref: string): Whose {
  if (ref !== 'own' && ref !== 'here') throw new AppError('unknown_button')
  return ref
}
