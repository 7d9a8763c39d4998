/** Logs one JSON line per event to standard error. Standard output is left to people and pipes. */
import { pino, stdSerializers } from 'pino'

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
  [/\b(Bearer|Bot|Key|Basic)\s+[\w.:~+/=-]{8,}/g, '$1 [secret]'],
  [
    /((?:signature|sign|token|secret|password|api[_-]?key|x-amz-[a-z]+|q-[a-z-]+)["']?\s*[=:]\s*["']?)[^\s&"',}]+/gi,
    '$1[secret]',
  ],
  [/\bsk-[\w-]{16,}/g, '[secret]'],
  [/\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}:[0-9a-f]{16,}/gi, '[secret]'],
]

export function redact(text: string): string {
  return secretShapes.reduce((rest, [shape, instead]) => rest.replace(shape, instead), text)
}

/** Where the database drivers and Postgres put the values of a statement. */
const valueFields = new Set(['params', 'parameters', 'args', 'where', 'detail', 'query', 'internalQuery'])

/**
 * An error for the log, without the values of database statements, which contain words of people. drizzle writes the values
 * into the message of its errors, and the drivers keep them in fields.
 */
function serializeError(error: unknown): unknown {
  if (!(error instanceof Error)) return error
  const listed = valueLists(error)
  const withoutValues = (text: string) => listed.reduce((rest, list) => rest.replaceAll(list, ''), text)
  const { raw: _raw, ...fields } = stdSerializers.err(error)
  const kept = Object.entries(fields).filter(([name]) => !valueFields.has(name))
  return Object.fromEntries(
    kept.map(([name, value]) => [name, typeof value === 'string' ? withoutValues(value) : value]),
  )
}

/** The last line of drizzle's messages, of the error and of its causes. */
function valueLists(error: Error): string[] {
  const lists: string[] = []
  for (let each: unknown = error, depth = 0; each instanceof Error && depth < 5; each = each.cause, depth++) {
    if ('params' in each && Array.isArray(each.params)) lists.push(`\nparams: ${each.params}`)
  }
  return lists
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
        process.stderr.write(withoutSecrets(line))
      },
    },
  )
}
