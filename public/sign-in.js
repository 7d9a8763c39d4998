// Signing in and out. A link of /panel carries its token behind '#', which browsers do not send to servers.
import { $, banner, page, post } from './common.js'

let token = takeToken()
let isWrong = takeWrong()

/** Takes the token out of the address, so that no bookmark or history keeps it. */
function takeToken() {
  const found = /^#panel=([\w-]+)$/.exec(location.hash)?.[1]
  if (found) history.replaceState(null, '', location.pathname)
  return found
}

/** The server sends a browser with a wrong sign-in link here. */
function takeWrong() {
  if (location.hash !== '#wrong-link') return false
  history.replaceState(null, '', location.pathname)
  return true
}

/** Why the sign-in link did not work. It is said once. */
export function linkTrouble() {
  const trouble = isWrong ? page.words.wrongLink : undefined
  isWrong = false
  return trouble
}

/** Whether the page was opened by a link of /panel. A press of the button uses it, so that no other page can. */
export const hasLink = () => token !== undefined

export function translateSignIn() {
  const form = $('signin')
  form.querySelector('label').textContent = hasLink() ? page.words.panelLink : page.words.key
  form.querySelector('button').textContent = page.words.enter
  form.querySelector('p').textContent = hasLink() ? '' : page.words.signInHint
  $('key').hidden = hasLink()
  $('key').required = !hasLink()
  $('signout').textContent = page.words.signOut
}

async function change(path, body) {
  try {
    const answer = await post(path, body)
    if (answer.ok) return location.reload()
    banner((await answer.json()).error.message)
  } catch {
    banner(page.words.failed)
  }
  // a link works once
  token = undefined
  translateSignIn()
}

$('signin').onsubmit = (event) => {
  event.preventDefault()
  change('web/signin', hasLink() ? { panel: token } : { key: $('key').value })
}
$('signout').onclick = () => change('web/signout', {})
addEventListener('hashchange', () => {
  token = takeToken() ?? token
  isWrong = takeWrong()
  page.begin()
})
