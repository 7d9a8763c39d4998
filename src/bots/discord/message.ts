/** A reply as a message of Discord. */
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
import { labelOf, plainText } from '../layout.ts'
import { altOf, contentOf } from './text.ts'

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
  const links = files.filter(({ data }) => !data).map(({ name, link }) => `\n${name}: <${link}>`)
  return {
    body: {
      content: contentOf(plainText(reply), mention ? `<@${mention}> ` : '') + links.join(''),
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
