/** Menus of messages, and the pictures that people chose in them, until the form that this opened is submitted. */
import {
  type APIMessageApplicationCommandInteraction,
  type APIModalSubmitInteraction,
  ApplicationCommandType,
  ApplicationIntegrationType,
  InteractionContextType,
} from 'discord-api-types/v10'
import { sql } from 'drizzle-orm'
import { parseButton } from '../../core/chats/buttons.ts'
import type { MessageName } from '../../core/ports/chat.ts'
import { columnsOf, readRows, typed } from '../../db/columns.ts'
import type { Database } from '../../db/database.ts'
import { pickedMessages } from '../../db/schema/chats.ts'
import { allLanguages } from '../../locales/index.ts'
import type { Menu } from '../menus/menu.ts'
import { picturesOf, type RemotePicture } from './images.ts'

export interface Picked {
  message: MessageName
  /** `index`: its position among all attachments of the message, from 0. */
  pictures: (RemotePicture & { index: number })[]
}

/** Discord's signed addresses of attachments work for a day. */
const keptHours = 12

const everywhere = {
  contexts: [InteractionContextType.Guild, InteractionContextType.BotDM, InteractionContextType.PrivateChannel],
  integration_types: [ApplicationIntegrationType.GuildInstall, ApplicationIntegrationType.UserInstall],
}

export function menuDefinitions(menus: readonly Menu[]) {
  return menus.map((menu) => ({
    type: ApplicationCommandType.Message,
    name: labelOf(menu),
    name_localizations: Object.fromEntries(
      allLanguages.flatMap(([, words]) => words.tags.discord.map((tag) => [tag, words.menus[menu.name]])),
    ),
    ...everywhere,
  }))
}

/** Discord sends the label that the menu was registered with. */
export const findMenu = (menus: readonly Menu[], label: string): Menu | undefined =>
  menus.find((menu) => labelOf(menu) === label)

function labelOf({ name }: Menu): string {
  const [english] = allLanguages
  return english![1].menus[name]
}

/** The pictures of the message; its other files are left out. */
export function pickedIn({ data }: APIMessageApplicationCommandInteraction): Picked {
  const message = data.resolved.messages[data.target_id]
  const pictures = message ? picturesOf(message).map((picture, index) => ({ ...picture, index })) : []
  return { message: data.target_id, pictures: pictures.filter(({ unusable }) => !unusable) }
}

interface Keeping {
  ref: string
  /** Id of the only person who may submit the form. */
  person: string
  picked: Picked
}

/** Repeating it changes nothing. */
export async function keepPicked(database: Database, { ref, person, picked }: Keeping): Promise<void> {
  await database.rows(sql`
    with old as (delete from picked_messages where expires_at < now())
    insert into picked_messages (ref, person, picked, expires_at)
    values (${ref}, ${person}, ${JSON.stringify(picked)}::jsonb, now() + make_interval(hours => ${keptHours}::int))
    on conflict (ref) do nothing`)
}

const columns = columnsOf({ picked: typed<Picked>(pickedMessages.picked) })

/** undefined: no menu opened the form, another person's did, or it is too old. */
export async function readPicked(
  database: Database,
  { data, member, user }: APIModalSubmitInteraction,
): Promise<Picked | undefined> {
  const ref = parseButton(data.custom_id)?.ref.id ?? ''
  if (!/^\d+$/.test(ref)) return undefined
  const person = member?.user.id ?? user?.id ?? ''
  const [row] = await readRows(
    database,
    columns,
    (list) => sql`
      select ${list} from picked_messages where ref = ${ref} and person = ${person} and expires_at > now()`,
  )
  return row?.picked
}
