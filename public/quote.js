// The price of the request as it is composed, and the balance. The server calculates both.
import { $, element, page, post } from './common.js'
import { chosenOptions, commandsOffered, forgetOffer, offerFor } from './options.js'
import { composed, sendCommand } from './send.js'

/** Milliseconds without a change before the server is asked. */
const pauseMs = 250
let pause
let asking

page.changed = () => {
  clearTimeout(pause)
  pause = setTimeout(update, pauseMs)
}

/** When the page opens, and after a change of the language. */
export async function beginQuotes() {
  forgetOffer()
  await update()
  $('menu').replaceChildren(...commandsOffered().map(entry))
  $('menu').hidden = false
  $('menu').setAttribute('aria-label', page.words.commands)
}

async function update() {
  asking?.abort()
  asking = new AbortController()
  const { signal } = asking
  try {
    const { text, images, size } = composed()
    await offerFor(images)
    const options = chosenOptions()
    const answer = await post('web/quote', { text, images, size, options }, { signal })
    if (!answer.ok) return
    const quote = await answer.json()
    show(quote)
    // a message that was changed since has another price
    page.quoted = { text, images, options: JSON.stringify(options), price: quote.price }
  } catch {
    // a later change asks again, and a lost connection is reported by the conversation
  }
}

function show({ summary, balance, trouble }) {
  $('price').textContent = summary ?? ''
  $('balance').textContent = balance
  $('trouble').hidden = trouble === undefined
  // the same text again would be read aloud again
  if ($('trouble').textContent !== (trouble ?? '')) $('trouble').textContent = trouble ?? ''
}

function entry(name) {
  const label = page.words.menu[name]
  const button = element('button', undefined, { type: 'button', title: `/${name}`, className: `menu-${name}` })
  button.append(element('span', label))
  button.setAttribute('aria-label', label)
  button.onclick = () => sendCommand(`/${name}`)
  return button
}
