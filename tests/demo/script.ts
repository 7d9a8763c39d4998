/** The evening of the demo, the same on every chat. A step that does not happen throws. */
import type { ShownButton } from '../emulators/buttons.ts'
import type { Act, ChatMessage, EmulatedChat, Person } from '../emulators/chat.ts'

export interface Exchange {
  who: string
  /** received: the answer came later, to something said before. */
  did: 'wrote' | 'pressed' | 'filled in' | 'received'
  said: string
  answer: string
  /** First picture of the answer. Absent: it has none. */
  picture?: Buffer
  /** Below the answer, by row. */
  buttons: ShownButton[][]
  /** Who sees the answer, if others do not. */
  seenBy?: 'only the person' | 'the private chat'
  /** Whether the short picture of both chats shows it. */
  highlight?: true
}

/** Name of the administrator, whose identities ADMIN_IDS has to contain. */
export const admin = 'root'
/** Credits that suffice for what Ann asks for until she is short of them. */
export const welcomeCredits = 15
const waitMs = 60_000

export async function* evening(chat: EmulatedChat, place: 'group' | 'private'): AsyncGenerator<Exchange> {
  const ann = chat.person('ann', place)
  const cat = await waitFor(ann.ask('a cute cat 16:9'))
  yield { ...exchange('ann', 'wrote', { said: 'a cute cat 16:9', message: cat }), highlight: true }
  yield* buttonsOf(ann, cat)
  yield* waiting(chat, ann)
  yield* defaults(ann)
  yield* promptFirst(chat, ann)
  yield* privately(chat, ann)
  yield* credits(chat, { ann, place })
  yield* lists(chat, ann)
  yield* inChinese(chat, place)
}

async function* buttonsOf(ann: Person, cat: ChatMessage): AsyncGenerator<Exchange> {
  yield await pressed(ann, cat, '🎲 Again')
  yield await pressed(ann, cat, '🔍 Upscale')
  const edited = await waitFor(await ann.fillIn(cat, labelIn(cat, '✏️ Edit'), 'add a rainbow'))
  yield { ...exchange('ann', 'filled in', { said: '✏️ Edit: add a rainbow', message: edited }), highlight: true }
  const answer = await ann.press(edited, '⭐').notice(waitMs)
  yield { who: 'ann', did: 'pressed', said: '⭐', answer, buttons: [], seenBy: 'only the person' }
}

/** Requests that come while a slow one is drawn: the service draws one at a time. */
async function* waiting(chat: EmulatedChat, ann: Person): AsyncGenerator<Exchange> {
  const house = 'a red house by a lake at sunset [slow 5s] 3:2'
  const city = 'a city at night 3:2'
  const forest = 'a forest in autumn'
  const first = ann.ask(house)
  const drawing = await first.waitForAnswer(({ text }) => /🎨.*%/.test(text), waitMs)
  yield { ...exchange('ann', 'wrote', { said: house, message: drawing }), highlight: true }
  const second = ann.ask(city)
  const isQueued = ({ text }: ChatMessage) => text.startsWith('⏳')
  yield exchange('ann', 'wrote', { said: city, message: await second.waitForAnswer(isQueued, waitMs) })
  const third = await ann.ask(forest).waitForAnswer(isQueued, waitMs)
  yield exchange('ann', 'wrote', { said: forest, message: third })
  const queue = await ann.command('queue').waitForAnswer(undefined, waitMs)
  yield exchange('ann', 'wrote', { said: '/queue', message: queue })
  ann.press(third, 'Cancel')
  const cancelled = await chat.waitFor(third, ({ text }) => text.includes('Cancelled'), waitMs)
  yield exchange('ann', 'pressed', { said: 'Cancel', message: cancelled })
  yield exchange('ann', 'received', { said: house, message: await waitFor(first) })
  yield exchange('ann', 'received', { said: city, message: await waitFor(second) })
}

async function* defaults(ann: Person): AsyncGenerator<Exchange> {
  const set = await waitFor(ann.command('settings', { ratio: '3:2' }, 'ratio 3:2'))
  yield exchange('ann', 'wrote', { said: '/settings ratio 3:2', message: set })
  const said = 'a meadow in the mountains'
  const meadow = await waitFor(ann.ask(said))
  yield exchange('ann', 'wrote', { said, message: meadow })
  yield await pressed(ann, meadow, '🔀 Vary')
}

