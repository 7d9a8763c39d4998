// The playground: session and language. Text is only inserted as text, never as HTML.
import { $, ask, banner, element, page } from './common.js'
import { send } from './send.js'
import { connect, disconnect } from './show.js'

let retry

async function begin() {
  clearTimeout(retry)
  try {
    const session = await (await ask('web/session')).json()
    page.locale = session.locale
    page.words = session.words
    enter(session)
  } catch {
    banner(page.words.lost ?? '…')
    retry = setTimeout(begin, 3000)
  }
}

function enter({ visitor, trouble }) {
  translate()
  $('composer').hidden = visitor === undefined
  $('signin').hidden = trouble !== 'sign_in'
  if (visitor === undefined) {
    disconnect()
    $('empty').hidden = true
    banner(trouble === 'sign_in' ? undefined : page.words[trouble])
    if (trouble === 'sign_in') $('key').focus()
    return
  }
  $('who').textContent = `${page.words.you} ${visitor}`
  $('who').title = page.words.youHint
  connect()
  $('text').focus({ preventScroll: true })
}

function translate() {
  document.documentElement.lang = page.locale === 'zh' ? 'zh-CN' : 'en'
  document.title = page.words.title
  $('language').textContent = page.words.language
  $('language').title = page.words.languageHint
  for (const name of ['heading', 'intro', 'help', 'drop']) $(name).textContent = page.words[name]
  $('messages').setAttribute('aria-label', page.words.conversation)
  $('text').placeholder = page.words.placeholder
  for (const [id, label] of [
    ['text', page.words.heading],
    ['send', page.words.send],
    ['attach', page.words.attach],
  ])
    $(id).setAttribute('aria-label', label)
  $('send').title = page.words.send
  $('attach').title = page.words.attach
  $('signin').querySelector('label').textContent = page.words.key
  $('signin').querySelector('button').textContent = page.words.enter
  $('examples').replaceChildren(...page.words.examples.map(example))
}

function example(text) {
  const button = element('button', text)
  button.type = 'button'
  button.onclick = () => send(text)
  return button
}

$('language').onclick = () => {
  page.locale = page.locale === 'zh' ? 'en' : 'zh'
  localStorage.setItem('locale', page.locale)
  begin()
}
$('signin').onsubmit = async (event) => {
  event.preventDefault()
  try {
    const headers = { 'content-type': 'application/json' }
    const answer = await ask('web/signin', { method: 'POST', headers, body: JSON.stringify({ key: $('key').value }) })
    banner(answer.ok ? undefined : (await answer.json()).error.message)
    if (!answer.ok) return
    $('key').value = ''
    begin()
  } catch {
    banner(page.words.failed)
  }
}

page.begin = begin
begin()
