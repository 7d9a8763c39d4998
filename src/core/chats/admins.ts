/** Writes to administrators in their private chats. */
import { eq } from 'drizzle-orm'
import { privateChats } from '../../db/schema/broadcasts.ts'
import { readSettings } from '../accounts/settings.ts'
import type { Core } from '../core.ts'
import { AppError } from '../errors.ts'
import { splitName } from '../ids.ts'
import type { Locale, Reply } from '../ports/chat.ts'

/** Identities of the administrators on surfaces where the bot can open a private chat. `on`: only those of this surface. */
export function reachableAdmins(core: Core, on?: string): string[] {
  return core.admins.filter((identity) => {
    const { platform } = splitName(identity)
    return (on === undefined || on === platform) && core.surfaces.get(platform)?.privateChat !== undefined
  })
}

interface Letter {
  /** Names the occasion, as for `ChatSurface.privateChat`. */
  about: string
  /** For an administrator whose language is not known. */
  locale: Locale
  write(locale: Locale): Reply
}

/** Rejects with AppError chat_refused, chat_unavailable. */
export async function tellAdmin(core: Core, admin: string, { about, locale, write }: Letter): Promise<void> {
  const surface = core.surfaces.get(splitName(admin).platform)
  if (!surface?.privateChat) throw new AppError('chat_refused')
  const reply = write((await languageOf(core, admin)) ?? locale)
  await surface.post(await surface.privateChat(admin, about), reply)
}

/** The language that they have set, or have last written in. */
async function languageOf(core: Core, admin: string): Promise<Locale | undefined> {
  const place = { channel: '', nsfw: false, manager: false, roles: [] }
  const where = { surface: splitName(admin).platform, from: { id: admin, name: '' }, place }
  const { person } = await readSettings(core, where)
  if (person.language !== undefined) return person.language
  const [written] = await core.database.db
    .select({ locale: privateChats.locale })
    .from(privateChats)
    .where(eq(privateChats.person, admin))
  return written?.locale
}
