/** Plain text as Discord shows it: it contains no markup and no mentions, and it fits. */

const longest = 2000
const longestAlt = 1024

/** Characters that format; references to people, channels, times and links; and what makes headings, quotes and lists. */
const markup = /[\\*_~`|[\]]|<(?=[@#:/]|a:|t:|id:|https?:)/g
const lineStart = /^(\s*)(#{1,3}(?=\s)|-#|>|[-+](?=\s))/gm

/** An escape in an address would become a part of it, and an underline formats nothing there. */
const address = /(https?:\/\/[^\s<]+)/
const underlines = /\\_/g

/** Characters that links may take. The others are behind the button for originals. */
const longestLinks = 1200

/** `before`, a mention, and `after`, links, stay as they are. */
export function contentOf(text: string, { before = '', after = '' }: { before?: string; after?: string } = {}): string {
  const parts = text.split(address).map((part, index) => {
    const escaped = part.replace(markup, '\\$&')
    return index % 2 === 1 ? escaped.replace(underlines, '_') : escaped
  })
  return cut(before + parts.join('').replace(lineStart, '$1\\$2'), longest - after.length) + after
}

/** Each line on its own below a text; the links of a line beside each other. No link is cut. */
export function linesOf(lines: readonly (readonly string[])[]): string {
  let text = ''
  for (const line of lines) {
    for (const [index, link] of line.entries()) {
      const added = (index === 0 ? '\n' : ' · ') + link
      if (text.length + added.length <= longestLinks) text += added
    }
  }
  return text
}

export function altOf(text: string): string {
  return cut(text, longestAlt)
}

/** Neither half a character nor an escape without what it escapes stays before the ellipsis. */
export function cut(text: string, limit: number): string {
  if (text.length <= limit) return text
  const kept = text.slice(0, limit - 1).replace(/[\uD800-\uDBFF]$/, '')
  const odd = /\\*$/.exec(kept)![0].length % 2 === 1
  return `${odd ? kept.slice(0, -1) : kept}…`
}
