// A form below a message of the bot.
import { $, element, page } from './common.js'
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
    const written = inputs.filter(({ input }) => input.type !== 'file')
    const values = Object.fromEntries(written.map(({ name, input }) => [name, input.value]))
    const files = inputs.flatMap(({ input }) => [...(input.files ?? [])])
    send.disabled = await submit({ form: id, message, fields: values }, files)
  }
  takeFiles(form, inputs.find(({ input }) => input.type === 'file')?.input)
  return form
}

/** Pictures that are dropped on the form or pasted into it join those that were chosen. */
function takeFiles(form, input) {
  if (!input) return
  const add = (event, given) => {
    if (!given || given.files.length === 0) return
    event.preventDefault()
    event.stopPropagation()
    $('drop').hidden = true
    const all = new DataTransfer()
    for (const file of [...input.files, ...given.files]) all.items.add(file)
    input.files = all.files
  }
  form.ondrop = (event) => add(event, event.dataTransfer)
  form.onpaste = (event) => add(event, event.clipboardData)
}

function inputOf(field, id) {
  const label = element('label', field.label)
  label.htmlFor = id
  const input = { choice: menuOf, files: filesOf, text: textOf }[field.kind](field)
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

function filesOf({ hint }) {
  return element('input', undefined, {
    type: 'file',
    multiple: true,
    accept: 'image/png,image/jpeg,image/webp',
    title: hint ?? '',
  })
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
