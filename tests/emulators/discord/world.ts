/** Users, the bot's guilds, channels, and what the bot may not access. */
import { closedDms, missingAccess, missingPermissions, unknownChannel } from './errors.ts'
import { snowflake } from './ids.ts'
import type { Json, User } from './types.ts'

export interface Channel {
  id: string
  /** 0 guild text channel, 1 direct message, 3 group direct message, 11 public thread. */
  type: 0 | 1 | 3 | 11
  guildId: string | null
  name: string
  /** The other person of a direct message. */
  recipientId?: string
  /** 50001: the bot cannot see the channel. 50013: it cannot write there. */
  denied?: 50001 | 50013
  /** Whether the channel is age-restricted. Discord does not say so of threads. */
  nsfw: boolean
  /** The channel that a thread is part of. */
  parentId?: string
}

export interface NewChannel {
  /** Default: a new one. */
  id?: string
  /** null: a group direct message. Default: the home guild. */
  guildId?: string | null
  denied?: Channel['denied']
  nsfw?: boolean
  /** Makes it a thread of this channel. */
  parentId?: string
}

export interface Guild {
  id: string
  name: string
  ownerId: string
}

export interface World {
  readonly bot: User
  readonly person: User
  readonly home: { guildId: string; channelId: string }
  /** Returns the user with this id, created on first use. */
  user(id: string, username?: string): User
  existingUser(id: string): User | undefined
  guild(id: string): Guild | undefined
  guilds(): Guild[]
  addGuild(id?: string): Guild
  channel(id: string): Channel | undefined
  addChannel(channel: NewChannel): Channel
  /** Returns the direct message channel with this user, created on first use. */
  dm(userId: string): Channel
  channelsOf(guildId: string): Channel[]
  closeDms(userId: string, closed: boolean): void
  /** Returns the channel. Throws Discord's error if the bot cannot see it. */
  readable(id: string): Channel
  /** Returns the channel. Throws Discord's error if the bot cannot write there. */
  writable(id: string): Channel
}

export function createWorld(applicationId: string): World {
  const users = new Map<string, User>()
  const guilds = new Map<string, Guild>()
  const channels = new Map<string, Channel>()
  const dmByUser = new Map<string, Channel>()
  const closed = new Set<string>()

  const bot = { id: applicationId, username: 'fluxbot', bot: true }
  users.set(bot.id, bot)
  const person = user(snowflake(), 'ada')
  const home = { guildId: addGuild().id, channelId: '' }
  home.channelId = addChannel({ guildId: home.guildId }).id

  function user(id: string, username = `user-${id.slice(-6)}`): User {
    const existing = users.get(id)
    if (existing) return existing
    const added = { id, username, bot: false }
    users.set(id, added)
    return added
  }

  function addGuild(id = snowflake()): Guild {
    const guild = { id, name: `Guild ${guilds.size + 1}`, ownerId: person.id }
    guilds.set(id, guild)
    return guild
  }

  function addChannel({ id = snowflake(), guildId = home.guildId, denied, nsfw = false, parentId }: NewChannel) {
    const type = parentId ? 11 : guildId ? 0 : 3
    const channel: Channel = { id, type, guildId, name: `channel-${channels.size + 1}`, denied, nsfw, parentId }
    channels.set(id, channel)
    return channel
  }

  function dm(userId: string): Channel {
    const existing = dmByUser.get(userId)
    if (existing) return existing
    const recipientId = user(userId).id
    const channel: Channel = { id: snowflake(), type: 1, guildId: null, name: '', recipientId, nsfw: false }
    dmByUser.set(userId, channel)
    channels.set(channel.id, channel)
    return channel
  }

  function readable(id: string): Channel {
    const channel = channels.get(id)
    if (!channel) throw unknownChannel()
    if (channel.denied === 50001) throw missingAccess()
    return channel
  }

  return {
    bot,
    person,
    home,
    user,
    existingUser: (id) => users.get(id),
    guild: (id) => guilds.get(id),
    guilds: () => [...guilds.values()],
    addGuild,
    channel: (id) => channels.get(id),
    addChannel,
    dm,
    channelsOf: (guildId) => [...channels.values()].filter((channel) => channel.guildId === guildId),
    closeDms: (userId, isClosed) => void (isClosed ? closed.add(userId) : closed.delete(userId)),
    readable,
    writable(id) {
      const channel = readable(id)
      if (channel.denied === 50013) throw missingPermissions()
      if (channel.recipientId && closed.has(channel.recipientId)) throw closedDms()
      return channel
    },
  }
}

