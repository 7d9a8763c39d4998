/** Logs one line per event to standard error: JSON, or text on a terminal. Standard output is for what commands print. */
import { pino, stdSerializers } from 'pino'
import { readableLine } from './log-line.ts'

export interface Log {
  debug(data: object, message: string): void
  info(data: object, message: string): void
  warn(data: object, message: string): void
  error(data: object, message: string): void
}

/**
 * Shapes of secrets that errors from libraries may contain: bot tokens (Telegram, Discord), interaction tokens in
 * webhook addresses, credentials in a DSN, keys in headers, signatures in links.
 */
const secretShapes: readonly [RegExp, string][] = [
  [/(?<![\w-])(?:bot)?\d{6,12}:[A-Za-z0-9_-]{30,}/g, '[token]'],
  [/\b[\w-]{23,30}\.[\w-]{6,7}\.[\w-]{27,}/g, '[token]'],
  [/(\/(?:webhooks|interactions)\/\d+\/)[^/\s"'?]+/g, '$1[token]'],
  [/(\b[a-z][a-z0-9+.-]*:\/\/)[^/\s:@"']*:[^@/\s"']+@/gi, '$1[credentials]@'],
  // a short word in small letters belongs to a sentence
  [/\b(Bearer|Bot|Key|Basic)\s+(?![a-z-]{1,15}[.,:;!?]?(?:["'\s]|$))[\w.:~+/=-]{8,}/g, '$1 [secret]'],
  [/\bsk-[\w-]{16,}/g, '[secret]'],
  [/\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}:[0-9a-f]{16,}/gi, '[secret]'],
]

/** A name, and the value behind it. Quotes in a line of JSON may be escaped. */
const named =
  /((?:signature|(?<![a-z])sign|token|secret|password|api[_-]?key|x-amz-[a-z]+|(?<![a-z])q-[a-z-]+)\\*["']?\s*[=:]\s*\\*["']?)([^\s&"',}\\]+)/gi

export function redact(text: string): string {
  const rest = secretShapes.reduce((line, [shape, instead]) => line.replace(shape, instead), text)
  return rest.replace(named, (all: string, name: string, value: string, at: number, line: string) =>
    startsSentence(name, value, line.slice(at + all.length)) ? all : `${name}[secret]`,
  )
}

/** 'TELEGRAM_TOKEN: copy it again': advice about a setting, not its value. */
const startsSentence = (name: string, value: string, after: string) =>
  name.endsWith(': ') && /^[a-z]{1,15}$/.test(value) && /^ [\p{L}@]/u.test(after)

/** Where the database drivers and Postgres put the values of a statement. */
const valueFields = new Set([
  'params',
  'parameters',
  'args',
  'where',
  'detail',
  'query',
  'queryOptions',
  'internalQuery',
])

/**
 * An error for the log, without the values of database statements, which contain words of people. drizzle writes the values
 * into the message of its errors, Postgres quotes those that it cannot read, and the drivers keep them in fields.
 */
function serializeError(error: unknown): unknown {
  if (!(error instanceof Error)) return error
  const values = valuesIn(error)
  const withoutValues = (text: string) =>
    values.reduce((rest, [value, instead]) => rest.replaceAll(value, instead), text)
  const { raw: _raw, ...fields } = stdSerializers.err(error)
  const kept = Object.entries(fields).filter(([name]) => !valueFields.has(name))
  return Object.fromEntries(
    kept.map(([name, value]) => [name, typeof value === 'string' ? withoutValues(value) : value]),
  )
}

/** Texts in the messages of the error and of its causes, and what to write instead. */
function valuesIn(error: Error): [value: string, instead: string][] {
  const values: [string, string][] = []
  for (let each: unknown = error, depth = 0; each instanceof Error && depth < 5; each = each.cause, depth++) {
    if ('params' in each && Array.isArray(each.params)) values.push([`\nparams: ${each.params}`, ''])
    // class 22: a value is wrong; in other classes the quotes hold names of tables and columns
    const quoted = 'code' in each && /^22/.test(String(each.code)) && /".*"/s.exec(each.message)?.[0]
    if (quoted) values.push([quoted, '"…"'])
  }
  return values
}

/** `secrets`: values to remove from every line, in any shape. Values added later are removed as well. */
export function createLog(level: string, secrets: Iterable<string> = []): Log {
  const withoutSecrets = (line: string) => {
    let rest = line
    for (const secret of secrets) if (secret.length >= 8) rest = rest.replaceAll(secret, '[secret]')
    return redact(rest)
  }
  return pino(
    {
      level,
      base: null,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { err: serializeError },
      timestamp: pino.stdTimeFunctions.isoTime,
    },
    {
      write(line: string) {
        process.stderr.write(withoutSecrets(process.stderr.isTTY ? readableLine(line) : line))
      },
    },
  )
}
