/**
 * Words in square brackets that only the sketch provider obeys, to try out what slow and failing providers look like:
 * `a cat [slow 5s]`, `a cat [fail busy]`, `a cat [fail busy 2]` (the first two tries of a request fail).
 */
import { AppError, type ErrorKind } from '../../core/errors.ts'

export interface Directives {
  /** The prompt without them. */
  prompt: string
  slowMs: number
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

/** Throws AppError provider_refused for a directive that is nearly right. */
export function readDirectives(text: string): Directives {
  const directives: Directives = { prompt: '', slowMs: 0 }
  directives.prompt = text.replace(/\[(slow|fail)\b([^\]]*)\]/gi, (_, verb: string, rest: string) => {
    const words = rest.trim().toLowerCase()
    if (verb.toLowerCase() === 'slow') directives.slowMs = slowness(words)
    else directives.fail = failure(words)
    return ''
  })
  directives.prompt = directives.prompt.replace(/\s+/g, ' ').trim()
  return directives
}

function slowness(words: string): number {
  const match = /^(\d{1,6})(ms|s)$/.exec(words)
  if (!match) throw refused('[slow 5s], [slow 500ms]')
  return Math.min(longestMs, Number(match[1]) * (match[2] === 's' ? 1000 : 1))
}

function failure(words: string): { kind: ErrorKind; times: number } {
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

function refused(known: string): AppError {
  return new AppError('provider_refused', { reason: known, provider: 'sketch' }, { neverRan: true })
}
