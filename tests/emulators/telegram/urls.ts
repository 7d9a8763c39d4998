/** Telegram accepts links to hosts with a dot only: `http://localhost:8080` is refused in buttons and dropped from text. */
export function isTelegramUrl(link: string): boolean {
  if (/^(tg|ton|tonsite):/i.test(link)) return true
  const full = /^[a-z][a-z0-9+.-]*:\/\//i.test(link) ? link : `http://${link}`
  if (!URL.canParse(full)) return false
  const { protocol, hostname } = new URL(full)
  return ['http:', 'https:'].includes(protocol) && (hostname.includes('.') || hostname.startsWith('['))
}
