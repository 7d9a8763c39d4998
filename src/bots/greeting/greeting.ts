/** What a person sees who starts the bot: what to write, and examples to tap. */
import { quote } from '../../core/billing/quote.ts'
import { button } from '../../core/chats/buttons.ts'
import type { Answer, Asked } from '../command.ts'
import { readRequest } from '../commands/flux.ts'

type Asking = Pick<Asked<unknown>, 'core' | 'settings' | 'words' | 'call'>

/** `invitation`: what became of the invitation that the person came by. */
export function greetingFor(asking: Asking, invitation?: string): Answer {
  const { core, words, call } = asking
  const { examples } = words.greeting
  const { chosen, params } = exampleRequest(asking, 1)
  const greeting = words.greeting.text({ price: quote(core, { chosen, params, images: 0 }).price })
  const text = invitation === undefined ? greeting : `${invitation}\n\n${greeting}`
  const buttons = [examples.map((_, index) => button('example', 'greeting', { number: index + 1 }))]
  return { locale: call.locale, state: 'info', content: { kind: 'text', text }, buttons, private: true }
}

/** `number` from 1. */
export function exampleRequest({ core, settings, words }: Asking, number: number) {
  const prompt = words.greeting.examples[number - 1]
  return readRequest(core, { values: { prompt }, images: 0, set: settings.chosen })
}
