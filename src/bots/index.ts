/** Every chat platform. Adding one: a file beside this one and a line below. */
import type { Parts } from '../compose.ts'
import type { Config } from '../config.ts'
import type { ChatSurface } from '../core/ports.ts'
import { readFact, saveFact } from '../db/facts.ts'
import { wordsFor } from '../locales/index.ts'
import { models } from '../models/index.ts'
import { allCommands } from './commands/index.ts'
import { createDiscord } from './discord.ts'
import { createTelegram } from './telegram.ts'
import { createWeb } from './web.ts'

type Web = ReturnType<typeof createWeb>

export function allSurfaces(config: Config): { create(parts: Parts): readonly ChatSurface[]; web(): Web } {
  let web: Web | undefined
  return {
    create: (parts) => {
      web = createWeb({ ...parts, publicUrl: config.publicUrl, local: config.local, apiKey: config.apiKey })
      return [web, ...discord(config, parts), ...telegram(config, parts)]
    },
    web: () => {
      if (!web) throw new Error('create comes first')
      return web
    },
  }
}

const describe = (locale: string) => ({
  command: (name: string) => wordsFor(locale).commands[name] ?? name,
  option: (name: string) => wordsFor(locale).options[name] ?? name,
})

function discord({ discord: settings }: Config, { database, log }: Parts): ChatSurface[] {
  if (!settings) return []
  const facts = {
    get: (name: string) => readFact(database, name),
    set: (name: string, value: string) => saveFact(database, name, value),
  }
  return [createDiscord({ ...settings, commands: allCommands(models), describe, facts, log })]
}

function telegram({ telegram: settings, publicUrl }: Config, { database, log }: Parts): ChatSurface[] {
  return settings
    ? [createTelegram({ ...settings, publicUrl, database, commands: allCommands(models), describe, log })]
    : []
}
