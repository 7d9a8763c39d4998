// The playground: shows the conversation as it changes and sends what is written. Text only ever becomes text.

const $ = (id) => document.getElementById(id)
/** Message id → { item, version }. */
const shown = new Map()
let words = {}
let locale = localStorage.getItem('locale') ?? ''
/** The latest change we know. */
let last = 0
let source
let retry

/** Asks our server, in the language of the page. */
const ask = (path, options = {}) =>
  fetch(path, { ...options, headers: { ...options.headers, ...(locale && { 'accept-language': locale }) } })

async function begin() {
  clearTimeout(retry)
  try {
    const session = await (await ask('/web/session')).json()
    locale = session.locale
    words = session.words
    enter(session)
  } catch {
    banner(words.lost ?? '…')
    retry = setTimeout(begin, 3000)
  }
}

function enter({ visitor, trouble }) {
  translate()
  $('composer').hidden = visitor === undefined
  $('signin').hidden = trouble !== 'sign_in'
  if (visitor === undefined) {
    source?.close()
    $('empty').hidden = true
    banner(trouble === 'sign_in' ? undefined : words[trouble])
    if (trouble === 'sign_in') $('key').focus()
    return
  }
  $('who').textContent = `${words.you} ${visitor}`
  $('who').title = words.youHint
  connect()
  $('text').focus({ preventScroll: true })
}

function translate() {
  document.documentElement.lang = locale === 'zh' ? 'zh-CN' : 'en'
  document.title = words.title
  $('language').textContent = words.language
  $('language').title = words.languageHint
  for (const name of ['heading', 'intro', 'help', 'drop']) $(name).textContent = words[name]
  $('messages').setAttribute('aria-label', words.conversation)
  $('text').placeholder = words.placeholder
  for (const [id, label] of [
    ['text', words.placeholder],
    ['send', words.send],
    ['attach', words.attach],
  ])
    $(id).setAttribute('aria-label', label)
  $('send').title = words.send
  $('attach').title = words.attach
  $('signin').querySelector('label').textContent = words.key
  $('signin').querySelector('button').textContent = words.enter
  $('examples').replaceChildren(...words.examples.map(example))
}

function example(text) {
  const button = element('button', text)
  button.type = 'button'
  button.onclick = () => send(text)
  return button
}

function banner(text) {
  $('banner').hidden = !text
  $('banner').textContent = text ?? ''
}

// ── showing ──

function connect() {
  source?.close()
  const ours = new EventSource(`/web/events?after=${last}`)
  source = ours
  let lost = false
  ours.onopen = () => {
    if (lost || $('banner').textContent === words.lost) banner()
    lost = false
    // what there is to show comes right behind
    setTimeout(() => showEmpty(), 300)
  }
  ours.onmessage = (event) => show(JSON.parse(event.data))
  ours.onerror = () => {
    if (source !== ours) return
    lost = true
    banner(words.lost)
    // the browser tries again by itself, except after an error status
    if (ours.readyState === EventSource.CLOSED) retry = setTimeout(begin, 3000)
  }
}

const showEmpty = () => {
  $('empty').hidden = shown.size > 0 || $('composer').hidden
}

function show(message) {
  last = Math.max(last, message.version)
  const known = shown.get(message.id)
  if (known && known.version >= message.version) return
  const item = render(message)
  const scroll = $('scroll')
  const atEnd = scroll.scrollHeight - scroll.scrollTop - scroll.clientHeight < 160
  if (known) known.item.replaceWith(item)
  else place(message.id, item)
  shown.set(message.id, { item, version: message.version })
  showEmpty()
  if (message.role === 'bot' && known?.state !== message.state) $('announce').textContent = message.text
  shown.get(message.id).state = message.state
  if (atEnd || message.role === 'person') scroll.scrollTop = scroll.scrollHeight
}

/** An answer stands under its question, whenever it comes. */
function place(id, item) {
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
  if (message.state === 'waiting') item.append(progress(message.percent))
  return item
}

