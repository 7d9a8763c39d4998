/**
 * Keys, codes and links with a token in messages of the page. A message is stored without them. The whole message is stored next to it, sealed
 * with SECRET_KEY, while the page shows it, so that the database and its copies hold no readable secret.
 */
import type { Reply } from '../../core/ports/chat.ts'
import { seal, unseal } from '../../core/providers/seal.ts'
import { wordsFor } from '../../locales/index.ts'
import type { AnyCommand } from '../command.ts'
import { findCommand } from '../command.ts'
import { answerTo, type Body, secretMinutes, type WebMessage } from './messages.ts'

const mask = '••••'

/** The body without the secrets of the reply, and with a note that they were shown. */
export function hide(body: Body, { secrets = [], locale }: Pick<Reply, 'secrets' | 'locale'>): Body {
  if (secrets.length === 0) return body
  const inJson = (secret: string) => JSON.stringify(secret).slice(1, -1)
  // longest first: one may be a part of another
  const ordered = secrets.toSorted((a, b) => b.length - a.length)
  const masked = ordered.reduce((json, secret) => json.replaceAll(inJson(secret), mask), JSON.stringify(body))
  const hidden = JSON.parse(masked) as Body
  const note = wordsFor(locale).secretHidden(secretMinutes)
  const { notes = [] } = hidden.parts ?? {}
  return { ...hidden, text: `${hidden.text}\nℹ️ ${note}`, parts: { ...hidden.parts, notes: [...notes, note] } }
}

interface Answer {
  /** Of the message that it answers. */
  id: string
  body: Body
  reply: Pick<Reply, 'secrets' | 'locale'>
}

/** The two forms in which an answer is stored. */
export function sealing(secretKey: Buffer, { id, body, reply }: Answer): { body: Body; sealed?: string } {
  if (!reply.secrets?.length) return { body }
  return { body: hide(body, reply), sealed: seal(secretKey, rowOf(answerTo(id)), JSON.stringify(body)) }
}

/** The body as the page shows it now. After a change of SECRET_KEY its secrets stay hidden. */
export function opened(secretKey: Buffer, { id, body, sealed }: WebMessage): Body {
  const whole = sealed === null ? undefined : unseal(secretKey, rowOf(id), sealed)
  return whole === undefined ? body : (JSON.parse(whole) as Body)
}

/** What a person wrote, without the value of an option that is a secret. */
export function withoutSecret(commands: readonly AnyCommand[], name: string, text: string): string {
  const { options = {} } = findCommand(commands, name) ?? {}
  return Object.values(options).some(({ secret }) => secret) ? text.replace(/^(\s*\/\S+\s+)\S.*$/s, `$1${mask}`) : text
}

const rowOf = (id: string) => `web_messages ${id}`
