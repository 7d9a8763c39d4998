// The options beside the composer. What each model takes comes from the server, which also checks what is sent.
import { $, ask, element, page } from './common.js'

const empty = { model: '', aspect: '', count: 1, seed: '', negative: '', strength: undefined, enhance: '' }
/** What the person chose. Choices that a model does not take are kept for the next model. */
let chosen = { ...empty }
/** What can be chosen with so many pictures attached. */
let offer
let offeredFor
let tries = 0

/** What is sent with a request: only what the model takes, and what differs from the usual. */
export function chosenOptions() {
  const taken = takenNow()
  if (!taken) return {}
  const { model, aspect, count, seed, negative, strength, enhance } = chosen
  return {
    ...(modelNow() && { model }),
    ...(taken.aspects.includes(aspect) && { aspect }),
    ...(count > 1 && taken.count > 1 && { count: Math.min(count, taken.count) }),
    ...(seed !== '' && taken.seed && { seed }),
    ...(negative.trim() !== '' && taken.negative && { negative: negative.trim() }),
    ...(strength !== undefined && taken.strength && { strength }),
    ...(enhance !== '' && taken.enhance && { enhance }),
  }
}

/** Loads what models take with so many pictures. Resolves to what the page has buttons for. */
export async function offerFor(images) {
  if (offer && offeredFor === images) return
  tries += 1
  const ours = tries
  const answer = await ask(`web/composer?images=${images}`)
  // more pictures may have been attached in the meantime
  if (!answer.ok || ours !== tries) return
  offer = await answer.json()
  offeredFor = images
  show()
}

/** After a change of the language. */
export function forgetOffer() {
  offer = undefined
}

export const commandsOffered = () => offer?.menu ?? []

/** undefined: automatic, also when the chosen model cannot be used with the attached pictures. */
const modelNow = () => offer?.models.find(({ id }) => id === chosen.model)
const takenNow = () => offer && (modelNow() ?? offer.automatic)

function choose(change) {
  chosen = { ...chosen, ...change }
  show()
  page.changed()
}

function show() {
  const { words } = page
  const taken = takenNow()
  showWords(words.options)
  const titles = [{ id: '', title: words.options.automatic }, ...offer.models]
  $('option-model').replaceChildren(...titles.map(({ id, title }) => element('option', title, { value: id })))
  $('option-model').value = modelNow()?.id ?? ''
  const aspects = taken.aspects.map((aspect) => ({ value: aspect, label: aspect, shape: aspect }))
  showChoices('aspect', [{ value: '', label: words.options.automatic }, ...aspects])
  showChoices('enhance', [
    { value: '', label: words.options.usual },
    { value: 'on', label: words.options.on },
    { value: 'off', label: words.options.off },
    { value: 'ask', label: words.options.ask },
  ])
  showSlider('count', { max: taken.count }, Math.min(chosen.count, taken.count))
  showSlider('strength', taken.strength ?? {}, chosen.strength)
  $('option-seed').value = chosen.seed
  $('option-negative').value = chosen.negative
  const has = {
    aspect: taken.aspects.length > 0,
    count: taken.count > 1,
    seed: taken.seed,
    negative: taken.negative,
    strength: taken.strength !== undefined,
    enhance: taken.enhance,
  }
  for (const [name, isTaken] of Object.entries(has)) $(`field-${name}`).hidden = !isTaken
  const count = Object.keys(chosenOptions()).length
  $('reset').hidden = count === 0
  const label = count === 0 ? words.options.title : `${words.options.title}: ${count}`
  $('toggle').setAttribute('aria-label', label)
  $('toggle').querySelector('span').textContent = label
  $('toggle').classList.toggle('used', count > 0)
}

function showWords(words) {
  $('options-title').textContent = words.title
  $('reset').textContent = words.reset
  for (const name of ['model', 'aspect', 'count', 'strength', 'negative', 'seed', 'enhance'])
    $(`field-${name}`).querySelector('label, legend').textContent = words[name]
  $('field-strength').querySelector('small').textContent = words.strengthHint
  $('option-seed').placeholder = words.random
  $('option-negative').placeholder = words.negativeHint
}

function showSlider(name, range, value) {
  const input = $(`option-${name}`)
  Object.assign(input, range)
  input.value = value ?? (Number(input.min) + Number(input.max)) / 2
  const text = value === undefined ? page.words.options.usual : String(value)
  input.setAttribute('aria-valuetext', text)
  input.parentElement.querySelector('output').textContent = text
}

/** Radio buttons that look like chips. They stay the same elements while their values do, so that they keep the focus. */
function showChoices(name, choices) {
  const box = $(`field-${name}`).querySelector('.choices')
  const key = JSON.stringify(choices)
  if (box.dataset.key !== key) {
    box.dataset.key = key
    box.replaceChildren(...choices.map((choice) => chip(name, choice)))
  }
  const known = choices.some(({ value }) => value === chosen[name]) ? chosen[name] : ''
  for (const input of box.querySelectorAll('input')) input.checked = input.value === known
}

function chip(name, { value, label, shape }) {
  const input = element('input', undefined, { type: 'radio', name: `option-${name}`, value, className: 'unseen' })
  input.onchange = () => choose({ [name]: value })
  const chip = element('label', undefined, { className: 'choice' })
  chip.append(input)
  if (shape) chip.append(outline(shape))
  chip.append(element('span', label))
  return chip
}

const outlineArea = 150

/** A small rectangle of that ratio. */
function outline(aspect) {
  const [width, height] = aspect.split(':').map(Number)
  const shape = element('i', undefined, { className: 'shape', ariaHidden: 'true' })
  shape.style.width = `${Math.sqrt((outlineArea * width) / height)}px`
  shape.style.height = `${Math.sqrt((outlineArea * height) / width)}px`
  return shape
}

$('option-model').onchange = () => choose({ model: $('option-model').value })
$('option-count').oninput = () => choose({ count: Number($('option-count').value) })
$('option-strength').oninput = () => choose({ strength: Number($('option-strength').value) })
$('option-seed').oninput = () => choose({ seed: $('option-seed').value.replace(/\D/g, '') })
$('option-negative').oninput = () => choose({ negative: $('option-negative').value })
$('reset').onclick = () => {
  choose({ ...empty })
  $('option-model').focus()
}
$('toggle').onclick = () => {
  const isOpen = document.body.classList.toggle('options-open')
  $('toggle').setAttribute('aria-expanded', String(isOpen))
  if (isOpen) $('option-model').focus()
}
