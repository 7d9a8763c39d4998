// Helpers that all parts of the page share.

export const $ = (id) => document.getElementById(id)

export const page = {
  words: {},
  /** Language of the page. */
  locale: localStorage.getItem('locale') ?? '',
  /** Loads the session again. */
  begin: () => {},
  /** Called when the text, the pictures, the options or the balance may have changed. */
  changed: () => {},
  /** The latest price, and what it is for. */
  quoted: undefined,
}

/** The address of the page, which may be below a path. This file is two folders below it. */
const home = new URL('../../', import.meta.url).pathname

/** `path`: below the page, such as 'web/session'. */
export const addressOf = (path) => home + path

/** Sends a request to the server in the language of the page. */
export const ask = (path, options = {}) =>
  fetch(addressOf(path), {
    ...options,
    headers: { ...options.headers, ...(page.locale && { 'accept-language': page.locale }) },
  })

/** Sends JSON. */
export const post = (path, body, options = {}) =>
  ask(path, {
    ...options,
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })

export function banner(text) {
  $('banner').hidden = !text
  $('banner').textContent = text ?? ''
}

/** `more`: properties of the element. */
export function element(name, text, more = {}) {
  const made = Object.assign(document.createElement(name), more)
  if (text !== undefined) made.textContent = text
  return made
}
