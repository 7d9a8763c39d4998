/** Every chat platform. Adding one: a file beside this one and a line below. */
import type { FastifyPluginAsync } from 'fastify'
import type { Parts } from '../compose.ts'
import type { Config } from '../config.ts'
import type { Call, ChatSurface } from '../core/ports/chat.ts'
import { readFact, saveFact } from '../db/facts.ts'
import { allActions } from './actions/index.ts'
import { allCommands } from './commands/index.ts'
import { createDiscord } from './discord/discord.ts'
import { createDispatch } from './dispatch.ts'
import { allMenus } from './menus/index.ts'
import { createTelegram, telegramWebhookPath } from './telegram/telegram.ts'
import { createWeb } from './web/web.ts'

export interface Surfaces {
  create(parts: Parts): readonly ChatSurface[]
  /** Their routes on the HTTP side; after `create`. */
  plugins(): readonly FastifyPluginAsync[]
}

export function allSurfaces(config: Config): Surfaces {
  const plugins: FastifyPluginAsync[] = []
  return {
    plugins: () => plugins,
    create: (parts) => {
      const { publicUrl, apiKey, adminIds: admins, pictureDays } = config
      const web = createWeb({ ...parts, publicUrl, apiKey, admins, pictureDays })
      plugins.push(web.plugin)
      return [web, ...discord(config, parts, plugins), ...telegram(config, parts, plugins)]
    },
  }
}

function discord(
  { discord: settings }: Config,
  { database, log, models, core }: Parts,
  plugins: FastifyPluginAsync[],
): ChatSurface[] {
  if (!settings) return []
  const facts = {
    get: (name: string) => readFact(database, name),
    set: (name: string, value: string) => saveFact(database, name, value),
  }
  const handlers = { commands: allCommands, actions: allActions, menus: allMenus }
  const suggest = (call: Call) => createDispatch(core(), handlers)(call)
  const surface = createDiscord({ ...settings, ...handlers, models, database, facts, suggest, log })
  if (surface.plugin) plugins.push(surface.plugin)
  return [surface]
}

function telegram(config: Config, { database, log }: Parts, plugins: FastifyPluginAsync[]): ChatSurface[] {
  const { telegram: settings, publicUrl, adminIds: admins } = config
  if (!settings) return []
  const surface = createTelegram({ ...settings, publicUrl, database, commands: allCommands, admins, log })
  if (settings.webhookSecret) {
    plugins.push(async (app) => {
      app.post(telegramWebhookPath, async (request, reply) => {
        const secret = request.headers['x-telegram-bot-api-secret-token']
        return reply.code(await surface.handleUpdate(request.body, secret)).send()
      })
    })
  }
  return [surface]
}