export function userJson({ id, username, bot }: User): Json {
  return {
    id,
    username,
    avatar: null,
    discriminator: '0',
    public_flags: 0,
    flags: 0,
    ...(bot ? { bot: true } : {}),
    banner: null,
    accent_color: null,
    global_name: bot ? null : username,
    avatar_decoration_data: null,
    collectibles: null,
    primary_guild: null,
  }
}

export function memberJson(user: User, roles: readonly string[] = []): Json {
  return {
    user: userJson(user),
    nick: null,
    avatar: null,
    banner: null,
    roles,
    joined_at: '2024-01-01T00:00:00.000000+00:00',
    premium_since: null,
    communication_disabled_until: null,
    unusual_dm_activity_until: null,
    pending: false,
    deaf: false,
    mute: false,
    flags: 0,
  }
}

export function channelJson(channel: Channel, world: World): Json {
  const { id, type, guildId, name, recipientId, nsfw } = channel
  const common = { id, type, flags: 0, last_message_id: null }
  if (type === 1) return { ...common, recipients: [userJson(world.user(recipientId!))] }
  if (type === 3) return { ...common, name: null, icon: null, owner_id: world.person.id, recipients: [] }
  if (type === 11) return { ...common, guild_id: guildId, name, ...threadJson(channel, world) }
  return {
    ...common,
    guild_id: guildId,
    name,
    position: 0,
    parent_id: null,
    topic: null,
    nsfw,
    rate_limit_per_user: 0,
    permission_overwrites: [],
  }
}

const threadJson = ({ parentId }: Channel, world: World): Json => ({
  parent_id: parentId,
  owner_id: world.person.id,
  rate_limit_per_user: 0,
  message_count: 0,
  member_count: 1,
  total_message_sent: 0,
  thread_metadata: {
    archived: false,
    archive_timestamp: '2024-01-01T00:00:00.000000+00:00',
    auto_archive_duration: 1440,
    locked: false,
    create_timestamp: '2024-01-01T00:00:00.000000+00:00',
  },
})

/** Payload of GUILD_CREATE. */
export function guildJson({ id, name, ownerId }: Guild, world: World): Json {
  const everyone = {
    id,
    name: '@everyone',
    permissions: '2222085186637377',
    position: 0,
    color: 0,
    colors: { primary_color: 0, secondary_color: null, tertiary_color: null },
    hoist: false,
    managed: false,
    mentionable: false,
    icon: null,
    unicode_emoji: null,
    flags: 0,
  }
  return {
    id,
    name,
    icon: null,
    splash: null,
    discovery_splash: null,
    description: null,
    owner_id: ownerId,
    region: 'deprecated',
    preferred_locale: 'en-US',
    features: [],
    afk_channel_id: null,
    afk_timeout: 300,
    system_channel_id: null,
    system_channel_flags: 0,
    rules_channel_id: null,
    public_updates_channel_id: null,
    safety_alerts_channel_id: null,
    verification_level: 0,
    default_message_notifications: 0,
    explicit_content_filter: 0,
    mfa_level: 0,
    nsfw: false,
    nsfw_level: 0,
    premium_tier: 0,
    premium_subscription_count: 0,
    premium_progress_bar_enabled: false,
    vanity_url_code: null,
    banner: null,
    application_id: null,
    max_members: 25_000_000,
    max_video_channel_users: 25,
    max_stage_video_channel_users: 50,
    roles: [everyone],
    emojis: [],
    stickers: [],
    joined_at: '2024-01-01T00:00:00.000000+00:00',
    large: false,
    unavailable: false,
    member_count: 2,
    members: [memberJson(world.bot)],
    channels: world
      .channelsOf(id)
      .filter(({ type }) => type === 0)
      .map((channel) => channelJson(channel, world)),
    threads: [],
    voice_states: [],
    presences: [],
    stage_instances: [],
    guild_scheduled_events: [],
    soundboard_sounds: [],
    hub_type: null,
  }
}
