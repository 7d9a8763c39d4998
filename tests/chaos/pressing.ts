/** People who press the buttons of their results, in both emulated chats. They press again what a killed process did not take. */
import type { ModalValues } from '../emulators/discord/forms.ts'
import type { DiscordEmulator, Interaction, Message } from '../emulators/discord/index.ts'
import type { From, ShownMessage, TelegramEmulator } from '../emulators/telegram/index.ts'

export const paid = ['reroll', 'vary', 'edit', 'remix', 'upscale'] as const
export const free = ['favourite', 'up', 'delete'] as const
export type Pressable = (typeof paid)[number] | (typeof free)[number]

/** A delivered result, below which people press. */
export interface Standing {
  /** Of the generation. */
  id: string
  person: number
  message: string
}

/** Where the answer to a paid press appears: under an interaction, or as a reply to a message. */
export type Place = string

export interface PressedChat {
  name: 'discord' | 'telegram'
  /** Asks for a picture, and resolves once it is there. */
  ask(person: number): Promise<Standing>
  /**
   * Presses, fills in the form if one opens, and resolves once the person has the answer. `twice`: the platform delivers each
   * act again. undefined: the action is free.
   */
  press(result: Standing, action: Pressable, twice?: boolean): Promise<Place | undefined>
  /** Final answers that people see, in each place. */
  answers(): Map<Place, number>
  /** Waiting messages that nothing will edit any more. */
  leftover(): number
}

/** After Discord's 3 s the person sees that the press has failed, and it must have no effect. Here the emulator may be busy. */
const failsAfterMs = 8_000
const answerWithinMs = 90_000
/** Type of the answer to a press whose form did not open in time: a message that asks the person to press again. */
const pressAgain = 4
const words = 'the same by night'
const otherModel = 'comfy-dev'

export const isWaiting = (text: string) => /^[⏳🎨]/u.test(text)
const buttonOf = (action: string, { id }: Pick<Standing, 'id'>) => `1:${action}:${id}`
const prompt = (person: number) => `picture ${person}. --model sketch 64x64`

interface ShownResult {
  buttons: readonly (readonly { id?: string }[])[]
}

/** Id of the generation whose result a message shows. */
function resultIn({ buttons }: ShownResult): string | undefined {
  const rerolls = buttons.flat().map(({ id = '' }) => /^1:reroll:([\w-]{36})$/.exec(id)?.[1])
  return rerolls.find((id) => id !== undefined)
}

const countOf = (places: Place[]): Map<Place, number> => {
  const counts = new Map<Place, number>()
  for (const place of places) counts.set(place, (counts.get(place) ?? 0) + 1)
  return counts
}

export function pressingOnDiscord(discord: DiscordEmulator): PressedChat {
  const from = (person: number) => ({ userId: String(100_000_000_000_000_000n + BigInt(person)) })
  const isFinal = ({ interactionId, thinking, ephemeral, content }: Message) =>
    interactionId !== undefined && !thinking && !ephemeral && content !== '' && !isWaiting(content)
  const responses = () => discord.messages().filter(({ interactionId }) => interactionId !== undefined)

  /** Repeats the act until a process acknowledges it, as a person does after the platform reports a failure. */
  async function taken(act: () => Interaction, twice: boolean): Promise<Interaction> {
    const until = Date.now() + answerWithinMs
    for (;;) {
      const interaction = act()
      if (twice) discord.redeliver(interaction)
      const acknowledged = await interaction.waitForAck(failsAfterMs).catch(() => undefined)
      if (acknowledged !== undefined && interaction.acknowledgedWith !== pressAgain) return interaction
      // from now on it may have no effect, although the emulator may have been too busy to notice the time
      discord.late(interaction)
      if (Date.now() > until) throw new Error(`no process took the interaction ${interaction.id}`)
    }
  }

  const final = ({ id }: Interaction) =>
    discord.waitForMessage((message) => message.interactionId === id && isFinal(message), answerWithinMs)

  async function remove(result: Standing, twice: boolean): Promise<void> {
    const { message, person } = result
    const standing = () => discord.messages().find(({ id }) => id === message)
    const offers = (action: string) =>
      standing()
        ?.buttons.flat()
        .some(({ id }) => id === buttonOf(action, result))
    await taken(() => discord.press(message, buttonOf('delete', result), from(person)), twice)
    await until(() => offers('erase') === true, 'the question before a deletion')
    await taken(() => discord.press(message, buttonOf('erase', result), from(person)), twice)
    await until(() => standing() === undefined, 'the deletion of a message')
  }

  return {
    name: 'discord',
    async ask(person) {
      const { id: asked } = await taken(() => discord.slash('flux', { prompt: prompt(person) }, from(person)), false)
      const shown = await discord.waitForMessage(
        (message) => message.interactionId === asked && resultIn(message) !== undefined,
        answerWithinMs,
      )
      return { id: resultIn(shown) ?? '', person, message: shown.id }
    },
    async press(result, action, twice = false) {
      const { message, person } = result
      if (action === 'delete') return void (await remove(result, twice))
      const pressed = await taken(() => discord.press(message, buttonOf(action, result), from(person)), twice)
      if (action === 'favourite' || action === 'up')
        return void (await pressed.waitForFollowUp(undefined, answerWithinMs))
      if (action !== 'edit' && action !== 'remix') return `discord:${(await final(pressed)).interactionId}`
      const values: ModalValues = action === 'edit' ? { prompt: words } : { model: [otherModel] }
      const submitted = await taken(() => discord.submitModal(pressed, values), twice)
      return `discord:${(await final(submitted)).interactionId}`
    },
    answers: () =>
      countOf(
        responses()
          .filter(isFinal)
          .map(({ interactionId }) => `discord:${interactionId}`),
      ),
    leftover: () => responses().filter(({ content, thinking }) => thinking || isWaiting(content)).length,
  }
}

