// Short texts that pass by themselves.
import { $, element, page } from './common.js'

const shownMs = 5_000
const troubleMs = 9_000

export function toast(text, isTrouble) {
  const box = element('div', undefined, { className: isTrouble ? 'toast trouble' : 'toast' })
  const close = element('button', '✕', { type: 'button', className: 'close' })
  close.setAttribute('aria-label', page.words.close)
  close.onclick = () => box.remove()
  box.append(element('p', text, { className: 'words' }), close)
  const end = () => setTimeout(() => box.remove(), isTrouble ? troubleMs : shownMs)
  let timer = end()
  // stays while a person is reading or about to close it
  box.onpointerenter = box.onfocusin = () => clearTimeout(timer)
  box.onpointerleave = box.onfocusout = () => {
    clearTimeout(timer)
    timer = end()
  }
  // what went well is over once something else happens
  for (const earlier of $('toasts').querySelectorAll('.toast:not(.trouble)')) earlier.remove()
  $('toasts').append(box)
}
