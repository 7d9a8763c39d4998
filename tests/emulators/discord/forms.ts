/** Converts what a person picks in a menu or enters into a modal to interaction data. Throws if Discord's client would not send it. */
import { attachmentJson } from './cdn.ts'
import { everyComponent } from './render.ts'
import type { Attachment, Json, Upload } from './types.ts'

const TYPE = { row: 1, stringSelect: 3, textInput: 4, textDisplay: 10, label: 18, fileUpload: 19 }

/** Text, values of a menu, or files of an upload field, by custom id. */
export type ModalValues = Record<string, string | string[] | Upload[]>

export function checkPicks({ type, custom_id: customId, options, ...limits }: Json, values: string[]) {
  const { min_values: least = 1, max_values: most = 1 } = limits as { min_values?: number; max_values?: number }
  if (values.length < least || values.length > most)
    throw new Error(`menu "${customId}" takes ${least} to ${most} values, not ${values.length}`)
  if (type !== TYPE.stringSelect) return
  const offered = (options as { value: string }[]).map(({ value }) => value)
  const unknown = values.find((value) => !offered.includes(value))
  if (unknown !== undefined)
    throw new Error(`menu "${customId}" has no value "${unknown}", only: ${offered.join(', ')}`)
}

/** `components` and `resolved` of a modal submission. Fields without a value keep what the modal filled in. */
export function fillModal(modal: Json, values: ModalValues, upload: (file: Upload) => Attachment) {
  const attachments: Json = {}
  const fields = [...everyField(modal.components as Json[])]
  const unknown = Object.keys(values).find((name) => !fields.some(({ custom_id: customId }) => customId === name))
  if (unknown !== undefined) throw new Error(`the modal has no field "${unknown}"`)
  const shownIn = (field: Json) => values[String(field.custom_id)] ?? filledIn(field)
  for (const field of fields) {
    if (field.type === TYPE.textInput) checkText(field, shownIn(field) ?? '')
    if (field.type === TYPE.stringSelect) checkMenu(field, shownIn(field))
    if (field.type === TYPE.fileUpload) checkUpload(field, shownIn(field) ?? [])
  }

  function fill(component: Json): Json {
    const { type, id = 1, custom_id: customId } = component
    if (type === TYPE.label) return { type, id, component: fill(component.component as Json) }
    if (type === TYPE.row) return { type, id, components: (component.components as Json[]).map(fill) }
    const value = shownIn(component)
    if (type === TYPE.fileUpload && value === undefined) return { type, id, custom_id: customId, values: [] }
    if (!Array.isArray(value)) return { type, id, custom_id: customId, value: value ?? '' }
    const picks = value.map((pick) => {
      if (typeof pick === 'string') return pick
      const file = upload(pick)
      attachments[file.id] = attachmentJson(file, true)
      return file.id
    })
    return { type, id, custom_id: customId, values: picks }
  }

  const components = (modal.components as Json[]).filter(({ type }) => type !== TYPE.textDisplay).map(fill)
  return { components, ...(Object.keys(attachments).length > 0 ? { resolved: { attachments } } : {}) }
}

function* everyField(components: Json[]): Generator<Json> {
  for (const component of everyComponent(components)) {
    const field = (component.component as Json | undefined) ?? component
    if (field.custom_id !== undefined) yield field
  }
}

function filledIn({ type, value, options }: Json): string | string[] | undefined {
  if (type === TYPE.textInput) return value as string | undefined
  if (type !== TYPE.stringSelect) return undefined
  return (options as { value: string; default?: boolean }[]).filter((each) => each.default).map((each) => each.value)
}

function checkMenu(field: Json, picks: unknown) {
  if (!Array.isArray(picks)) throw new Error(`menu "${field.custom_id}" takes a list of values`)
  if (picks.length === 0 && field.required === false) return
  checkPicks(field, picks as string[])
}

function checkUpload({ custom_id: customId, ...limits }: Json, files: unknown) {
  const { required = true, min_values: least = 1, max_values: most = 1 } = limits as Record<string, number | boolean>
  const count = Array.isArray(files) ? files.length : 0
  if (count === 0 && !required) return
  if (count < Math.max(1, Number(least)) || count > Number(most))
    throw new Error(`field "${customId}" takes ${least} to ${most} files, not ${count}`)
}

function checkText(field: Json, value: unknown) {
  const { custom_id: customId, required = true, min_length: least = 0, max_length: most = 4000 } = field
  if (typeof value !== 'string') throw new Error(`field "${customId}" takes text`)
  if (value === '' && !required) return
  if (value === '') throw new Error(`field "${customId}" is required`)
  if (value.length < (least as number) || value.length > (most as number))
    throw new Error(`field "${customId}" takes ${least} to ${most} characters, not ${value.length}`)
}
