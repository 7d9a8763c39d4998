/** What is said in the demo, the same on every platform. */
export type Person = 'ann' | 'admin'

export interface Picture {
  data: Buffer
  width: number
  height: number
}

export interface Answered {
  text: string
  picture?: Picture
}

export interface DemoChat {
  name: string
  /** Asks for a picture, in the platform's own way; resolves with the final answer. */
  ask(person: Person, words: string, image?: Picture): Promise<Answered>
  credits(person: Person): Promise<Answered>
  give(amount: number): Promise<Answered>
}

export async function* conversation(chat: DemoChat) {
  const entry = (person: Person, said: string, { text, picture }: Answered) => ({ person, said, answer: text, picture })

  const cat = await chat.ask('ann', 'a cute cat 16:9')
  yield entry('ann', 'a cute cat 16:9', cat)
  yield entry(
    'ann',
    'a castle by the sea --ar 9:16 --seed 7',
    await chat.ask('ann', 'a castle by the sea --ar 9:16 --seed 7'),
  )
  yield entry('ann', '(her picture) make it night', await chat.ask('ann', 'make it night', cat.picture))
  yield entry('ann', 'a cat 5:7', await chat.ask('ann', 'a cat 5:7'))
  yield entry('ann', '/credits', await chat.credits('ann'))
  yield entry('ann', 'a city at night --n 3', await chat.ask('ann', 'a city at night --n 3'))
  yield entry('admin', '/credits give @ann 5', await chat.give(5))
  yield entry('ann', 'a city at night 3:2', await chat.ask('ann', 'a city at night 3:2'))
}
