// One message: its parts become elements, and a change replaces only the parts that differ.
import { element, page } from './common.js'
import { formBelow } from './form.js'
import { openLightbox } from './lightbox.js'
import { press } from './send.js'

export function createMessage(message) {
  const item = element('li')
  updateMessage(item, message)
  return item
}

/** Parts that stay the same keep their elements, so that the focus, typed words and loaded pictures stay, too. */
export function updateMessage(item, message) {
  item.className = `message ${message.role} ${message.state ?? ''}`
  const before = new Map([...item.children].map((child) => [child.dataset.key, child]))
  const children = partsOf(message).map(({ key, make }) => {
    const kept = before.get(key)
    if (kept) {
      before.delete(key)
      return kept
    }
    const child = make()
    child.dataset.key = key
    return child
  })
  const focused = item.contains(document.activeElement) ? document.activeElement : undefined
  for (const child of [...item.children]) if (!children.includes(child)) child.remove()
  for (const [position, child] of children.entries())
    if (item.children[position] !== child) item.insertBefore(child, item.children[position] ?? null)
  if (message.state === 'waiting') setProgress(item.querySelector('.progress'), message.percent)
  // the pressed button is gone: the next Tab continues here
  if (focused && !focused.isConnected) {
    item.tabIndex = -1
    item.focus({ preventScroll: true })
  }
}

function partsOf(message) {
  const { images = [], text, parts = { text }, options = {}, files = [], downloads = [] } = message
  const { state, buttons = [], form } = message
  const { status, quote, enhanced, facts = [], notes = [] } = parts
  // links are signed anew each time
  const shownImages = images.map(({ url, original, alt }) => [original.startsWith('data:') ? url : original, alt])
  const made = [
    images.length > 0 && { key: `pictures ${JSON.stringify(shownImages)}`, make: () => pictures(images) },
    status && line('status', status),
    quote && line('quote', quote),
    enhanced && line('enhanced', `✨ ${enhanced}`),
    facts.length > 0 && { key: `facts ${JSON.stringify(facts)}`, make: () => list(facts) },
    parts.text && line('text', parts.text),
    ...notes.map((note) => line('note', `ℹ️ ${note}`)),
    Object.keys(options).length > 0 && line('options-used', optionsText(options)),
    files.length > 0 && line('files', `📎 ${files.join(', ')}`),
    downloads.length > 0 && {
      key: `downloads ${JSON.stringify(downloads.map(({ name }) => name))}`,
      make: () => saving(downloads),
    },
    state === 'waiting' && { key: 'progress', make: progress },
    buttons.length > 0 && { key: `buttons ${JSON.stringify(buttons)}`, make: () => rows(message) },
    form && { key: `form ${form.id}`, make: () => formBelow(message.id, form) },
  ]
  return made.filter(Boolean)
}

const line = (className, text) => ({ key: `${className} ${text}`, make: () => paragraph(className, text) })

/** Lines may break after a hyphen, but not within '--seed'. */
function paragraph(className, text) {
  const box = element('p', undefined, { className })
  const pieces = text.split(/(--\w[\w-]*)/)
  box.append(...pieces.map((piece, place) => (place % 2 === 0 ? piece : element('span', piece, { className: 'flag' }))))
  return box
}

function list(facts) {
  const box = element('ul', undefined, { className: 'facts' })
  box.append(...facts.map((fact) => element('li', fact)))
  return box
}

function optionsText(options) {
  const { words } = page
  const known = Object.keys(words.options).filter((name) => Object.hasOwn(options, name))
  return known.map((name) => `${words.options[name]}: ${words.options[options[name]] ?? options[name]}`).join(' · ')
}

/** Stored pictures to save. */
function saving(downloads) {
  const box = element('p', undefined, { className: 'downloads' })
  for (const { name, url } of downloads)
    box.append(element('a', `⬇ ${name}`, { className: 'button', href: url, download: name }))
  return box
}

function rows(message) {
  const box = element('div', undefined, { className: 'rows' })
  box.append(...message.buttons.map((row) => buttonRow(message, row)))
  return box
}

function buttonRow({ id: message, state }, row) {
  const box = element('div', undefined, { className: 'buttons' })
  for (const { id, label, style = '' } of row) {
    const button = element('button', label, { type: 'button', className: style })
    button.onclick = async () => {
      // not `disabled`, which would lose the focus
      if (button.ariaDisabled === 'true') return
      button.ariaDisabled = 'true'
      const sent = await press(id, message)
      // a press of a waiting message changes it; below a result a button can be pressed again
      button.ariaDisabled = String(sent && (state === 'waiting' || state === 'asking'))
    }
    box.append(button)
  }
  return box
}

function progress() {
  const bar = element('div', undefined, { role: 'progressbar', className: 'progress', ariaLabel: page.words.working })
  bar.append(element('div'))
  return bar
}

function setProgress(bar, percent) {
  bar.className = percent === undefined ? 'progress unknown' : 'progress'
  if (percent === undefined) bar.removeAttribute('aria-valuenow')
  else bar.setAttribute('aria-valuenow', String(percent))
  bar.firstChild.style.width = percent === undefined ? '' : `${percent}%`
}

function pictures(images) {
  const box = element('div', undefined, { className: classOf(images.length) })
  for (const { url, original, alt, name, width, height } of images) {
    const picture = element('img', undefined, { src: url, alt, width, height, loading: 'lazy' })
    // reserves the space before the picture has loaded
    if (images.length === 1) picture.style.maxWidth = `min(100%, ${Math.round((62 * width) / height)}vh)`
    box.append(original.startsWith('data:') ? picture : linkTo(original, name, picture))
  }
  return box
}

function classOf(count) {
  if (count > 4) return 'pictures many'
  return count > 1 ? 'pictures several' : 'pictures'
}

/** Opens the lightbox; with Ctrl or the middle button, a new tab. */
function linkTo(original, name, picture) {
  const link = element('a', undefined, { href: original, target: '_blank', rel: 'noopener', title: page.words.open })
  link.dataset.name = name
  link.setAttribute('aria-haspopup', 'dialog')
  link.onclick = (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return
    event.preventDefault()
    openLightbox(link)
  }
  link.append(picture)
  return link
}
