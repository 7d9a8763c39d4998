// The conversation, updated live.
import { $, addressOf, banner, page } from './common.js'
import { createMessage, updateMessage } from './message.js'
import { toast } from './toast.js'

/** Message id → { item, version, state }. */
const shown = new Map()
/** Ids of toasts: a stream that resumes repeats the latest. */
const toasted = new Set()
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
  $('empty').hidden = $('messages').childElementCount > 0 || $('composer').hidden
}

function show(message) {
  last = Math.max(last, message.version)
  if (message.toast) {
    if (!toasted.has(message.id)) toast(message.text, message.state === 'failed')
    toasted.add(message.id)
    return
  }
  const existing = shown.get(message.id)
  if (existing && existing.version >= message.version) return
  if (message.removed) {
    // the pressed button goes with it
    if (existing?.item.contains(document.activeElement)) $('text').focus()
    existing?.item.remove()
    shown.delete(message.id)
    showEmpty()
    return
  }
  // a form is asked for, so it comes into view
  const isFollowed = atEnd || message.role === 'person' || (!existing && message.form !== undefined)
  const item = existing?.item ?? createMessage(message)
  if (existing) updateMessage(item, message)
  else insert(message.id, item)
  shown.set(message.id, { item, version: message.version, state: message.state })
  showEmpty()
  // a request that was accepted or has ended changes the balance
  if (message.role === 'bot' && existing?.state !== message.state) page.changed()
  if (message.role === 'bot' && existing?.state !== message.state) $('announce').textContent = message.text
  if (isFollowed) follow(item)
}

/** Whether to keep the newest message in view. A person who has scrolled back stays there. */
let atEnd = true

/** The end, or the start of a message that is higher than the screen. */
function follow(item) {
  if (item.offsetHeight > $('scroll').clientHeight) item.scrollIntoView({ block: 'start' })
  else toEnd()
}

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

// browsers that do not make it focusable themselves could not scroll it by keyboard
$('scroll').tabIndex = 0
$('scroll').onscroll = () => {
  const { scrollHeight, scrollTop, clientHeight } = $('scroll')
  atEnd = scrollHeight - scrollTop - clientHeight < 80
}
// the composer grows with its text and files, which shrinks this area
new ResizeObserver(() => atEnd && toEnd()).observe($('scroll'))
