/** Connects the surfaces that this process's roles serve: chats belong to `bots`, the page to `http`. */
import { keepBroadcasting } from '../core/broadcasts/send.ts'
import type { Core } from '../core/core.ts'
import { allActions } from './actions/index.ts'
import { broadcastLooks } from './broadcast/replies.ts'
import { allCommands } from './commands/index.ts'
import { createDispatch } from './dispatch.ts'
import { allMenus } from './menus/index.ts'

export interface Bots {
  /** Resolves once every platform has accepted us; rejects when one refuses for good, such as a wrong token. */
  started: Promise<void>
  stop(): Promise<void>
  /** Surface → what is missing. */
  notReady(): Record<string, string | undefined>
}

/** Starts to connect, and does not wait: while a platform is away, the others work. */
export function startBots(core: Core, roles: ReadonlySet<string>): Bots {
  const dispatch = createDispatch(core, { commands: allCommands, actions: allActions, menus: allMenus })
  const ours = [...core.surfaces.values()].filter((surface) => roles.has(surface.name === 'web' ? 'http' : 'bots'))
  const started = Promise.all(ours.map((surface) => surface.start(dispatch))).then(() => undefined)
  started.catch(() => undefined)
  const broadcasting = roles.has('bots') ? keepBroadcasting(core, broadcastLooks) : undefined
  return {
    started,
    stop: async () => {
      await Promise.all([...ours.map((surface) => surface.stop()), broadcasting?.then((each) => each.stop())])
    },
    notReady: () => Object.fromEntries(ours.map((surface) => [surface.name, surface.notReady()])),
  }
}
