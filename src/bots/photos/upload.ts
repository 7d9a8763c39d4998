/** A form that takes the picture to edit as well, where a person names none: `/edit` alone. */
import { AppError } from '../../core/errors.ts'
import type { Action, Pressed } from '../action.ts'
import type { Asked } from '../command.ts'
import { formOf } from '../form.ts'
import { drawFromForm, fieldsFor } from '../menus/input.ts'

/** The form offers models before it has pictures; most people add one. */
const expectedPictures = 1

/** No button opens it: its form is the answer to a command. */
export const editUploadAction: Action = {
  name: 'editupload',
  who: 'everyone',
  form: { audience: 'public', make: async (asked) => uploadForm(asked) },
  async run(asked) {
    // Discord lets no person leave it out; another program may
    if (asked.images.length === 0) throw new AppError('nothing_to_edit')
    return drawFromForm(asked, expectedPictures)
  },
}

export const uploadForm = (asked: Pick<Asked<Pressed>, 'core' | 'words' | 'settings'>) =>
  formOf(asked.words, {
    action: 'editupload',
    ref: 'own',
    fields: { pictures: { kind: 'files', required: true }, ...fieldsFor(asked, expectedPictures) },
  })
