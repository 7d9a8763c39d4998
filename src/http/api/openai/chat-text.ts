/** The text of a chat completion: labelled lines about the request, progress while it is drawn, and the images. */
import type { Outcome } from '../../../core/history/outcome.ts'
import { foldSpaces } from '../../../core/text.ts'
import { type Words, wordsFor } from '../../../locales/index.ts'
import type { ApiParts } from '../parts.ts'
import { linkTo } from './responses.ts'

/** Percent between two progress texts. */
const progressStep = 20
/** Keeps each line of a stream under 4 kB, the longest that some clients can parse. */
const pieceCharacters = 500

export interface ChatText {
  /** The first line, which is known when the request is accepted. */
  start: string
  /** Returns an empty string where nothing new is worth a text. `percent` absent: drawing has begun. */
  progress(percent?: number): string
  /** All lines but the first, and the images. */
  end(parts: ApiParts, outcome: Outcome): Promise<string>
}

/** `original`: the message as it was sent. Labels are in its language. */
export function chatText(original: string): ChatText {
  const words = wordsFor(languageOf(original))
  let reported = 0
  return {
    start: words.completion.original(escapeMarkdown(original.trim())),
    progress(percent) {
      if (percent === undefined) return `\n${words.completion.drawing}`
      if (percent < reported + progressStep || percent >= 100) return ''
      reported = percent
      return ` ${percent}%`
    },
    end: async (parts, outcome) => {
      const links = await Promise.all(outcome.pictures.map((picture) => linkTo(parts, picture)))
      const alt = words.completion.alt(escapeMarkdown(outcome.prompt.slice(0, 100).replace(/\p{Cs}/gu, '')))
      const lines = [...linesOf(parts, outcome, words), '', ...links.map((link) => `![${alt}](${link})\n`)]
      return lines.join('\n').trimEnd()
    },
  }
}

function linesOf({ core }: ApiParts, { enhanced, prompt, pictures, request, notes }: Outcome, words: Words): string[] {
  const { completion } = words
  const [{ width, height } = request] = pictures
  return [
    completion.optimizer(enhanced === null ? undefined : escapeMarkdown(core.enhancer?.model ?? '—')),
    completion.optimized(escapeMarkdown(enhanced ?? prompt)),
    completion.size(`${width}x${height}`),
    ...notes.map(({ kind, data }) => escapeMarkdown(words.notes[kind](data ?? {}))),
    completion.done,
  ]
}

/** Japanese has Chinese characters too, but kana among them. */
function languageOf(text: string): 'zh' | 'en' {
  return /\p{Script=Han}/u.test(text) && !/[\p{Script=Hiragana}\p{Script=Katakana}]/u.test(text) ? 'zh' : 'en'
}

/** Keeps text that people wrote on one line, and from becoming links, images or HTML. */
const escapeMarkdown = (text: string) => foldSpaces(text).replace(/[\\[\]<>`]/g, '\\$&')

/** The parts in which a stream sends a text. The `u` flag keeps surrogate pairs together. */
export function piecesOf(text: string): string[] {
  return text.match(new RegExp(`[\\s\\S]{1,${pieceCharacters}}`, 'gu')) ?? []
}
