/** Connects the surfaces that this process's roles serve: chats belong to `bots`, the page to `http`. */
import type { Core } from '../core/core.ts'
import { allActions } from './actions/index.ts'
import { allCommands } from './commands/index.ts'
import { createDispatch } from './dispatch.ts'

export interface Bots {
  stop(): Promise<void>
  /** Surface → what is missing. */
  notReady(): Record<string, string | undefined>
}

export async function startBots(core: Core, roles: ReadonlySet<string>): Promise<Bots> {
  const dispatch = createDispatch(core, { commands: allCommands, actions: allActions })
  const ours = [...core.surfaces.values()].filter((surface) => roles.has(surface.name === 'web' ? 'http' : 'bots'))
  await Promise.all(ours.map((surface) => surface.start(dispatch)))
  return {
    stop: async () => {
      await Promise.all(ours.map((surface) => surface.stop()))
    },
    notReady: () => Object.fromEntries(ours.map((surface) => [surface.name, surface.notReady()])),
  }
}
