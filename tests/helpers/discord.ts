/** The service with an emulated Discord in front of it: what a person does there is handled, drawn and shown. */
import { allActions } from '../../src/bots/actions/index.ts'
import { allCommands } from '../../src/bots/commands/index.ts'
import { createDiscord, type Discord, type DiscordOptions } from '../../src/bots/discord/discord.ts'
import { createDispatch } from '../../src/bots/dispatch.ts'
import { allMenus } from '../../src/bots/menus/index.ts'
import type { Parts } from '../../src/compose.ts'
import { type DiscordEmulator, startDiscord, type DiscordOptions as World } from '../emulators/discord/index.ts'
import { type Backend, quickest } from './backends.ts'
import { openTestCore, type TestCore, type TestCoreOptions } from './core.ts'
import { keepLog } from './log.ts'

export interface OnDiscord {
  discord: DiscordEmulator
  test: TestCore
  log: ReturnType<typeof keepLog>
  surface: Discord
  /** Another process that shares the database; it is not started. */
  another(more?: Partial<DiscordOptions>): Discord
  close(): Promise<void>
}

interface Opening extends Omit<TestCoreOptions, 'surfaces'> {
  world?: World
  backend?: Backend
  more?: Partial<DiscordOptions>
  /** Takes interactions by HTTP, too. */
  withPublicKey?: boolean
}

/** With a worker. The bot is connected. */
export async function openOnDiscord(opening: Opening = {}): Promise<OnDiscord> {
  const { world, backend = quickest, more, withPublicKey = false, ...options } = opening
  // a busy machine may need more than Discord's 3 s
  const discord = await startDiscord({ acknowledgeWithinMs: 20_000, ...world })
  const log = keepLog()
  const facts = new Map<string, string>()
  const handlers = { commands: allCommands, actions: allActions, menus: allMenus }
  const opened: { test?: TestCore } = {}
  const create = ({ database, models }: Pick<Parts, 'database' | 'models'>, over?: Partial<DiscordOptions>) =>
    createDiscord({
      ...handlers,
      token: discord.token,
      apiUrl: discord.apiUrl,
      database,
      models,
      facts: { get: async (name) => facts.get(name), set: async (name, value) => void facts.set(name, value) },
      suggest: async (call) => opened.test && createDispatch(opened.test.core, handlers)(call),
      log,
      publicKey: withPublicKey ? discord.endpoint.publicKey : undefined,
      ...more,
      ...over,
    })
  const test = await openTestCore(backend, { ...options, surfaces: (parts) => [create(parts)] })
  opened.test = test
  await test.work()
  const surface = test.core.surfaces.get('discord') as Discord
  await surface.start(createDispatch(test.core, handlers))
  await discord.waitForBot()
  return {
    discord,
    test,
    log,
    surface,
    another: (over) => create({ database: test.core.database, models: test.core.models.all }, over),
    async close() {
      await surface.stop()
      await test.close()
      await discord.stop()
    },
  }
}
