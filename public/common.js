// Helpers that all parts of the page share.

export const $ = (id) => document.getElementById(id)

/** Words and language of the page. `begin` loads the session again. */
export const page = { words: {}, locale: localStorage.getItem('locale') ?? '', begin: () => {} }

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

export function banner(text) {
  $('banner').hidden = !text
  $('banner').textContent = text ?? ''
}

export function element(name, text) {
  const made = document.createElement(name)
  if (text !== undefined) made.textContent = text
  return made
}
