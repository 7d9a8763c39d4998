// A form below a message of the bot.
import { element, page } from './common.js'
import { closeForm, submit } from './send.js'

let forms = 0

/** `message`: id of the message that shows it. The server removes the form from the message once it was sent. */
export function formBelow(message, { id, fields }) {
  const form = element('form')
  form.className = 'form'
  forms += 1
  const inputs = fields.map((field) => inputOf(field, `form-${forms}-${field.name}`))
  for (const { label, input } of inputs) form.append(label, input)
  const send = element('button', page.words.send)
  send.className = 'main'
  const close = element('button', page.words.close, { type: 'button' })
  close.onclick = async () => {
    close.disabled = true
    close.disabled = await closeForm(message)
  }
  const ends = element('div', undefined, { className: 'ends' })
  ends.append(send, close)
  form.append(ends)
  form.onsubmit = async (event) => {
    event.preventDefault()
    send.disabled = true
    const values = Object.fromEntries(inputs.map(({ name, input }) => [name, input.value]))
    send.disabled = await submit({ form: id, message, fields: values })
  }
  return form
}

function inputOf(field, id) {
  const label = element('label', field.label)
  label.htmlFor = id
  const input = field.kind === 'choice' ? menuOf(field) : textOf(field)
  input.id = id
  input.name = field.name
  input.required = field.required ?? false
  return { name: field.name, label, input }
}

function textOf({ value, hint, maxLength }) {
  const text = element('textarea')
  text.rows = 3
  text.value = value ?? ''
  if (hint) text.placeholder = hint
  if (maxLength) text.maxLength = maxLength
  return text
}

function menuOf({ value, hint, required, choices = [] }) {
  const menu = element('select')
  if (!required || value === undefined) menu.append(optionOf({ value: '', label: hint ?? '' }))
  for (const choice of choices) menu.append(optionOf(choice))
  menu.value = value ?? ''
  return menu
}

function optionOf({ value, label }) {
  const option = element('option', label)
  option.value = value
  return option
}
