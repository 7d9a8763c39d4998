/** Cleans text that people send, so that it is safe to show and to search. */

/** Line breaks of all systems and of Unicode. */
const lineBreak = /\r\n?|[\n\v\f\u0085\u2028\u2029]/g

/** Control characters, lone surrogates, and marks of annotations and embedded objects: they separate words. */
const control = /[^\P{Cc}\n]|[\p{Cs}\uFFF9-\uFFFC]/gu

const invisible = /\p{Default_Ignorable_Code_Point}/gu

/** The flags of England, Scotland and Wales: a black flag, its code in invisible tags, and an end mark. */
const flagTags = /(?<=\u{1F3F4}[\u{E0020}-\u{E007E}]{0,6})[\u{E0020}-\u{E007F}]$/u

/** Joiners form emoji and change letters of Arabic and Indic scripts. Elsewhere they only hide. */
const simple = String.raw`\p{sc=Latin}\p{sc=Greek}\p{sc=Cyrillic}\p{sc=Han}\p{sc=Hira}\p{sc=Kana}\p{sc=Hang}`
const joinable = new RegExp(
  String.raw`(?:\p{Extended_Pictographic}\uFE0F?|\p{Emoji_Modifier}|(?![${simple}\p{Default_Ignorable_Code_Point}])[\p{L}\p{M}])$`,
  'u',
)

/** No script needs more marks on one letter; floods of them cover the lines above and below. */
const markFlood = /([\p{M}\u200C\u200D]{4})[\p{M}\u200C\u200D]+/gu

/** Removes hidden characters, folds white space to single spaces and composes the text (Unicode NFC). */
export function cleanText(text: string): string {
  return foldSpaces(cleanLines(text))
}

/** Like `cleanText`, but keeps line breaks, at most two in a row. */
export function cleanLines(text: string): string {
  return text
    .replace(lineBreak, '\n')
    .replace(control, ' ')
    .normalize('NFC')
    .replace(invisible, (character, at: number, whole: string) =>
      isNeeded(character, whole.slice(Math.max(0, at - 16), at)) ? character : '',
    )
    .normalize('NFC')
    .replace(markFlood, '$1')
    .replace(/[^\S\n]+/gu, ' ')
    .replace(/ ?\n ?/g, '\n')
    .replace(/\n{3,}/g, '\n\n')
    .trim()
}

export const foldSpaces = (text: string) => text.replace(/\s+/gu, ' ').trim()

/** Whether a character without a shape of its own changes the shape of the one before it. */
function isNeeded(character: string, before: string): boolean {
  const code = character.codePointAt(0) ?? 0
  if (code === 0x200c || code === 0x200d) return joinable.test(before)
  if (code === 0xfe0e || code === 0xfe0f) return /[\p{Extended_Pictographic}0-9#*]$/u.test(before)
  if (code >= 0xe0100 && code <= 0xe01ef) return /\p{sc=Han}$/u.test(before)
  if (code >= 0x180b && code <= 0x180f && code !== 0x180e) return /(?=\p{L})\p{sc=Mong}$/u.test(before)
  return code >= 0xe0020 && code <= 0xe007f && flagTags.test(before + character)
}

/** Cuts to at most `limit` code points, so that no emoji is cut in half. An ellipsis marks the cut. */
export function shorten(text: string, limit: number): string {
  if (text.length <= limit) return text
  const characters = [...text]
  if (characters.length <= limit) return text
  return `${characters
    .slice(0, limit - 1)
    .join('')
    .trimEnd()}…`
}

/** '2026-11-28 09:30 UTC': chats do not say where a person is. */
export const utcText = (date: Date) => `${date.toISOString().slice(0, 16).replace('T', ' ')} UTC`
