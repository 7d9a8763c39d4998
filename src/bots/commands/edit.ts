/**
 * `/edit [id] words`: changes a picture that is attached, replied to, or the person's own and named by its id. Without words, a form
 * asks for them, and without a picture for that too, where forms take files.
 */
import type { Core } from '../../core/core.ts'
import { AppError } from '../../core/errors.ts'
import { keepLoras, proposeEdit } from '../../core/generation/edit.ts'
import { asInput, pictureOf, readResult, type StoredResult } from '../../core/generation/result.ts'
import type { Call } from '../../core/ports/chat.ts'
import type { Form } from '../../core/ports/forms.ts'
import { checkParams } from '../../core/request/check.ts'
import { chooseModel, inputsOf, offeredAspects } from '../../core/request/choose-model.ts'
import { readExpand } from '../../core/request/grow.ts'
import { parseMessage } from '../../core/request/parse.ts'
import { ownResult } from '../../core/results/own.ts'
import { editAction } from '../actions/edit.ts'
import { type Answer, defineCommand } from '../command.ts'
import { uploadForm } from '../photos/upload.ts'
import { submitFor } from '../submit.ts'

export const editCommand = defineCommand({
  name: 'edit',
  needs: 'everyone',
  isRequest: true,
  audience: 'chosen',
  options: {
    prompt: { type: 'prompt' },
    id: { type: 'text' },
    image: { type: 'image' },
    expand: { type: 'text', max: 60 },
  },
  opensForm: (given) => !['prompt', 'image', 'expand'].some((name) => given.includes(name)),
  async run(asked) {
    const { core, call, values, images, parent, settings } = asked
    const named = values.id === undefined ? splitId(values.prompt ?? '') : { id: values.id, text: values.prompt ?? '' }
    const result = await resultFor(core, call, { id: named.id, parent: parent?.id })
    const saysNothing = named.text.trim() === '' && values.expand === undefined
    if (!result && images.length === 0) {
      if (!saysNothing || !core.surfaces.get(call.surface)?.uploadsInForms) throw new AppError('nothing_to_edit')
      return asking(call, uploadForm(asked))
    }
    if (saysNothing) {
      if (!result || !editAction.form) throw new AppError('empty_prompt')
      const form = await editAction.form.make({ ...asked, values: { ref: result.id, fields: {} }, images: [] })
      return { ...asking(call, form), confidential: result.private }
    }
    // a picture that the person replied to is among the images already
    const all = named.id !== undefined && result ? [asInput(core, pictureOf(result)), ...images] : images
    const { private: wanted, ask, ...written } = parseMessage(named.text, { ratios: offeredAspects(core.models.all()) })
    const params = { ...written, ...(values.expand !== undefined && { expand: readExpand(values.expand) }) }
    if (ask) throw new AppError('bad_option', { name: 'enhance', value: 'ask', expected: 'on, off' })
    const { allowed } = settings.chosen
    const proposed = result && all.length === 1 ? proposeEdit(core, { ...result, allowed }) : undefined
    const own = proposed?.images === 1 ? proposed.model.id : undefined
    const first = chooseModel(core, {
      name: params.model ?? (params.expand || params.loras ? undefined : own),
      prefer: own === undefined ? [] : [own],
      allowed: params.model === undefined ? allowed : null,
      ...inputsOf(params, all.length),
      words: params.prompt !== '',
      check: (model) => checkParams(model, params, all.length),
    })
    const from = result && { id: result.id, button: named.id === undefined ? 'reply' : 'edit' }
    const isPrivate = wanted ?? settings.chosen.private
    const { chosen, loras } =
      result && !params.loras
        ? keepLoras(core, { chosen: first, inputs: inputsOf(params, all.length), drawn: result })
        : { chosen: first, loras: params.loras }
    return submitFor(core, call, {
      params: { ...params, loras },
      images: all,
      chosen,
      parent: from,
      private: isPrivate,
    })
  },
})

const asking = ({ locale, from }: Call, form: Form): Answer => ({
  locale,
  state: 'info',
  content: { kind: 'text', text: form.title },
  private: true,
  form: { ...form, person: from.id },
})

/** Splits '1a2b3c4d make it night'; the id may follow '#'. */
function splitId(text: string): { id?: string; text: string } {
  const [start = '', id] = /^\s*(#?[0-9a-f]{8}(?:(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})?)(?=\s|$)/i.exec(text) ?? []
  return { id, text: text.slice(start.length) }
}

/** Throws AppError unknown_request for an id that the person has no result of. */
async function resultFor(
  core: Core,
  call: Call,
  { id, parent }: { id?: string; parent?: string },
): Promise<StoredResult | undefined> {
  if (id === undefined) return parent === undefined ? undefined : readResult(core, parent)
  return ownResult(core, call.from, id)
}
