/**
 * `/edit [id] words`: changes a picture that is attached, replied to, or the person's own and named by its id. Without words, a form
 * asks for them.
 */
import type { Core } from '../../core/core.ts'
import { AppError } from '../../core/errors.ts'
import { proposeEdit } from '../../core/generation/edit.ts'
import { asInput, pictureOf, readResult, type StoredResult } from '../../core/generation/result.ts'
import type { Call } from '../../core/ports/chat.ts'
import { checkParams } from '../../core/request/check.ts'
import { chooseModel, offeredAspects } from '../../core/request/choose-model.ts'
import { parseMessage } from '../../core/request/parse.ts'
import { ownResult } from '../../core/results/own.ts'
import { editAction } from '../actions/edit.ts'
import { defineCommand } from '../command.ts'
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
  },
  opensForm: (given) => !given.includes('prompt') && !given.includes('image'),
  async run(asked) {
    const { core, call, values, images, parent, settings } = asked
    const named = values.id === undefined ? splitId(values.prompt ?? '') : { id: values.id, text: values.prompt ?? '' }
    const result = await resultFor(core, call, { id: named.id, parent: parent?.id })
    if (!result && images.length === 0) throw new AppError('nothing_to_edit')
    if (named.text.trim() === '') {
      if (!result || !editAction.form) throw new AppError('empty_prompt')
      const form = await editAction.form.make({ ...asked, values: { ref: result.id, fields: {} }, images: [] })
      const content = { kind: 'text', text: form.title } as const
      return {
        locale: call.locale,
        state: 'info',
        content,
        private: true,
        form: { ...form, person: call.from.id },
        confidential: result.private,
      }
    }
    // a picture that the person replied to is among the images already
    const all = named.id !== undefined && result ? [asInput(core, pictureOf(result)), ...images] : images
    const { private: wanted, ask, ...params } = parseMessage(named.text, { ratios: offeredAspects(core.models.all()) })
    if (ask) throw new AppError('bad_option', { name: 'enhance', value: 'ask', expected: 'on, off' })
    const { allowed } = settings.chosen
    const proposed = result && all.length === 1 ? proposeEdit(core, { ...result, allowed }) : undefined
    const chosen = chooseModel(core, {
      name: params.model ?? (proposed?.images === 1 ? proposed.model.id : undefined),
      allowed: params.model === undefined ? allowed : null,
      images: all.length,
      words: true,
      check: (model) => checkParams(model, params, all.length),
    })
    const from = result && { id: result.id, button: named.id === undefined ? 'reply' : 'edit' }
    const isPrivate = wanted ?? settings.chosen.private
    return submitFor(core, call, { params, images: all, chosen, parent: from, private: isPrivate })
  },
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
