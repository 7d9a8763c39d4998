// The conversation, updated live.
import { $, addressOf, banner, element, page } from './common.js'
import { formBelow } from './form.js'
import { press } from './send.js'

/** Message id → { item, version, state }. */
const shown = new Map()
/** Version of the latest change received. */
let last = 0
let source

export function disconnect() {
  source?.close()
  source = undefined
}

export function connect() {
  source?.close()
  const ours = new EventSource(addressOf(`web/events?after=${last}`))
  source = ours
  let lost = false
  ours.onopen = () => {
    if (lost || $('banner').textContent === page.words.lost) banner()
    lost = false
    // stored messages arrive right after the connection opens
    setTimeout(showEmpty, 300)
  }
  ours.onmessage = (event) => show(JSON.parse(event.data))
  ours.onerror = () => {
    if (source !== ours) return
    lost = true
    banner(page.words.lost)
    // the browser reconnects by itself, except after an error status
    if (ours.readyState === EventSource.CLOSED) setTimeout(page.begin, 3000)
  }
}

const showEmpty = () => {
  $('empty').hidden = shown.size > 0 || $('composer').hidden
}

function show(message) {
  last = Math.max(last, message.version)
  const existing = shown.get(message.id)
  if (existing && existing.version >= message.version) return
  if (message.removed) {
    existing?.item.remove()
    shown.delete(message.id)
    showEmpty()
    return
  }
  const item = render(message)
  const follow = atEnd || message.role === 'person'
  if (existing) existing.item.replaceWith(item)
  else insert(message.id, item)
  shown.set(message.id, { item, version: message.version, state: message.state })
  showEmpty()
  if (message.role === 'bot' && existing?.state !== message.state) $('announce').textContent = message.text
  if (follow) toEnd()
}

/** Whether to keep the newest message in view. A person who has scrolled back stays there. */
let atEnd = true

function toEnd() {
  const scroll = $('scroll')
  scroll.scrollTop = scroll.scrollHeight
}

/** An answer goes below its question, even if other messages came in between. */
function insert(id, item) {
  const question = id.endsWith(':answer') && shown.get(id.slice(0, -':answer'.length))
  if (question) question.item.after(item)
  else $('messages').append(item)
}

function render(message) {
  const item = element('li')
  item.className = `message ${message.role} ${message.state ?? ''}`
  if (message.images?.length > 0) item.append(pictures(message.images))
  if (message.text) item.append(element('p', message.text))
  if (message.files?.length > 0) {
    const names = element('p', `📎 ${message.files.join(', ')}`)
    names.className = 'files'
    item.append(names)
  }
  if (message.downloads?.length > 0) item.append(downloads(message.downloads))
  if (message.state === 'waiting') item.append(progress(message.percent))
  for (const row of message.buttons ?? []) item.append(buttons(message, row))
  if (message.form) item.append(formBelow(message.id, message.form))
  return item
}

function downloads(files) {
  const list = element('p')
  list.className = 'files'
  for (const { name, url } of files) {
    const link = element('a', `⬇ ${name}`)
    Object.assign(link, { href: url, download: name })
    list.append(link)
  }
  return list
}

function buttons({ id: message, state }, row) {
  const box = element('div')
  box.className = 'buttons'
  for (const { id, label, style } of row) {
    const button = element('button', label)
    button.type = 'button'
    if (style) button.className = style
    button.onclick = async () => {
      button.disabled = true
      const sent = await press(id, message)
      // a press of a waiting message changes it; below a result a button can be pressed again
      button.disabled = sent && (state === 'waiting' || state === 'asking')
    }
    box.append(button)
  }
  return box
}

function progress(percent) {
  const bar = element('div')
  bar.className = percent === undefined ? 'progress unknown' : 'progress'
  bar.role = 'progressbar'
  bar.ariaLabel = page.words.working
  const filled = element('div')
  if (percent !== undefined) {
    bar.setAttribute('aria-valuenow', String(percent))
    filled.style.width = `${percent}%`
  }
  bar.append(filled)
  return bar
}

function pictures(images) {
  const box = element('div')
  box.className = images.length > 1 ? 'pictures several' : 'pictures'
  for (const { url, original, alt, width, height } of images) {
    const link = element('a')
    Object.assign(link, { href: original, target: '_blank', rel: 'noopener', title: page.words.open })
    const picture = element('img')
    Object.assign(picture, { src: url, alt, width, height })
    // reserves the space before the picture has loaded
    if (images.length === 1) picture.style.maxWidth = `min(100%, ${Math.round((62 * width) / height)}vh)`
    link.append(picture)
    box.append(link)
  }
  return box
}

$('scroll').onscroll = () => {
  const { scrollHeight, scrollTop, clientHeight } = $('scroll')
  atEnd = scrollHeight - scrollTop - clientHeight < 80
}
// the composer grows with its text and files, which shrinks this area
new ResizeObserver(() => atEnd && toEnd()).observe($('scroll'))
