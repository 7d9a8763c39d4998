/** What a visitor of the page did → `Call`. */
import { z } from 'zod'
import type { Act, Call, Posted } from '../../core/ports/chat.ts'
import type { Json } from '../../db/json.ts'

export interface Said {
  visitor: string
  /** Made by the page, the same for each try to send it. */
  id: string
  locale: string
  act: Act
}

const actId = z.string().regex(/^[\w-]{8,64}$/)
const buttonId = z.string().max(100)
/** Characters of one field; how long a prompt may be is checked by the form. */
const maxField = 20_000
const maxFields = 20

/** As the page knows it: '<id of the act>:answer'. */
const messageId = z.string().max(100)

/** A press of a button. `message`: the message that it is part of. */
export const pressBody = z.strictObject({ id: actId, button: buttonId, message: messageId })

/** A submitted form. `message`: the message that shows it. */
export const formBody = z.strictObject({
  id: actId,
  form: buttonId,
  message: messageId,
  fields: z
    .record(z.string().max(40), z.string().max(maxField))
    .refine((fields) => Object.keys(fields).length <= maxFields),
})

/** The message of ours that the page names. */
export const postedOf = (visitor: string, message: string): Posted =>
  `web:${visitor}:${message.replace(/:answer$/, '')}`

/** From a row of the inbox. */
export const callOfStored = (body: Json | undefined): Call => callOf(body as unknown as Said)

export function callOf({ visitor, id, locale, act }: Said): Call {
  return {
    key: `web:${visitor}:${id}`,
    surface: 'web',
    address: `web:${visitor}:${id}`,
    from: { id: `web:${visitor}`, name: `web:${visitor.slice(0, 6)}` },
    place: { channel: visitor, nsfw: false, manager: false, roles: [] },
    locale,
    act,
    images: [],
    // the conversation is stored, so nothing that is shown once belongs here
    isPrivate: false,
  }
}

/** '/history 2' is a command; anything else is a request. */
export function actOf(text: string): Act {
  const [start = '', name = ''] = /^\s*\/([a-z][\w-]*)(?=\s|$)/i.exec(text) ?? []
  if (name === '') return { kind: 'message', text: text.trim() }
  return { kind: 'command', name: name.toLowerCase(), text: text.slice(start.length).trim(), options: {} }
}