async function* promptFirst(chat: EmulatedChat, ann: Person): AsyncGenerator<Exchange> {
  const said = 'a boat in front of mountains --enhance=ask'
  const draft = await ann.ask(said).waitForAnswer(({ buttons }) => buttons.flat().length > 1, waitMs)
  yield exchange('ann', 'wrote', { said, message: draft })
  const use = labelIn(draft, '✨ Use it')
  ann.press(draft, use)
  yield exchange('ann', 'pressed', {
    said: use,
    message: await chat.waitFor(draft, ({ pictures }) => pictures.length > 0, waitMs),
  })
}

/** In a group, where it matters: Discord shows the answer to Ann only, Telegram sends it to her private chat. */
async function* privately(chat: EmulatedChat, ann: Person): AsyncGenerator<Exchange> {
  const prompt = 'a dog in the snow'
  const said = `/flux ${prompt} --private`
  const answers = ann.watch()
  const act = chat.person('ann', 'group').command('flux', { prompt, private: true }, `${prompt} --private`)
  if (chat.name === 'telegram') yield exchange('ann', 'wrote', { said, message: await waitFor(act) })
  const message = await answers.waitForAnswer(({ pictures }) => pictures.length > 0, waitMs)
  if (chat.name === 'discord') yield exchange('ann', 'wrote', { said, message })
  else yield { ...exchange('ann', 'received', { said, message }), seenBy: 'the private chat' }
}

async function* credits(chat: EmulatedChat, { ann, place }: { ann: Person; place: 'group' | 'private' }) {
  const said = 'flowers in a garden --n 3'
  yield exchange('ann', 'wrote', { said, message: await waitFor(ann.ask(said)) })
  const gift = { action: 'give', user: ann.userId, amount: 5 }
  const given = await waitFor(chat.person(admin, place).command('credits', gift, 'give @ann 5'))
  yield exchange(admin, 'wrote', { said: '/credits give @ann 5', message: given })
}

async function* lists(chat: EmulatedChat, ann: Person): AsyncGenerator<Exchange> {
  const models = await waitFor(ann.command('models'))
  yield exchange('ann', 'wrote', { said: '/models', message: models })
  const newest = await waitFor(ann.command('history'))
  yield exchange('ann', 'wrote', { said: '/history', message: newest })
  const turn = labelIn(newest, 'Older')
  ann.press(newest, turn)
  const older = await chat.waitFor(newest, ({ text }) => text !== newest.text, waitMs)
  yield exchange('ann', 'pressed', { said: turn, message: older })
}

async function* inChinese(chat: EmulatedChat, place: 'group' | 'private'): AsyncGenerator<Exchange> {
  chat.setLanguage('小明', 'zh-CN')
  const ming = chat.person('小明', place)
  const said = '雪山下的房子 3:2'
  yield { ...exchange('小明', 'wrote', { said, message: await waitFor(ming.ask(said)) }), highlight: true }
  yield exchange('小明', 'wrote', { said: '/credits', message: await waitFor(ming.command('credits')) })
}

/** Presses the button whose label starts like this, which brings a new message. */
async function pressed(ann: Person, message: ChatMessage, start: string): Promise<Exchange> {
  const said = labelIn(message, start)
  const answers = ann.watch()
  ann.press(message, said)
  return exchange('ann', 'pressed', { said, message: await waitFor(answers) })
}

function exchange(
  who: string,
  did: Exchange['did'],
  { said, message }: { said: string; message: ChatMessage },
): Exchange {
  const { text, pictures, buttons, visibleTo } = message
  const [picture] = pictures
  return {
    who,
    did,
    said,
    answer: text.replace(/\\(?=[^a-z0-9\s])/gi, ''), // Discord does not show the backslashes of its Markdown
    ...(picture && { picture }),
    buttons,
    ...(visibleTo && { seenBy: 'only the person' }),
  }
}

/** The answer, once it is no longer a waiting message: those start with one of these emoji. */
const waitFor = (act: Act) =>
  act.waitForAnswer(({ text }) => text !== '' && !/^(?:⏳|🎨 (?:Drawing|Almost|正在|马上))/u.test(text), waitMs)

/** The whole label, which may end with a price. */
function labelIn({ buttons }: ChatMessage, start: string): string {
  const label = buttons.flat().find((button) => button.label.startsWith(start))?.label
  if (label === undefined) throw new Error(`no button starts with "${start}"`)
  return label
}
