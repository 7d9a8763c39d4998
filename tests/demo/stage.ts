/** Records what people do in an emulated chat, and which messages of the bot change because of it. */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import sharp from 'sharp'
import type { ShownButton } from '../emulators/buttons.ts'

/** A message of the bot as it is now. */
export interface Seen {
  /** Names the message. */
  key: string
  /** 'Ann only', 'everyone in #lounge'. */
  seenBy: string
  text: string
  pictures: Buffer[]
  /** Its pictures are covered until a person taps them. */
  isSpoiler?: boolean
  buttons: ShownButton[][]
}

export interface SavedPicture {
  /** Name of the file, in the folder of the demo. */
  file: string
  width: number
  height: number
}

export interface Answer {
  /**
   * message, edited, removed: a message of the bot, new, changed or deleted · notice: a few words over the chat · choices: what is
   * offered while a person types · form: a window with fields
   */
  kind: 'message' | 'edited' | 'removed' | 'notice' | 'choices' | 'form'
  seenBy: string
  text: string
  pictures: SavedPicture[]
  isSpoiler?: boolean
  /** Labels, by row. */
  buttons: string[][]
}

export interface Step {
  who: string
  where: string
  /** 'writes', 'presses'. */
  did: string
  said: string
  /** First line of the message that is pressed or replied to. */
  on?: string
  /** Pictures that the person sent. */
  sent: SavedPicture[]
  answers: Answer[]
}

export interface Scene {
  surface: string
  /** Part of the names of its pictures. */
  name: string
  title: string
  about: string
  steps: Step[]
  /** What the emulator measured. */
  notes: string[]
}

/** What is shown besides messages: a notice, choices, a form. */
export type Aside = Pick<Answer, 'kind' | 'text'>

interface Deed extends Pick<Step, 'who' | 'where' | 'did' | 'said' | 'on'> {
  sends?: readonly Buffer[]
  /** Does it. Resolves to what the person alone sees besides messages. */
  act(): Promise<Aside | undefined> | undefined
  /** Messages that it brings, changes or removes, at least. Default: one, or none if `act` resolves to something. */
  messages?: number
  /** Only such messages belong to the answer. Default: all that change, once none is a waiting message. */
  until?: (seen: Seen) => boolean
}

export interface Stage {
  /** Does it, waits for what it brings, and adds it to the scene. Resolves to the messages, oldest first. */
  step(deed: Deed): Promise<Seen[]>
  note(text: string): void
}

export interface StageOptions {
  folder: string
  scene: Scene
  /** Every message of the bot, oldest first. */
  seen(): Seen[]
}

const waitMs = 150_000
const lookEveryMs = 50

export const isFinal = ({ text }: Seen) => !/^(?:⏳|🎨 (?:Drawing|Almost|正在|马上))/u.test(text)

export function createStage({ folder, scene, seen }: StageOptions): Stage {
  let saved = 0

  async function save(data: Buffer): Promise<SavedPicture> {
    saved += 1
    const { width, height, format } = await sharp(data).metadata()
    const file = `${scene.surface}-${scene.name}-${saved}.${format === 'jpeg' ? 'jpg' : format}`
    await mkdir(folder, { recursive: true })
    await writeFile(join(folder, file), data)
    return { file, width, height }
  }

  async function saveAll(pictures: readonly Buffer[]): Promise<SavedPicture[]> {
    const files: SavedPicture[] = []
    for (const picture of pictures) files.push(await save(picture))
    return files
  }

  async function toAnswer(message: Seen, isNew: boolean): Promise<Answer> {
    const { seenBy, text, pictures, isSpoiler, buttons } = message
    return {
      kind: isNew ? 'message' : 'edited',
      seenBy,
      text,
      pictures: await saveAll(pictures),
      isSpoiler,
      buttons: buttons.map((row) => row.map(({ label }) => label)),
    }
  }

  return {
    async step({ who, where, did, said, on, sends = [], act, messages, until }) {
      const before = new Map(seen().map((message) => [message.key, message]))
      const aside = await act()
      const isChanged = (message: Seen) => {
        const known = before.get(message.key)
        return known === undefined || stateOf(known) !== stateOf(message)
      }
      const changed = () => seen().filter((message) => isChanged(message) && (until?.(message) ?? true))
      const removed = () => {
        const present = new Set(seen().map(({ key }) => key))
        return [...before.values()].filter(({ key }) => !present.has(key))
      }
      const expected = messages ?? (aside ? 0 : 1)
      await become(
        () => changed().length + removed().length >= expected && changed().every(until ?? isFinal),
        () =>
          `${who} ${did} ${said}: expected ${expected} messages, got ${JSON.stringify(changed().map(({ text }) => text))}`,
      )
      const found = changed()
      const sent = await saveAll(sends)
      const answers: Answer[] = aside ? [{ ...aside, seenBy: `${who} only`, pictures: [], buttons: [] }] : []
      for (const message of found) answers.push(await toAnswer(message, !before.has(message.key)))
      for (const { seenBy, text } of removed()) {
        answers.push({ kind: 'removed', seenBy, text, pictures: [], buttons: [] })
      }
      scene.steps.push({ who, where, did, said, on, sent, answers })
      return found
    },
    note: (text) => void scene.notes.push(text),
  }
}

const stateOf = ({ text, pictures, buttons }: Seen) =>
  JSON.stringify([text, pictures.map(({ length }) => length), buttons.map((row) => row.map(({ label }) => label))])

async function become(isTrue: () => boolean, problem: () => string): Promise<void> {
  const end = Date.now() + waitMs
  while (!isTrue()) {
    if (Date.now() > end) throw new Error(problem())
    await new Promise((resolve) => setTimeout(resolve, lookEveryMs))
  }
}

export const firstLine = ({ text }: Seen) => text.split('\n', 1)[0]

/** The whole label, which may end with a price. */
export function labelIn({ buttons, text }: Seen, start: string): string {
  const label = buttons.flat().find((button) => button.label.startsWith(start))?.label
  if (label === undefined) throw new Error(`no button of "${text}" starts with "${start}"`)
  return label
}

export function only<T>(list: readonly T[]): T {
  const [first] = list
  if (first === undefined) throw new Error('there is no message')
  return first
}
