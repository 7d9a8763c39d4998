/** A form as Discord's modal, and what a person submitted in it. */
import {
  type APIAttachment,
  type APILabelComponent,
  type APIModalInteractionResponseCallbackData,
  type APIModalSubmission,
  ComponentType,
  TextInputStyle,
} from 'discord-api-types/v10'
import type { Form, FormField } from '../../core/ports/forms.ts'
import { cut } from './text.ts'

/** Discord's limits: characters of a title or a label, of a hint, of a value, and options of a menu. */
const maxTitle = 45
const maxHint = 100
const maxValue = 4000
const maxOptions = 25
const maxOptionText = 100
const maxFiles = 10

export function modalOf({ id, title, fields }: Form): APIModalInteractionResponseCallbackData {
  return {
    custom_id: id,
    title: cut(title, maxTitle),
    components: fields.map((field) => ({
      type: ComponentType.Label,
      label: cut(field.label, maxTitle),
      ...(field.kind === 'files' && field.hint && { description: cut(field.hint, maxHint) }),
      component: componentOf(field),
    })),
  }
}

/** By the field's name. */
export function submittedFields({ components }: APIModalSubmission): Record<string, string> {
  const inputs = components.flatMap((part) => {
    if (part.type === ComponentType.Label) return [part.component]
    return part.type === ComponentType.ActionRow ? part.components : []
  })
  return Object.fromEntries(
    inputs.flatMap((input): [string, string][] => {
      if (input.type === ComponentType.TextInput) return [[input.custom_id, input.value]]
      return input.type === ComponentType.StringSelect ? [[input.custom_id, input.values[0] ?? '']] : []
    }),
  )
}

/** The pictures of a form's field for files. */
export function submittedFiles({ components, resolved }: APIModalSubmission): APIAttachment[] {
  const ids = components.flatMap((part) =>
    part.type === ComponentType.Label && part.component.type === ComponentType.FileUpload ? part.component.values : [],
  )
  return ids.flatMap((id) => resolved?.attachments?.[id] ?? [])
}

function componentOf(field: FormField): APILabelComponent['component'] {
  if (field.kind === 'files') {
    const { name, required = false } = field
    return {
      type: ComponentType.FileUpload,
      custom_id: name,
      required,
      min_values: required ? 1 : 0,
      max_values: maxFiles,
    }
  }
  return field.kind === 'choice' && fitsMenu(field) ? menuOf(field) : inputOf(field)
}

const fitsMenu = ({ choices = [] }: FormField) => choices.length > 0 && choices.length <= maxOptions

function menuOf({ name, value, hint, required = false, choices = [] }: FormField): APILabelComponent['component'] {
  return {
    type: ComponentType.StringSelect,
    custom_id: name,
    required,
    min_values: required ? 1 : 0,
    max_values: 1,
    placeholder: hint && cut(hint, maxHint),
    options: choices.map((choice) => ({
      value: choice.value,
      label: cut(choice.label, maxOptionText),
      default: choice.value === value,
    })),
  }
}

/** Also for choices that do not fit into a menu. */
function inputOf({ name, kind, value, hint, required = false, maxLength = maxValue }: FormField) {
  const limit = Math.min(maxLength, maxValue)
  return {
    type: ComponentType.TextInput,
    custom_id: name,
    style: kind === 'text' ? TextInputStyle.Paragraph : TextInputStyle.Short,
    required,
    max_length: limit,
    value: value && cut(value, limit),
    placeholder: hint && cut(hint, maxHint),
  } as const
}
