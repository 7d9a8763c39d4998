// The playground: session and language. Text is only inserted as text, never as HTML.
import { $, ask, banner, element, page } from './common.js'
import { beginQuotes } from './quote.js'
import { send } from './send.js'
import { connect, disconnect } from './show.js'
import { hasLink, linkTrouble, translateSignIn } from './sign-in.js'

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

function enter({ visitor, name, person, trouble }) {
  translate()
  const signsIn = trouble === 'sign_in' || hasLink()
  const isIn = visitor !== undefined && !signsIn
  for (const id of ['composer', 'options', 'menu']) $(id).hidden = !isIn
  document.body.classList.toggle('entered', isIn)
  $('signin').hidden = !signsIn
  $('signout').hidden = visitor === undefined
  if (!isIn) {
    disconnect()
    $('empty').hidden = true
    $('messages').replaceChildren()
    banner(signsIn ? linkTrouble() : page.words[trouble])
    if (signsIn)
      $('signin')
        .querySelector(hasLink() ? 'button' : 'input')
        .focus()
    return
  }
  banner(linkTrouble())
  $('who').textContent = person ? `${page.words.you} ${name}` : page.words.administrator
  $('who').title = person ? page.words.personHint : page.words.youHint
  connect()
  beginQuotes()
  $('text').focus({ preventScroll: true })
}

function translate() {
  document.documentElement.lang = page.locale === 'zh' ? 'zh-CN' : 'en'
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
  translateSignIn()
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

page.begin = begin
begin()