function progress(percent) {
  const bar = element('div')
  bar.className = percent === undefined ? 'progress unknown' : 'progress'
  bar.role = 'progressbar'
  bar.ariaLabel = words.working
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
    Object.assign(link, { href: original, target: '_blank', rel: 'noopener', title: words.open })
    const picture = element('img')
    Object.assign(picture, { src: url, alt, width, height })
    // its place is kept before it has loaded
    if (images.length === 1) picture.style.maxWidth = `min(100%, ${Math.round((62 * width) / height)}vh)`
    link.append(picture)
    box.append(link)
  }
  return box
}

function element(name, text) {
  const made = document.createElement(name)
  if (text !== undefined) made.textContent = text
  return made
}

// ── sending ──

let files = []
let sending = false
/** What could not be sent: the same again is sent under the same id, so that it cannot happen twice. */
let unsent

async function send(text) {
  if (sending || (text.trim() === '' && files.length === 0)) return
  const again = unsent?.text === text && unsent.files === files
  const message = again ? unsent : { id: freshId(), text, files }
  setSending(true)
  const trouble = await deliver(message)
  setSending(false)
  unsent = trouble === undefined ? undefined : message
  banner(trouble)
  if (trouble !== undefined) return
  if ($('text').value === text) $('text').value = ''
  grow()
  if (files === message.files) setFiles([])
  $('text').focus({ preventScroll: true })
}

/** What went wrong, in words. */
async function deliver({ id, text, files }) {
  const form = new FormData()
  form.set('id', id)
  form.set('text', text)
  for (const file of files) form.append('images', file)
  try {
    const answer = await ask('/web/messages', { method: 'POST', body: form })
    if (answer.ok) return undefined
    if (answer.status === 401) begin()
    return (await answer.json()).error?.message ?? words.failed
  } catch {
    return words.failed
  }
}

function setSending(now) {
  sending = now
  $('send').disabled = now
}

/** randomUUID is missing where the page was not opened by https or on this machine. */
const freshId = () =>
  [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, '0')).join('')

function addFiles(list) {
  const added = [...list]
  if (added.length === 0) return
  const readable = added.filter(({ type }) => /^image\/(png|jpeg|webp)$/.test(type))
  const fitting = readable.filter(({ size }) => size <= 10 * 1024 * 1024)
  const all = [...files, ...fitting]
  if (readable.length < added.length) banner(words.image_type)
  else if (fitting.length < readable.length) banner(words.image_too_big)
  else banner(all.length > 14 ? words.too_many_files : undefined)
  setFiles(all.slice(0, 14))
}

function setFiles(list) {
  for (const picture of $('chips').querySelectorAll('img')) URL.revokeObjectURL(picture.src)
  files = list
  $('chips').replaceChildren(...files.map(chip))
}

function chip(file) {
  const item = element('li')
  item.className = 'chip'
  const picture = element('img')
  picture.src = URL.createObjectURL(file)
  picture.alt = file.name
  picture.title = file.name
  const remove = element('button', '×')
  remove.type = 'button'
  remove.setAttribute('aria-label', `${words.remove} ${file.name}`)
  remove.onclick = () => {
    setFiles(files.filter((each) => each !== file))
    $('text').focus()
  }
  item.append(picture, remove)
  return item
}

/** The box is as high as what is written in it. */
function grow() {
  const text = $('text')
  text.style.height = 'auto'
  text.style.height = `${text.scrollHeight}px`
}

$('composer').onsubmit = (event) => {
  event.preventDefault()
  send($('text').value)
}
$('text').oninput = grow
$('text').onkeydown = (event) => {
  // 229: Safari ends a composition with this key and no longer says so
  if (event.key !== 'Enter' || event.shiftKey || event.isComposing || event.keyCode === 229) return
  event.preventDefault()
  send($('text').value)
}
$('help').onclick = () => send('/help')
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
$('language').onclick = () => {
  locale = locale === 'zh' ? 'en' : 'zh'
  localStorage.setItem('locale', locale)
  begin()
}
$('signin').onsubmit = async (event) => {
  event.preventDefault()
  try {
    const headers = { 'content-type': 'application/json' }
    const answer = await ask('/web/signin', { method: 'POST', headers, body: JSON.stringify({ key: $('key').value }) })
    banner(answer.ok ? undefined : (await answer.json()).error.message)
    if (!answer.ok) return
    $('key').value = ''
    begin()
  } catch {
    banner(words.failed)
  }
}

begin()
