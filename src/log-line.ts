/** Formats a line of the log for a terminal: time, level, message and data, instead of JSON. */

interface Entry {
  level?: string
  time?: string
  msg?: string
  kind?: string
  err?: { type?: string; message?: string; stack?: string }
  [name: string]: unknown
}

/** `line`: an entry as pino writes it. */
export function readableLine(line: string): string {
  const { level = 'info', time = '', msg = '', err, ...data } = JSON.parse(line) as Entry
  const details = Object.entries(data).map(([name, value]) => `${name}=${textOf(value)}`)
  const reason = err?.message === undefined ? [] : [`(${firstLine(err.message)})`]
  const text = [time.slice(11, 19), level.padEnd(5), msg, ...reason, ...details].join(' ')
  return isDefect(level, { err, kind: data.kind }) && err?.stack ? `${text}\n${err.stack}\n` : `${text}\n`
}

/** Only a defect needs its stack: that of an expected error, such as a provider that does not answer, does not help. */
function isDefect(level: string, { err, kind }: Pick<Entry, 'err' | 'kind'>): boolean {
  return kind === undefined ? level === 'error' && err?.type !== 'AppError' : kind === 'internal'
}

const firstLine = (text: string) => text.split('\n', 1)[0] ?? ''

function textOf(value: unknown): string {
  return typeof value === 'string' && /^\S+$/.test(value) ? value : JSON.stringify(value)
}
