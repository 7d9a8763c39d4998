// Pictures in full size, one at a time. The dialog keeps the focus inside, closes by Escape and gives the focus back.
import { $, element, page } from './common.js'

const box = $('lightbox')
const part = (selector) => box.querySelector(selector)
part('.close').before(element('a', '', { className: 'button download', target: '_blank', rel: 'noopener' }))
/** Links to the pictures of the conversation, as they were when it opened. */
let links = []
let at = 0

export function openLightbox(link) {
  links = [...document.querySelectorAll('#messages .pictures a')]
  translate()
  show(links.indexOf(link))
  box.showModal()
}

function show(number) {
  at = number
  const link = links[at]
  const picture = link.querySelector('img')
  part('img').src = link.href
  part('img').alt = picture.alt
  part('.caption').textContent = picture.alt
  part('.place').textContent = `${at + 1} / ${links.length}`
  part('.download').href = link.href
  part('.download').download = link.dataset.name
  for (const turn of [part('.previous'), part('.next')]) turn.hidden = links.length < 2
  part('.previous').disabled = at === 0
  part('.next').disabled = at === links.length - 1
}

function turn(step) {
  if (links[at + step]) show(at + step)
}

function translate() {
  box.setAttribute('aria-label', page.words.open)
  part('.download').textContent = page.words.download
  for (const [name, label] of [
    ['.close', page.words.close],
    ['.next', page.words.next],
    ['.previous', page.words.previous],
  ]) {
    part(name).setAttribute('aria-label', label)
    part(name).title = label
  }
}

part('.close').onclick = () => box.close()
part('.previous').onclick = () => turn(-1)
part('.next').onclick = () => turn(1)
// outside of its parts
box.onclick = (event) => {
  if (event.target === box) box.close()
}
box.onkeydown = (event) => {
  if (event.key === 'ArrowLeft') turn(-1)
  if (event.key === 'ArrowRight') turn(1)
}
box.onclose = () => {
  // a large picture should not stay in memory
  part('img').removeAttribute('src')
  // the dialog was turned to another picture, or the message has changed
  const link = links[at]
  if (link?.isConnected) link.focus()
  else $('text').focus()
}
