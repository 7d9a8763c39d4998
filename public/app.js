// The playground: shows the conversation as it changes and sends what is written. Text only ever becomes text.

const $ = (id) => document.getElementById(id)
const shown = new Map()
let words = {}
let locale = localStorage.getItem('locale') ?? ''
let files = []
let last = 0
let source

async function begin() {
  const answer = await fetch(`/web/session${locale ? `?locale=${locale}` : ''}`)
  const session = await answer.json()
  locale = session.locale
  words = session.words
  translate()
  const inside = session.visitor !== undefined
  $('composer').hidden = !inside
  $('signin').hidden = inside || session.closed
  if (session.closed) return banner(words.closed)
  if (!inside) return
  $('who').textContent = `${words.you} ${session.visitor}`
  connect()
  $('text').focus()
}

function translate() {
  document.documentElement.lang = locale === 'zh' ? 'zh-CN' : 'en'
  document.title = words.title
  $('language').textContent = words.language
  $('intro').textContent = words.intro
  $('text').placeholder = words.placeholder
  $('text').setAttribute('aria-label', words.placeholder)
  $('send').textContent = words.send
  $('attach').title = words.attach
  $('attach').setAttribute('aria-label', words.attach)
  $('signin').querySelector('label').textContent = words.key
  $('signin').querySelector('button').textContent = words.enter
  const examples = words.examples.map((text) => {
    const button = element('button', text)
    button.type = 'button'
    button.onclick = () => send(text)
    return button
  })
  $('examples').replaceChildren(...examples)
}

function banner(text) {
  $('banner').hidden = !text
  $('banner').textContent = text ?? ''
}

// ── showing ──

function connect() {
  source?.close()
  source = new EventSource(`/web/events?after=${last}`)
  source.onopen = () => {
    banner()
    $('empty').hidden = shown.size > 0
  }
  source.onmessage = (event) => show(JSON.parse(event.data))
  source.onerror = () => {
    banner(words.lost)
    // the browser tries again by itself, except after an error status
    if (source.readyState === EventSource.CLOSED) setTimeout(connect, 3000)
  }
}

function show(message) {
  last = Math.max(last, message.version)
  const known = shown.get(message.id)
  if (known && known.version >= message.version) return
  const item = render(message)
  if (known) known.item.replaceWith(item)
  else $('messages').append(item)
  shown.set(message.id, { item, version: message.version })
  $('empty').hidden = true
  item.scrollIntoView({ block: 'end' })
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
  if (message.state === 'waiting') {
    const bar = element('progress')
    bar.max = 100
    if (message.percent !== undefined) bar.value = message.percent
    bar.setAttribute('aria-label', message.text)
    item.append(bar)
  }
  return item
}

function pictures(images) {
  const box = element('div')
  box.className = images.length > 1 ? 'pictures several' : 'pictures'
  for (const { url, alt, width, height } of images) {
    const link = element('a')
    link.href = url
    link.target = '_blank'
    link.rel = 'noopener'
    link.title = words.open
    const picture = element('img')
    Object.assign(picture, { src: url, alt, width, height })
    picture.onload = () => picture.closest('li')?.scrollIntoView({ block: 'end' })
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

async function send(text) {
  if (text.trim() === '' && files.length === 0) return
  const form = new FormData()
  form.set('id', crypto.randomUUID?.() ?? `${Date.now()}-${Math.random().toString(36).slice(2)}`)
  form.set('text', text)
  form.set('locale', locale)
  for (const file of files) form.append('images', file)
  const kept = files
  setFiles([])
  $('text').value = ''
  try {
    const answer = await fetch('/web/messages', { method: 'POST', body: form })
    if (answer.ok) return banner()
    banner((await answer.json()).error?.message ?? words.failed)
  } catch {
    banner(words.failed)
  }
  // nothing that was written is lost
  $('text').value = text
  setFiles(kept)
}

function setFiles(list) {
  files = list.filter((file) => file.type.startsWith('image/')).slice(0, 14)
  const chips = files.map((file, index) => {
    const chip = element('span')
    chip.className = 'chip'
    const picture = element('img')
    picture.src = URL.createObjectURL(file)
    picture.alt = file.name
    const remove = element('button', '×')
    remove.type = 'button'
    remove.setAttribute('aria-label', `${words.remove} ${file.name}`)
    remove.onclick = () => setFiles(files.filter((_, at) => at !== index))
    chip.append(picture, remove)
    return chip
  })
  $('chips').replaceChildren(...chips)
}

$('composer').onsubmit = (event) => {
  event.preventDefault()
  send($('text').value)
}
$('text').onkeydown = (event) => {
  if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return
  event.preventDefault()
  send($('text').value)
}
$('attach').onclick = () => $('files').click()
$('files').onchange = () => {
  setFiles([...files, ...$('files').files])
  $('files').value = ''
}
document.onpaste = (event) => setFiles([...files, ...event.clipboardData.files])
document.ondragover = (event) => {
  event.preventDefault()
  document.body.classList.add('dragging')
}
document.ondragleave = () => document.body.classList.remove('dragging')
document.ondrop = (event) => {
  event.preventDefault()
  document.body.classList.remove('dragging')
  setFiles([...files, ...event.dataTransfer.files])
}
$('language').onclick = () => {
  locale = locale === 'zh' ? 'en' : 'zh'
  localStorage.setItem('locale', locale)
  begin()
}
$('signin').onsubmit = async (event) => {
  event.preventDefault()
  const answer = await fetch('/web/signin', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ key: $('key').value }),
  })
  banner(answer.ok ? undefined : (await answer.json()).error.message)
  if (answer.ok) begin()
}

begin()
