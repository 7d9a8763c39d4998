/** What a visitor of the page did → `Call`. */
import { createHash } from 'node:crypto'
import { z } from 'zod'
import type { Act, Call, Identity, Options, Place, Posted } from '../../core/ports/chat.ts'
import type { Database } from '../../db/database.ts'
import type { Json } from '../../db/json.ts'
import { findCommand } from '../command.ts'
import { fluxCommand } from '../commands/flux.ts'
import { attachmentsOf, type StoredFile } from '../inbox-files.ts'
import type { Received } from '../inbox-store.ts'

export interface Said {
  visitor: string
  from: Identity
  /** Made by the page, the same for each try to send it. */
  id: string
  locale: string
  act: Act
  /** Credits that the page showed beside what was written. */
  shownPrice?: number
  files?: readonly StoredFile[]
  /** The key that its files are stored under. Absent: its own. */
  filesKey?: string
}

const actId = z.string().regex(/^[\w-]{8,64}$/)
const buttonId = z.string().max(100)
/** Characters of one field; how long a prompt may be is checked by the form. */
const maxField = 20_000
const maxFields = 20

/** An API key, or the token of a link from `/panel`. */
export const signInBody = z.union([
  z.strictObject({ key: z.string().max(1_000) }),
  z.strictObject({ panel: z.string().max(100) }),
])
/** Pictures of one message. */
export const maxAttached = 14

const optionNames = Object.keys(fluxCommand.options).filter((name) => fluxCommand.options[name]?.type !== 'image')

/** Options of a request, beside its words. The command checks their values. */
export const typedOptions = z
  .record(z.string(), z.union([z.string().max(maxField), z.number(), z.boolean()]))
  .refine((options) => Object.keys(options).every((name) => name !== 'prompt' && optionNames.includes(name)))

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

/** A form that is not wanted any more. `message`: the message that shows it. */
export const closedFormBody = z.strictObject({ message: messageId })

/** The message of ours that the page names. */
export const postedOf = (visitor: string, message: string): Posted =>
  `web:${visitor}:${message.replace(/:answer$/, '')}`

export const keyOf = ({ visitor, id }: Pick<Said, 'visitor' | 'id'>) => `web:${visitor}:${id}`

/** Where a visitor acts: a chat with the bot alone. */
export const placeOf = (visitor: string): Place => ({ channel: visitor, nsfw: false, manager: false, roles: [] })

/** Lanes for the presses and forms of one visitor: so many are handled at a time, and all others wait. */
const pressLanes = 4

const pressLane = (visitor: string, number: number) => `press ${visitor} ${number}`

/** Every lane of a visitor. */
export const lanesOf = (visitor: string): string[] => [
  visitor,
  ...Array.from({ length: pressLanes }, (_, number) => pressLane(visitor, number)),
]

/** Messages of a visitor are handled in order. Presses and forms do not wait for messages. */
export function receivedOf(said: Said): Received {
  const { visitor, id, act } = said
  const isPress = act.kind === 'press' || act.kind === 'form'
  const number = createHash('sha256').update(id).digest().readUInt8() % pressLanes
  return { key: keyOf(said), lane: isPress ? pressLane(visitor, number) : visitor, body: said as unknown as Json }
}

/** From a row of the inbox. */
export function callOf(database: Database, body: Json | undefined): Call {
  const { visitor, from, id, locale, act, shownPrice, files = [], filesKey } = body as unknown as Said
  const key = keyOf({ visitor, id })
  return {
    key,
    surface: 'web',
    // what a press is refused for is no part of the conversation
    address: act.kind === 'press' ? `web:${visitor}:${id}:press` : `web:${visitor}:${id}`,
    from,
    place: placeOf(visitor),
    locale,
    act,
    shownPrice,
    images: attachmentsOf(database, filesKey ?? key, files),
    // the conversation is stored, so nothing that is shown once belongs here
    isPrivate: false,
  }
}

/** '/history 2' is a command; anything else is a request. `options`: of a request; other commands do not have them. */
export function actOf(text: string, options: Options = {}): Act {
  const [start = '', written = ''] = /^\s*\/([a-z][\w-]*)(?=\s|$)/i.exec(text) ?? []
  const hasOptions = Object.keys(options).length > 0
  if (written === '' && !hasOptions) return { kind: 'message', text: text.trim() }
  const words = text.slice(start.length).trim()
  const name = written.toLowerCase() || fluxCommand.name
  const isRequest = findCommand([fluxCommand], name) !== undefined
  return {
    kind: 'command',
    name,
    text: words,
    options: isRequest && hasOptions ? { ...options, prompt: words } : {},
  }
}

/** What the person chose beside the words; other commands than requests leave it out. */
export function optionsOf(act: Act): Options | undefined {
  if (act.kind !== 'command' || !Object.hasOwn(act.options, 'prompt')) return undefined
  const { prompt: _, ...others } = act.options
  return others
}
