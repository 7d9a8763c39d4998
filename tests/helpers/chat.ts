/** Short forms of calls and replies, for tests of surfaces. */
import type { Call, Options, Reply, SentMessage, SentMessages } from '../../src/core/ports/chat.ts'

/** A reply that says just that. */
export const says = (text: string, state: Reply['state'], more: Partial<Reply> = {}): Reply => ({
  locale: 'en',
  state,
  content: { kind: 'text', text },
  ...more,
})

/** Progress as a worker shows it: the text is '🎨 Drawing, 40 %: a fox'. */
export const drawing = (prompt: string, percent?: number, more: Partial<Reply> = {}): Reply => ({
  locale: 'en',
  state: 'waiting',
  content: { kind: 'drawing', prompt, percent },
  ...more,
})

/** A call with what its act says beside it: '' and {} where the act has no such part. */
export type FlatCall = Call & { command: string; text: string; options: Options }

export function flat(call: Call): FlatCall {
  const { act } = call
  if (act.kind === 'command') return { ...call, command: act.name, text: act.text, options: act.options }
  return { ...call, command: '', text: act.kind === 'message' ? act.text : '', options: {} }
}

/** Records of sent messages, as the database keeps them. */
export function keepSent(): SentMessages {
  const earlier: SentMessage[] = []
  const begun: number[] = []
  const end = (part: number) => void begun.splice(0, begun.length, ...begun.filter((each) => each !== part))
  return {
    since: 0,
    earlier,
    begun,
    begin: async (part) => {
      const isNew = !begun.includes(part) && !earlier.some((message) => message.part === part)
      if (isNew) begun.push(part)
      return isNew
    },
    withdraw: async (part) => end(part),
    add: async (...messages) => {
      const isNew = messages.every((message) => !earlier.some(({ part }) => part === message.part))
      if (isNew) earlier.push(...messages)
      end(messages[0]?.part ?? 0)
      return isNew
    },
  }
}
