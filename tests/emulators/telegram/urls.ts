/** Telegram's rules for links. */

/** Telegram accepts only hosts with a dot: it rejects `http://localhost:8080` in buttons and shows it as plain text elsewhere. */
export function isTelegramUrl(link: string): boolean {
  if (/^(tg|ton|tonsite):/i.test(link)) return true
  const full = withScheme(link)
  if (!URL.canParse(full)) return false
  const { protocol, hostname } = new URL(full)
  return ['http:', 'https:'].includes(protocol) && (hostname.includes('.') || hostname.startsWith('['))
}

/** End of Telegram's error text for a link that it rejects. */
export function urlProblem(link: string): string {
  const full = withScheme(link)
  const isWeb = URL.canParse(full) && ['http:', 'https:'].includes(new URL(full).protocol)
  return isWeb || !URL.canParse(full) ? 'Wrong HTTP URL' : 'Unsupported URL protocol'
}

function withScheme(link: string): string {
  return /^[a-z][a-z0-9+.-]*:\/\//i.test(link) ? link : `http://${link}`
}
