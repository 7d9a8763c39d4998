/** Call → command → reply, on whatever surface it came from. The one place where errors become words in a chat. */
import type { Core } from '../core/core.ts'
import { asAppError, type OptionNames, spelled } from '../core/errors.ts'
import { savePosted } from '../core/generation/row.ts'
import { wake, wakeAgain } from '../core/generation/submit.ts'
import type { Call, Reply } from '../core/ports/chat.ts'
import { flagSpellings } from '../core/request/parse.ts'
import { wordsFor } from '../locales/index.ts'
import type { Answer, Command } from './command.ts'
import { noSuchCommand } from './commands/flux.ts'

/** Acts that this process handled lately: platforms repeat deliveries, and an error must not be said twice. */
const rememberedCalls = 10_000
/** How chats spell options: those of a request, and those of `/apikey`. */
const optionNames: OptionNames = { ...flagSpellings, cap: '--cap', models: '--models' }

export function createDispatch(core: Core, commands: readonly Command[]): (call: Call) => Promise<void> {
  const seen = new Set<string>()

  return async (call) => {
    if (seen.has(call.key)) return
    if (seen.size >= rememberedCalls) seen.delete(seen.values().next().value ?? '')
    seen.add(call.key)
    const answer = await run(core, commands, call)
    // asked for before, in another process or before a restart: it is under way and says so itself
    if (answer.accepted?.fresh === false) return wakeAgain(core, answer.accepted.job)
    await show(core, call, answer)
    if (answer.accepted) await wake(core, answer.accepted.job)
  }
}

async function run(core: Core, commands: readonly Command[], call: Call): Promise<Answer> {
  const name = call.command === '' ? 'flux' : call.command
  try {
    const command = commands.find((each) => each.name === name || each.aliases?.includes(name))
    return await (command ?? noSuchCommand(name)).run(call, core)
  } catch (thrown) {
    const error = asAppError(thrown)
    if (error.kind === 'internal')
      core.log.error({ err: error.cause, command: name, surface: call.surface }, 'a command failed')
    const words = wordsFor(call.locale)
    return {
      text: words.errorReply(words.errors[error.kind](spelled(error, optionNames))),
      state: 'failed',
      private: true,
    }
  }
}

/** An answer that cannot be shown is not lost where it matters: deliver.ts posts the end of a generation by itself. */
async function show(core: Core, call: Call, answer: Answer): Promise<void> {
  const { accepted, ...reply } = answer
  try {
    const posted = await core.surfaces.get(call.surface)?.post(call.address, reply satisfies Reply)
    if (accepted && posted) await savePosted(core, accepted.id, posted)
  } catch (error) {
    core.log.warn({ err: error, surface: call.surface }, 'a reply could not be shown')
  }
}
