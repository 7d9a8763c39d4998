/** Where on Discord a person acts. What Discord leaves out of its data is asked for only where the rules of the server need it. */
import { type APIChannel, type APIInteraction, ChannelType, PermissionFlagsBits, Routes } from 'discord-api-types/v10'
import { chatOf, readRules } from '../../core/chats/rules.ts'
import type { Call, Place } from '../../core/ports/chat.ts'
import type { Database } from '../../db/database.ts'
import type { Api } from './rest/api.ts'

type Channel = NonNullable<APIInteraction['channel']>

/** From the payload that Discord signed or sent over the gateway. */
export function placeOf(
  { guild_id: guildId, member }: Pick<APIInteraction, 'guild_id' | 'member'>,
  channel: Channel,
): Place {
  const permissions = BigInt(member?.permissions ?? 0)
  return {
    group: guildId === undefined ? undefined : { id: guildId },
    ...aboutChannel(channel),
    manager: (permissions & PermissionFlagsBits.ManageGuild) !== 0n,
    roles: member?.roles ?? [],
  }
}

/** Discord does not say whether a thread is age-restricted: it is if the channel is that it is part of. */
function aboutChannel(channel: Channel): Pick<Place, 'channel' | 'parent' | 'nsfw'> {
  // the parent of a channel that is no thread is a category
  const parent = threads.includes(channel.type) && 'parent_id' in channel ? channel.parent_id : undefined
  return { channel: channel.id, ...(parent && { parent }), nsfw: 'nsfw' in channel && channel.nsfw === true }
}

const threads: readonly ChannelType[] = [
  ChannelType.AnnouncementThread,
  ChannelType.PublicThread,
  ChannelType.PrivateThread,
]

/** A message says nothing about its channel, and a thread does not say whether it is age-restricted. */
export async function withPlace(api: Api, database: Database, call: Call): Promise<Call> {
  const { surface, place, act } = call
  const chat = chatOf({ surface, place })
  const isMessage = act.kind === 'message'
  if (chat === undefined || !(isMessage || place.parent !== undefined)) return call
  const { channels, nsfw } = await readRules({ database }, chat)
  if (!nsfw && Object.keys(channels).length === 0) return call
  const known = isMessage ? { ...place, ...(await channelOf(api, place.channel)) } : place
  if (!nsfw || known.parent === undefined) return { ...call, place: known }
  return { ...call, place: { ...known, nsfw: (await channelOf(api, known.parent)).nsfw ?? false } }
}

/** Empty where the bot cannot see it: then it counts as neither a thread nor age-restricted. Throws AppError if Discord may know later. */
async function channelOf(api: Api, id: string): Promise<Partial<Place>> {
  try {
    return aboutChannel(await api.send<APIChannel>('get', Routes.channel(id)))
  } catch (error) {
    const failure = api.toAppError(error)
    if (failure.retry) throw failure
    return {}
  }
}
