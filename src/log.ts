/** Logs one JSON line per event to standard error. Standard output is left to people and pipes. */
import { pino } from 'pino'

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
      timestamp: pino.stdTimeFunctions.isoTime,
    },
    {
      write(line: string) {
        process.stderr.write(withoutSecrets(line))
      },
    },
  )
}
