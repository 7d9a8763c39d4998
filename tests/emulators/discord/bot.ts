/** A bot on discord.js that is connected to the emulator, for tests of the emulator. */
import {
  ApplicationCommandType,
  type Interaction as BotInteraction,
  type ChatInputCommandInteraction,
  Client,
  type ClientOptions,
  ContextMenuCommandBuilder,
  type DiscordAPIError,
  Events,
  GatewayIntentBits,
  InteractionContextType,
  SlashCommandBuilder,
} from 'discord.js'
import type { DiscordEmulator, From, OptionValue } from './index.ts'

export const png = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==',
  'base64',
)

const commands = [
  new SlashCommandBuilder()
    .setName('imagine')
    .setDescription('Make a picture')
    .addStringOption((option) => option.setName('prompt').setDescription('What to see').setRequired(true))
    .addAttachmentOption((option) => option.setName('image').setDescription('To start from'))
    .addIntegerOption((option) => option.setName('seed').setDescription('Repeatable').setMinValue(0)),
  new SlashCommandBuilder()
    .setName('admin')
    .setDescription('Manages the bot')
    .setDefaultMemberPermissions('0')
    .setContexts(InteractionContextType.Guild)
    .addSubcommand((sub) =>
      sub
        .setName('grant')
        .setDescription('Gives credits')
        .addUserOption((option) => option.setName('to').setDescription('Receiver').setRequired(true)),
    ),
  new ContextMenuCommandBuilder().setName('Remix').setType(ApplicationCommandType.Message),
]

export interface TestBot {
  client: Client
  /** Resolves with the next interaction the bot receives. */
  received<T extends BotInteraction>(): Promise<T>
  /** Uses a slash command and waits until the bot has received it. */
  use(
    command: string,
    options: Record<string, OptionValue>,
    from?: From,
  ): Promise<{ person: ReturnType<DiscordEmulator['slash']>; bot: ChatInputCommandInteraction }>
  imagine(from?: From): ReturnType<TestBot['use']>
  stop(): Promise<void>
}

export async function connectBot(discord: DiscordEmulator, options: Partial<ClientOptions> = {}): Promise<TestBot> {
  const intents = [GatewayIntentBits.Guilds]
  const client = new Client({ intents, ...options, rest: { api: discord.apiUrl, ...options.rest } })
  const ready = new Promise((resolve) => client.once(Events.ClientReady, resolve))
  await client.login(discord.token)
  await Promise.all([ready, discord.waitForBot()])
  const bot: TestBot = {
    client,
    received: <T extends BotInteraction>() =>
      new Promise<T>((resolve) =>
        client.once(Events.InteractionCreate, (interaction) => resolve(interaction as unknown as T)),
      ),
    async use(command, values, from) {
      const arriving = bot.received<ChatInputCommandInteraction>()
      const person = discord.slash(command, values, from)
      return { person, bot: await arriving }
    },
    imagine: (from) => bot.use('imagine', { prompt: 'a fox' }, from),
    stop: () => client.destroy(),
  }
  return bot
}

export async function registerCommands({ client }: TestBot): Promise<void> {
  await client.application!.commands.set(commands)
}

/** Resolves with the error of a failed call, and with undefined if it succeeded. */
export const errorOf = (call: Promise<unknown>) =>
  call.then(
    () => undefined,
    (error: DiscordAPIError) => error,
  )

/** An action row with one button, whose label is its custom id. */
export const buttonRow = (id: string) => ({ type: 1, components: [{ type: 2, style: 1, label: id, custom_id: id }] })
