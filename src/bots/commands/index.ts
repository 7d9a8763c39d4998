import type { Model } from '../../core/ports/models.ts'
import { knownAspects, offered } from '../../core/request/resolve.ts'
import type { Command } from '../command.ts'
import { apikeyCommand } from './apikey.ts'
import { creditsCommand } from './credits.ts'
import { fluxCommand } from './flux.ts'
import { helpCommand } from './help.ts'
import { historyCommand } from './history.ts'

export function allCommands(models: readonly Model[]): readonly Command[] {
  const ids = offered(models).map((model) => model.id)
  return [fluxCommand(ids, knownAspects(models)), creditsCommand, historyCommand, apikeyCommand, helpCommand]
}
