/** Finds a ratio or size in a prompt, however it is written: `a cat 16：9`, `a cat, 16x9, watercolor`, `in 16:9 format`. */
import { AppError } from '../errors.ts'
import { plainSigns } from './plain.ts'

export interface Found {
  aspect: string
  /** The prompt without it. */
  prompt: string
}

/** Fractions with numbers up to this are words (3/4, 3 by 4); with a larger number they are ratios (16/9, 16 by 9). */
const largestFraction = 8
/** Pixels. Smaller numbers are no size of a picture: 24x36. */
const smallestSide = 64

/** Only this many characters on either side decide whether numbers are a ratio. */
const nearCharacters = 60

const pair =
  /(?<!\d)(\d{1,4})\s*([:x*/比]|by(?=\s))\s*(\d{1,4})(?!\d)(?:\s*(?:(?:px|pixels?)(?!\p{sc=Latin})|像素))?/giu
/** Part of a longer word or number, or the value of a flag that was not parsed as one. */
const boundBefore = /(?:^|[^\p{sc=Latin}\p{sc=Cyrl}\p{sc=Grek}\d.:/*_@#$€£¥-])$/u
const boundBeforeComma = /\d,$/
const flagBefore = /[-\u2012-\u2015]{2}[a-z]+[\s=:]*$/i
const boundAfter = /^(?:$|[^\p{sc=Latin}\p{sc=Cyrl}\p{sc=Grek}\d:/*_%°-]|-[^\d])/u
const numberAfter = /^[.,]\d/

const separator = ',，、،;；|\\n'
const separatedBefore = new RegExp(`(?:^|[${separator}.。!！?？])\\s*$`)
const separatedAfter = new RegExp(`^\\s*(?:$|[${separator}.。!！?？])`)
const ending = /^[\s.,:;!?。，、；：！？…)\]}>】）］」』》〉"'”’»›]*$/
const droppedAtEnd = /[\s.,:;!?。，、；：！？…]+/gu
// the look-behind prevents a quadratic search in long runs of separators
const danglingBefore = /(?<![\s,，、،;；:：|·\u2012-\u2015-])(?:[\s,，、،;；:：|·]|(?<=\s)[-\u2012-\u2015])+$/u

const brackets: Readonly<Record<string, string>> = {
  '(': ')',
  '[': ']',
  '{': '}',
  '<': '>',
  '（': '）',
  '［': '］',
  '【': '】',
  '「': '」',
  '『': '』',
  '《': '》',
  '〈': '〉',
  '〔': '〕',
  '“': '”',
  '„': '“',
  '«': '»',
  '‹': '›',
  '‘': '’',
  '"': '"',
  "'": "'",
  '`': '`',
}

/** Words next to a ratio that say what it is. They go with it. */
const namesBefore = [
  '(?<!\\p{L})(?:image |picture |aspect |screen )?(?:aspect[ -]?ratio|ratio|aspect|format|size|dimensions|resolution)',
  '(?<!\\p{L})-?\u2014?\\s*ar',
  '(?<!\\p{L})(?:seitenverhältnis|formato|proporción|proporção|proporzioni|proportions|соотношение сторон|формат|формате)',
  '(?:画面|图片|图像|画幅)?(?:长宽比|宽高比|纵横比|比例|画幅|尺寸|比率|アスペクト比|縦横比|비율)',
].join('|')
const namesAfter = [
  '(?:aspect[ -]?ratio|aspect|ratio|format|widescreen|seitenverhältnis|formato)(?![\\p{L}-])',
  '的?\\s*(?:长宽比|宽高比|纵横比|比例|画幅|尺寸|横版|竖版|横屏|竖屏|比率|アスペクト比|縦横比|비율)',
].join('|')
const cueBefore = new RegExp(`(?:${namesBefore})(?:\\s*(?:of|is|von|de|为|是|用|[:=：＝]))?\\s*$`, 'iu')
const cueAfter = new RegExp(`^\\s*-?\\s*(?:${namesAfter})`, 'iu')
const leadIn = /(?:(?<!\p{L})(?:in|at|with|using|im|en|au|mit|con|в)(?:\s+(?:an?|the|ein|einem|un))?|[用以按])\s*$/iu
/** Only at the end of the text: `a cat in 16:9`. */
const leadInAtEnd = /\s(?:in|im|en|в)\s*$/iu

/** `ratios`: the ratios to look for. Others, such as 12:45, remain words. undefined: none was found. */
export function findAspect(text: string, ratios: readonly string[]): Found | undefined {
  const candidates = candidatesIn(text, ratios)
  const found =
    candidates.findLast(({ before, after }) => cueBefore.test(before) || cueAfter.test(after)) ??
    candidates.findLast(
      ({ end, after, isFraction }) => !isFraction && end + after.length === text.length && ending.test(after),
    ) ??
    candidates.findLast(
      ({ before, after, isFraction }) => !isFraction && separatedBefore.test(before) && separatedAfter.test(after),
    )
  return found && { aspect: found.aspect, prompt: without(text, found) }
}

/** The ratio or size at the start of the text, and its length: the value of a flag. */
export function aspectAtStart(text: string): { aspect: string; length: number } | undefined {
  const plain = plainSigns(text.slice(0, nearCharacters))
  const match = new RegExp(pair.source, 'iuy').exec(plain)
  if (!match) return undefined
  const after = plain.slice(match[0].length)
  const isWhole = (boundAfter.test(after) || /^[-\u2012-\u2015]{2}/.test(after)) && !numberAfter.test(after)
  const aspect = isWhole ? aspectOf(match) : undefined
  return aspect === undefined ? undefined : { aspect, length: match[0].length }
}

/** Accepts every written form, such as '16：9' and '640×480'. Throws AppError bad_option, which names `ratios`. */
export function readAspect(value: string, ratios: readonly string[] = ['16:9']): string {
  const written = value.trim()
  const start = aspectAtStart(written)
  if (start?.length !== written.length) {
    throw new AppError('bad_option', { name: 'aspect', value, expected: ratios.join(', ') || '16:9' })
  }
  return start.aspect
}

interface Candidate {
  aspect: string
  start: number
  end: number
  /** Up to `nearCharacters` of the text on either side. */
  before: string
  after: string
  /** Whether it may be an ordinary fraction, such as 3/4. */
  isFraction: boolean
}

function candidatesIn(text: string, ratios: readonly string[]): Candidate[] {
  const plain = plainSigns(text)
  return [...plain.matchAll(pair)].flatMap((match) => {
    const aspect = aspectOf(match)
    if (aspect === undefined || !(aspect.includes('x') || ratios.includes(aspect))) return []
    const range = { start: match.index, end: match.index + match[0].length }
    const { before, after } = around(plain, range)
    if (!isWholeWord(before, after) || flagBefore.test(before)) return []
    return [{ aspect, ...around(text, inBrackets(text, range)), isFraction: mayBeFraction(match) }]
  })
}

interface Range {
  start: number
  end: number
}

function around(text: string, { start, end }: Range) {
  const before = text.slice(Math.max(0, start - nearCharacters), start)
  return { start, end, before, after: text.slice(end, end + nearCharacters) }
}

function isWholeWord(before: string, after: string): boolean {
  const startsWord = boundBefore.test(before) && !boundBeforeComma.test(before)
  return startsWord && boundAfter.test(after) && !numberAfter.test(after)
}

/** undefined: neither a ratio nor a size. '09:16' is a time. */
function aspectOf([, width = '', sign = '', height = '']: RegExpMatchArray): string | undefined {
  if (width.startsWith('0') || height.startsWith('0')) return undefined
  const isSize = sign !== ':' && Math.min(Number(width), Number(height)) >= smallestSide
  return isSize ? `${width}x${height}` : `${width}:${height}`
}

function mayBeFraction([, width, sign = '', height]: RegExpMatchArray): boolean {
  return ['/', 'by', '比'].includes(sign.toLowerCase()) && Math.max(Number(width), Number(height)) <= largestFraction
}

/** With the brackets and quotation marks around it. */
function inBrackets(text: string, range: Range): Range {
  const { before, after } = around(text, range)
  const opening = /(\S)\s*$/u.exec(before)
  const closing = /^\s*(\S)/u.exec(after)
  if (!opening || !closing || brackets[opening[1] ?? ''] !== closing[1]) return range
  const start = range.start - (before.length - opening.index)
  return inBrackets(text, { start, end: range.end + closing[0].length })
}

function without(text: string, { start, end, before, after }: Candidate): string {
  const cueStart = before.replace(cueBefore, '')
  const cueEnd = after.replace(cueAfter, '')
  const isNamed = cueStart !== before || cueEnd !== after
  const left = text.slice(0, start - before.length) + (isNamed ? cueStart.replace(leadIn, '') : before)
  const right = cueEnd + text.slice(end + after.length)
  if (ending.test(right)) {
    const kept = isNamed ? left : left.replace(leadInAtEnd, '')
    return `${kept.replace(danglingBefore, '')}${right.replace(droppedAtEnd, '')}`.trim()
  }
  return joined(left, right.replace(/^[^\S\n]+/u, ''))
}

/** If separators stood on both sides, one of them is left. */
function joined(left: string, right: string): string {
  if (!separatedBefore.test(left) || !separatedAfter.test(right)) {
    return `${left.trimEnd()}${/^[,.;，。；、]/u.test(right) ? '' : ' '}${right}`.trim()
  }
  if (/(?:^|[.。!！?？])\s*$/.test(left)) return `${left.trimEnd()} ${right.replace(/^\S\s*/u, '')}`.trim()
  return `${left.replace(danglingBefore, '')}${right}`.trim()
}
