/** Plays the scenes: one service with both bots, whose pictures come from the built-in model and an emulated fal. */
import { startDiscord } from '../emulators/discord/index.ts'
import { startFal } from '../emulators/fal/index.ts'
import { startTelegram } from '../emulators/telegram/index.ts'
import { credits } from './discord/credits.ts'
import { late } from './discord/late.ts'
import { presses } from './discord/presses.ts'
import { rules } from './discord/rules.ts'
import { seenBy } from './discord/seen-by.ts'
import * as onDiscord from './discord/stage.ts'
import { typing } from './discord/typing.ts'
import { paintFor } from './painter.ts'
import { startService } from './service.ts'
import type { Scene } from './stage.ts'
import { flood } from './telegram/flood.ts'
import { crowd } from './telegram/group.ts'
import { groupSettings } from './telegram/group-settings.ts'
import { alone } from './telegram/private.ts'
import { shop } from './telegram/shop.ts'
import * as onTelegram from './telegram/stage.ts'

const discordScenes = [rules, seenBy, credits, presses, typing, late]
const telegramScenes = [alone, shop, crowd, groupSettings, flood]

/** Plays one scene after another: a picture that is drawn for one would delay the answers of another. */
export async function playEvenings(folder: string): Promise<Scene[]> {
  const [discord, telegram, fal] = await Promise.all([
    startDiscord(),
    startTelegram(),
    startFal({ picture: paintFor, flags: /nude/ }),
  ])
  const town = onDiscord.buildTown(discord, folder)
  telegram.promote(onTelegram.group.chatId, onTelegram.moderatorId)
  const service = await startService({
    WELCOME_CREDITS: '20',
    ADMIN_IDS: `${onDiscord.moderatorIdentity},telegram:${onTelegram.moderatorId}`,
    DISCORD_TOKEN: discord.token,
    DISCORD_API_URL: discord.apiUrl,
    TELEGRAM_TOKEN: telegram.token,
    TELEGRAM_API_URL: telegram.apiUrl,
    FAL_KEY: fal.key,
    FAL_QUEUE_URL: fal.url,
  })

  async function playAll<S>(
    surface: string,
    scenes: readonly (Pick<Scene, 'name' | 'title' | 'about'> & { play(stage: S): Promise<void> })[],
    stageOf: (scene: Scene) => S,
  ): Promise<Scene[]> {
    const played: Scene[] = []
    for (const { name, title, about, play } of scenes) {
      const scene: Scene = { surface, name, title, about, steps: [], notes: [] }
      await play(stageOf(scene))
      played.push(scene)
    }
    return played
  }

  try {
    const scenes = [
      ...(await playAll('discord', discordScenes, (scene) => onDiscord.createDiscordStage(town, scene))),
      ...(await playAll('telegram', telegramScenes, (scene) =>
        onTelegram.createTelegramStage(telegram, folder, scene),
      )),
    ]
    const violations = [...discord.violations, ...telegram.violations]
    if (violations.length > 0)
      throw new Error(`violations of the platforms' API descriptions:\n${violations.join('\n')}`)
    return scenes
  } finally {
    await service.stop()
    await Promise.all([discord.stop(), telegram.stop(), fal.stop()])
  }
}
