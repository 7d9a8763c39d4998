/** The conversation of the demo, the same on every chat. */
import type { Act, EmulatedChat } from '../emulators/chat.ts'

export interface Exchange {
  who: string
  said: string
  answer: string
  /** First picture of the answer. Absent: it has none. */
  picture?: Buffer
}

/** Name of the administrator, whose identities ADMIN_IDS has to contain. */
export const admin = 'root'
const answerMs = 90_000

export async function* conversation(chat: EmulatedChat, place: 'group' | 'private'): AsyncGenerator<Exchange> {
  const ann = chat.person('ann', place)
  const root = chat.person(admin, place)

  const cat = await exchange('ann', 'a cute cat 16:9', ann.ask('a cute cat 16:9'))
  yield cat
  const castle = 'a castle by the sea --ar 9:16 --seed 7'
  yield await exchange('ann', castle, ann.ask(castle))
  yield await exchange('ann', '(her picture) make it night', ann.ask('make it night', cat.picture))
  yield await exchange('ann', 'a cat --ar 5:7', ann.ask('a cat --ar 5:7'))
  yield await exchange('ann', '/credits', ann.command('credits'))
  yield await exchange('ann', 'a city at night --n 3', ann.ask('a city at night --n 3'))
  const gift = { action: 'give', user: ann.userId, amount: 5 }
  yield await exchange(admin, '/credits give @ann 5', root.command('credits', gift, 'give @ann 5'))
  yield await exchange('ann', 'a city at night 3:2', ann.ask('a city at night 3:2'))
}

async function exchange(who: string, said: string, act: Act): Promise<Exchange> {
  const { text, pictures } = await act.waitForAnswer((message) => isFinal(message.text), answerMs)
  return { who, said, answer: text, picture: pictures[0] }
}

/** Texts of waiting messages start with one of these emoji. */
const isFinal = (text: string) => text !== '' && !/^[⏳🎨]/u.test(text)
