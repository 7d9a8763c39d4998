/**
 * Directives in the prompt, in square brackets, that simulate slow and failing providers: `a cat [slow 5s]`,
 * `a cat [fail busy]`, `a cat [fail busy 2]` (the first two attempts of a request fail).
 */
import { AppError, type ErrorKind } from '../../core/errors.ts'

export interface Directives {
  /** The prompt without the directives. */
  prompt: string
  /** Time that drawing takes; 0: none. */
  slowMs: number
  /** The error to fail with, and the number of attempts that fail. Absent: none. */
  fail?: { kind: ErrorKind; times: number }
}

const failures: Readonly<Record<string, ErrorKind>> = {
  timeout: 'provider_timeout',
  busy: 'provider_busy',
  failed: 'provider_failed',
  refused: 'provider_refused',
  moderated: 'moderated',
  bad_result: 'bad_result',
}
const longestMs = 120_000

/** Throws AppError provider_refused, which lists the valid forms, for a malformed directive. */
export function parseDirectives(text: string): Directives {
  const directives: Directives = { prompt: '', slowMs: 0 }
  directives.prompt = text.replace(/\[(slow|fail)\b([^\]]*)\]/gi, (_, verb: string, rest: string) => {
    const words = rest.trim().toLowerCase()
    if (verb.toLowerCase() === 'slow') directives.slowMs = parseSlow(words)
    else directives.fail = parseFail(words)
    return ''
  })
  directives.prompt = directives.prompt.replace(/\s+/g, ' ').trim()
  return directives
}

function parseSlow(words: string): number {
  const match = /^(\d{1,6})(ms|s)$/.exec(words)
  if (!match) throw refused('[slow 5s], [slow 500ms]')
  return Math.min(longestMs, Number(match[1]) * (match[2] === 's' ? 1000 : 1))
}

function parseFail(words: string): { kind: ErrorKind; times: number } {
  const [name = '', times] = words.split(' ')
  const kind = failures[name]
  if (!kind || (times !== undefined && !/^\d{1,2}$/.test(times))) {
    throw refused(
      Object.keys(failures)
        .map((each) => `[fail ${each}]`)
        .join(', '),
    )
  }
  return { kind, times: times === undefined ? Number.POSITIVE_INFINITY : Number(times) }
}

function refused(validForms: string): AppError {
  return new AppError('provider_refused', { reason: validForms, provider: 'sketch' }, { neverRan: true })
}
