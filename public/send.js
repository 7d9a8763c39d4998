// The composer: text and attached files, and sending them.
import { $, ask, banner, element, page, post } from './common.js'
import { chosenOptions } from './options.js'

let files = []
let sending = false
/** The message that could not be sent. A retry sends it under the same id, so that it is handled once. */
let unsent

/** Sends a text with the attached pictures and the chosen options. */
export const send = (text) => sendMessage({ text, files, options: JSON.stringify(chosenOptions()) })

/** Sends a command and leaves alone what is being composed. */
export const sendCommand = (text) => sendMessage({ text, files: none, options: '{}' })

const none = []

async function sendMessage({ text, files: attached, options }) {
  if (sending || (text.trim() === '' && attached.length === 0)) return
  const again = unsent?.text === text && unsent.files === attached && unsent.options === options
  const shown = shownFor({ text, images: attached.length, options })
  const message = again ? unsent : { id: freshId(), text, files: attached, options, shown }
  setSending(true)
  const trouble = await deliver(message)
  setSending(false)
  unsent = trouble === undefined ? undefined : message
  banner(trouble)
  if (trouble !== undefined) return
  if ($('text').value === text) $('text').value = ''
  grow()
  if (files === message.files) setFiles([])
  page.changed()
  $('text').focus({ preventScroll: true })
}

/** The price that the page shows for this message: the server charges no more. undefined: it shows none, or that of another one. */
function shownFor({ text, images, options }) {
  const { quoted } = page
  const isSame = quoted?.text === text.trim() && quoted.images === images && quoted.options === options
  return isSame ? quoted.price : undefined
}

/** What a press of the send button would send. */
export const composed = () => ({ text: $('text').value.trim(), images: files.length, size: sizeOfFirst() })

/** Its shape may decide the size of the result, and with it the price. undefined: not loaded yet. */
function sizeOfFirst() {
  const { naturalWidth: width = 0, naturalHeight: height = 0 } = $('chips').querySelector('img') ?? {}
  return width > 0 && height > 0 ? { width, height } : undefined
}

/** Presses a button of a message. Each press has an id of its own, by which the server handles it once. */
export const press = (button, message) => act('web/presses', { id: freshId(), button, message })

/** Forms that could not be sent. A retry sends the same values under the same id, so that they are handled once. */
const unsentForms = new Map()

export async function submit(values, files = []) {
  const key = JSON.stringify([values, files.map(({ name, size, lastModified }) => [name, size, lastModified])])
  const id = unsentForms.get(key) ?? freshId()
  unsentForms.set(key, id)
  const sent = await act('web/forms', { id, ...values }, files)
  if (sent) unsentForms.delete(key)
  return sent
}

/** Removes a form that the person does not want to send. */
export const closeForm = (message) => act('web/forms/closed', { message })

/** Resolves to whether it was sent. */
async function act(path, body, files = []) {
  try {
    const answer = files.length === 0 ? await post(path, body) : await postWith(files, path, body)
    if (answer.status === 401) page.begin()
    banner(answer.ok ? undefined : ((await answer.json()).error?.message ?? page.words.press_failed))
    return answer.ok
  } catch {
    banner(page.words.press_failed)
    return false
  }
}

function postWith(files, path, body) {
  const form = new FormData()
  form.set('form', JSON.stringify(body))
  for (const file of files) form.append('images', file)
  return ask(path, { method: 'POST', body: form })
}

/** Resolves to an error text. undefined: the message was sent. */
async function deliver({ id, text, files, options, shown }) {
  const form = new FormData()
  form.set('id', id)
  form.set('text', text)
  form.set('options', options)
  if (shown !== undefined) form.set('shown', shown)
  for (const file of files) form.append('images', file)
  try {
    const answer = await ask('web/messages', { method: 'POST', body: form })
    if (answer.ok) return undefined
    if (answer.status === 401) page.begin()
    return (await answer.json()).error?.message ?? page.words.failed
  } catch {
    return page.words.failed
  }
}

function setSending(now) {
  sending = now
  $('send').disabled = now
}

/** crypto.randomUUID exists only on pages served over https or from this machine. */
const freshId = () =>
  [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, '0')).join('')

function addFiles(list) {
  const added = [...list]
  if (added.length === 0) return
  const readable = added.filter(({ type }) => /^image\/(png|jpeg|webp)$/.test(type))
  const fitting = readable.filter(({ size }) => size <= 10 * 1024 * 1024)
  const all = [...files, ...fitting]
  if (readable.length < added.length) banner(page.words.image_type)
  else if (fitting.length < readable.length) banner(page.words.image_too_big)
  else banner(all.length > 14 ? page.words.too_many_files : undefined)
  setFiles(all.slice(0, 14))
}

function setFiles(list) {
  for (const picture of $('chips').querySelectorAll('img')) URL.revokeObjectURL(picture.src)
  files = list
  $('chips').replaceChildren(...files.map(chip))
  page.changed()
}

function chip(file) {
  const item = element('li')
  item.className = 'chip'
  const picture = element('img')
  picture.onload = () => page.changed()
  picture.src = URL.createObjectURL(file)
  picture.alt = file.name
  picture.title = file.name
  const remove = element('button', '×')
  remove.type = 'button'
  remove.setAttribute('aria-label', `${page.words.remove} ${file.name}`)
  remove.onclick = () => {
    setFiles(files.filter((each) => each !== file))
    $('text').focus()
  }
  item.append(picture, remove)
  return item
}

/** Fits the height of the text box to its text. */
function grow() {
  const text = $('text')
  text.style.height = 'auto'
  text.style.height = `${text.scrollHeight}px`
}

$('composer').onsubmit = (event) => {
  event.preventDefault()
  send($('text').value)
}
$('text').oninput = () => {
  grow()
  page.changed()
}
$('text').onkeydown = (event) => {
  // 229: Safari ends an input method's composition with this key code, without isComposing
  if (event.key !== 'Enter' || event.shiftKey || event.isComposing || event.keyCode === 229) return
  event.preventDefault()
  send($('text').value)
}
$('help').onclick = () => sendCommand('/help')
$('attach').onclick = () => $('files').click()
$('files').onchange = () => {
  addFiles($('files').files)
  $('files').value = ''
}
document.onpaste = (event) => {
  if ($('composer').hidden || event.clipboardData.files.length === 0) return
  event.preventDefault()
  addFiles(event.clipboardData.files)
}
document.ondragover = (event) => {
  event.preventDefault()
  $('drop').hidden = $('composer').hidden || !event.dataTransfer.types.includes('Files')
}
document.ondragleave = (event) => {
  if (event.relatedTarget === null) $('drop').hidden = true
}
document.ondrop = (event) => {
  event.preventDefault()
  $('drop').hidden = true
  if (!$('composer').hidden) addFiles(event.dataTransfer.files)
}