export function pressingOnTelegram(telegram: TelegramEmulator): PressedChat {
  const chats = new Set<number>()
  const placeOf = (chatId: number, messageId: number): Place => `telegram:${chatId}:${messageId}`
  const messages = () => [...chats].flatMap((chat) => telegram.botMessages(chat))
  // a question to the person replies to the pressed message, too
  const isFinal = ({ replyTo, text, opensReplyOf }: ShownMessage) =>
    replyTo !== undefined && opensReplyOf === undefined && !isWaiting(text)
  const finalsIn = (place: Place) =>
    messages().filter((message) => isFinal(message) && placeOf(message.chatId, message.replyTo ?? 0) === place).length
  const who = (person: number): From => ({ userId: 1_000 + person, firstName: `P${person}` })

  async function pressOnce(result: Standing, action: string, twice: boolean) {
    const ref = { chatId: 1_000 + result.person, messageId: Number(result.message) }
    const pressed = telegram.press(ref, buttonOf(action, result), who(result.person))
    if (twice) telegram.redeliver(pressed.update)
    return pressed
  }

  /** The press is answered once the question can be. */
  async function fillIn(result: Standing, action: 'edit' | 'remix', twice: boolean): Promise<Place> {
    const chatId = 1_000 + result.person
    const pressed = await pressOnce(result, action, twice)
    await pressed.answered(answerWithinMs)
    const question = telegram.botMessages(chatId).findLast(({ opensReplyOf }) => opensReplyOf !== undefined)
    const text = action === 'edit' ? words : otherModel
    const sent = telegram.say(text, { ...who(result.person), replyTo: question?.messageId })
    if (twice) telegram.redeliver(sent.update)
    return placeOf(chatId, sent.messageId)
  }

  return {
    name: 'telegram',
    async ask(person) {
      const { chatId, messageId } = telegram.say(prompt(person), who(person))
      chats.add(chatId)
      const shown = await telegram.waitFor(
        chatId,
        (message) => message.replyTo === messageId && resultIn(message) !== undefined,
        answerWithinMs,
      )
      return { id: resultIn(shown) ?? '', person, message: String(shown.messageId) }
    },
    async press(result, action, twice = false) {
      const chatId = 1_000 + result.person
      const messageId = Number(result.message)
      if (action === 'delete') {
        await (await pressOnce(result, 'delete', twice)).answered(answerWithinMs)
        await (await pressOnce(result, 'erase', twice)).answered(answerWithinMs)
        const isThere = () => telegram.messages(chatId).some((message) => message.messageId === messageId)
        return void (await until(() => !isThere(), 'the deletion of a message'))
      }
      if (action === 'favourite' || action === 'up') {
        return void (await (await pressOnce(result, action, twice)).answered(answerWithinMs))
      }
      if (action === 'edit' || action === 'remix') {
        const place = await fillIn(result, action, twice)
        await until(() => finalsIn(place) > 0, `the answer to ${action}`)
        return place
      }
      const place = placeOf(chatId, messageId)
      const before = finalsIn(place)
      const pressed = await pressOnce(result, action, twice)
      await until(() => finalsIn(place) > before, `the answer to ${action}`)
      await pressed.answered(answerWithinMs)
      return place
    },
    answers: () =>
      countOf(
        messages()
          .filter(isFinal)
          .map(({ chatId, replyTo = 0 }) => placeOf(chatId, replyTo)),
      ),
    leftover: () => messages().filter(({ text }) => isWaiting(text)).length,
  }
}

async function until(holds: () => boolean, what: string): Promise<void> {
  const since = Date.now()
  while (!holds()) {
    if (Date.now() - since > answerWithinMs) throw new Error(`${what} did not come`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}
