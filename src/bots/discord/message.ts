/** A reply as a message of Discord, and how large the files of a message may be. */
import type { RawFile } from '@discordjs/rest'
import {
  type APIActionRowComponent,
  type APIButtonComponentWithCustomId,
  type APIButtonComponentWithSKUId,
  ButtonStyle,
  ComponentType,
  MessageFlags,
} from 'discord-api-types/v10'
import type { Button, ButtonRows, Reply } from '../../core/ports/chat.ts'
import type { FileLimits } from '../../core/ports/reply-files.ts'
import { labelOf, pictureLinks, plainText } from '../layout.ts'
import { createdAtMs, type Target, tokenLifeMs, usualFileBytes } from './address.ts'
import { altOf, contentOf, linesOf } from './text.ts'

type ButtonRow = APIActionRowComponent<APIButtonComponentWithCustomId | APIButtonComponentWithSKUId>

export interface Message {
  body: {
    content: string
    /** Always all attachments: Discord removes those that are not listed. */
    attachments: { id: string; filename: string; description?: string }[]
    /** Always all buttons: an edit without buttons removes them. */
    components: ButtonRow[]
    allowed_mentions: { parse: []; users?: string[]; replied_user: false }
    /** Keeps Discord from showing previews of links in prompts. */
    flags: MessageFlags
    message_reference?: { message_id: string; fail_if_not_exists: boolean }
  }
  files: RawFile[]
}

/** `mention`: id of the person whom Discord notifies of the message. */
export function messageOf(reply: Reply, mention?: string): Message {
  const { pictures = [], files = [], buttons = [], locale } = reply
  const shown = pictures.map(({ name, alt, file }) => {
    return { name: nameOf(name, file), alt: altOf(alt), data: file.data, type: file.type }
  })
  const whole = files.flatMap(({ name, data, type, flagged }) =>
    data ? [{ name: nameOf(name, { flagged }), data, type, alt: undefined }] : [],
  )
  const attached = [...shown, ...whole]
  const links = linesOf([
    pictureLinks(reply).map(({ label, url }) => `[${label}](<${url}>)`),
    ...files.filter(({ data }) => !data).map(({ name, link }) => [`${name}: <${link}>`]),
  ])
  return {
    body: {
      content: contentOf(plainText(reply), { before: mention ? `<@${mention}> ` : '', after: links }),
      attachments: attached.map(({ name, alt }, index) => ({
        id: String(index),
        filename: name,
        ...(alt !== undefined && { description: alt }),
      })),
      components: rowsOf(locale, buttons),
      flags: MessageFlags.SuppressEmbeds,
      allowed_mentions: { parse: [], ...(mention ? { users: [mention] } : {}), replied_user: false },
    },
    files: attached.map(({ name, data, type }) => ({ name, data, contentType: type })),
  }
}

/** Discord hides files with such a name until a person wants to see them. */
const spoiler = 'SPOILER_'

const nameOf = (name: string, { flagged }: { flagged?: boolean }) => (flagged ? spoiler + name : name)

export const hasSpoilers = ({ files }: Message) => files.some(({ name }) => name.startsWith(spoiler))

const styles = { primary: ButtonStyle.Primary, danger: ButtonStyle.Danger, plain: ButtonStyle.Secondary } as const

export const rowsOf = (locale: string, rows: ButtonRows): ButtonRow[] => rows.map((row) => rowOf(locale, row))

const rowOf = (locale: string, row: readonly Button[]): ButtonRow => ({
  type: ComponentType.ActionRow,
  components: row.map((button) =>
    button.item === undefined
      ? {
          type: ComponentType.Button,
          style: styles[button.style ?? 'plain'],
          label: labelOf(locale, button),
          custom_id: button.id,
        }
      : // Discord writes the name and the price of what is sold on it
        { type: ComponentType.Button, style: ButtonStyle.Premium, sku_id: button.item },
  ),
})

/** Discord's limit for a request is 25 MiB. The rest is for what is not a picture, and for the last picture that is reduced. */
const messageBytes = 24 * 1024 * 1024
/** A message may be sent some time after its pictures were chosen. */
const sendingMs = 60_000

/** Once its token has expired, the answer of an interaction is a message of the bot, whose limit may be lower. */
export function fileLimitsOf(target: Target): FileLimits {
  if (target.kind === 'channel') return { picture: usualFileBytes, pictures: messageBytes }
  const { interactionId, maxFileBytes = usualFileBytes } = target
  const mayExpire = Date.now() - createdAtMs(interactionId) > tokenLifeMs - sendingMs
  return { picture: mayExpire ? Math.min(maxFileBytes, usualFileBytes) : maxFileBytes, pictures: messageBytes }
}
