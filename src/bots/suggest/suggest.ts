/**
 * Choices below what a person types into an option of a command. Platforms wait for them about as long as people do, so they
 * come within a second; what the database would add is left out if it is slow or away.
 */
import { type InForce, readSettings } from '../../core/accounts/settings.ts'
import type { Core } from '../../core/core.ts'
import type { Call, Typing } from '../../core/ports/chat.ts'
import type { Choice } from '../../core/ports/forms.ts'
import { wordsFor } from '../../locales/index.ts'
import { within } from '../../net/within.ts'
import { type AnyCommand, findCommand } from '../command.ts'

const settingsWithinMs = 250
const choicesWithinMs = 500

/** Empty for an option without choices, and if they cannot be found in time. */
export async function suggestionsFor(
  core: Core,
  commands: readonly AnyCommand[],
  { call, typing }: { call: Call; typing: Typing },
): Promise<readonly Choice[]> {
  const suggest = findCommand(commands, typing.command)?.options[typing.option]?.suggest
  if (!suggest) return []
  const { from, locale } = call
  const settings = (await inTime(core, settingsWithinMs, chosenBy(core, call))) ?? {}
  const words = wordsFor(settings.language ?? locale)
  const choices = async () => suggest({ core, from, typing, words, settings })
  return (await inTime(core, choicesWithinMs, choices())) ?? []
}

const chosenBy = async (core: Core, call: Call): Promise<InForce> => (await readSettings(core, call)).chosen

/** undefined: it failed, or was late. */
async function inTime<T>({ log }: Core, ms: number, work: Promise<T>): Promise<T | undefined> {
  const found = await within(ms, work).catch((error: unknown) => {
    log.warn({ err: error }, 'could not find what to suggest')
    return 'late' as const
  })
  // a late failure has no reader
  work.catch(() => undefined)
  return found === 'late' ? undefined : found
}
