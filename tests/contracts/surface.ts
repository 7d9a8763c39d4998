/** What every surface does with messages, buttons and presses. A harness plays its people. */
import { sql } from 'drizzle-orm'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Action } from '../../src/bots/action.ts'
import { allCommands } from '../../src/bots/commands/index.ts'
import { createDispatch } from '../../src/bots/dispatch.ts'
import type { Parts } from '../../src/compose.ts'
import { accountOf, readAccount } from '../../src/core/accounts/accounts.ts'
import { grant } from '../../src/core/billing/ledger.ts'
import { AppError } from '../../src/core/errors.ts'
import { cancel } from '../../src/core/generation/cancel.ts'
import { eraseAll } from '../../src/core/media/erase.ts'
import type { ChatSurface, Posted } from '../../src/core/ports/chat.ts'
import { quickest } from '../helpers/backends.ts'
import { says } from '../helpers/chat.ts'
import { openTestCore, pngOf, type TestCore, type TestCoreOptions } from '../helpers/core.ts'
import { violations } from '../helpers/invariants.ts'
import { noting } from './coverage.ts'

export interface ShownAnswer {
  text: string
  /** Labels, of all rows. */
  buttons: readonly string[]
  pictures: number
}

export interface ShownMessage extends ShownAnswer {
  id: string
  /** Bytes of the files that the message shows. Empty if the surface only links to them. */
  files: readonly Buffer[]
  /** Addresses of pictures to save. */
  links: readonly string[]
}

export const editLabel = '✏️ Edit · 1 credit'
/** Below a single picture, when no other model is there. */
export const resultLabels = [
  '🎲 Again · 1 credit',
  '🔀 Vary · 1 credit',
  editLabel,
  '💾 Original',
  '⭐',
  '👍',
  '👎',
  '🚩 Report',
  '🗑 Delete',
]

interface Edit {
  isAsker: boolean
  isChild: boolean
  button: string
  prompt: string
  aspect: string
  images: number
}

interface Shown {
  id: string
  posted: Posted
}

export type Person = 'ann' | 'bob'

export interface SurfaceHarness {
  /** The surface as one more process has it. */
  create(parts: Parts): Promise<ChatSurface>
  /** Identity of a person in the database. */
  identityOf(person: Person): string
  /** Ann asks for a picture, where Bob sees it too if the platform has such places. */
  ask(prompt: string): Promise<void>
  /** The bot's answer to Ann. undefined: there is none yet. */
  answer(): Promise<ShownAnswer | undefined>
  /** Messages of the bot in the chat where Ann asked, oldest first: those that Ann sees. */
  messages(): Promise<ShownMessage[]>
  /**
   * A person presses a button of that answer, or of another message. `deliveries`: how often each process receives the press.
   */
  press(person: Person, label: string, deliveries?: number, on?: ShownMessage): Promise<void>
  /** Ann uses a command. */
  command(name: string, options: Record<string, string>): Promise<void>
  /** Ann replies to a message with these words. Absent: people cannot reply on this surface. */
  reply?(to: ShownMessage, words: string): Promise<void>
  /** Texts that were shown to those who pressed. */
  pressAnswers(): Promise<string[]>
  /** A person opens a form with a button of that answer. Resolves with the values that it shows, by field. */
  openForm(person: Person, label: string): Promise<Record<string, string>>
  /** A person fills in the form that was opened last and sends it. `deliveries`: how often each process receives that. */
  submit(person: Person, values: FormValues, deliveries?: number): Promise<void>
  /** The bot's answer to the last submission. undefined: there is none yet. */
  submitted(): Promise<ShownAnswer | undefined>
  /** What others may submit: their own form, which they pay for, or a refusal with this text. */
  submitsOfOthers: 'are their own' | RegExp
  /** Makes all messages so old that the platform's limits for old messages apply. Absent: the platform has no such limits. */
  age?(): Promise<void>
  /** Violations of the platform's own API description. */
  violations(): readonly string[]
  /** Largest picture that the platform takes, bytes. Absent: any. */
  maxPictureBytes?: number
  stop(): Promise<void>
}

export interface FormValues {
  prompt?: string
  aspect?: string
  model?: string
  reason?: string
}

interface Platform {
  /** It has no forms: a form is a question, which expires. */
  asksQuestions?: boolean
}

export interface Stage {
  harness: SurfaceHarness
  test: TestCore
  /** One more process that listens to the chat. */
  startProcess(): Promise<ChatSurface>
  /** Stops the first process and starts another one. */
  restart(): Promise<void>
  close(): Promise<void>
}

/** A core with this chat, to which no process listens yet. */
export async function openStage(
  harness: SurfaceHarness,
  { actions, ...options }: TestCoreOptions & { actions?: readonly Action[] } = {},
): Promise<Stage> {
  const processes: ChatSurface[] = []
  let parts: Parts | undefined
  const opened = await openTestCore(quickest, {
    ...options,
    surfaces: (given) => {
      parts = given
      return []
    },
  })
  const create = () => harness.create(parts!)
  const listen = async (surface: ChatSurface) => {
    processes.push(surface)
    await surface.start(
      createDispatch(opened.core, { commands: allCommands, actions: actions ?? noting(surface.name) }),
    )
    return surface
  }
  const first = await create()
  const test = { ...opened, core: Object.assign(opened.core, { surfaces: new Map([[first.name, first]]) }) }
  return {
    harness,
    test,
    startProcess: async () => listen(processes.length === 0 ? first : await create()),
    restart: async () => {
      await processes.shift()?.stop()
      await listen(await create())
    },
    async close() {
      await Promise.all(processes.map((surface) => surface.stop()))
      const wrong = await violations(test.core.database)
      await test.close()
      const violated = harness.violations()
      await harness.stop()
      expect(wrong).toEqual([])
      expect(violated).toEqual([])
    },
  }
}

export function surfaceContract(
  name: string,
  open: () => Promise<SurfaceHarness>,
  { asksQuestions = false }: Platform = {},
): void {
  describe(`${name} as a surface`, () => {
    let stage: Stage
    let harness: SurfaceHarness
    let test: TestCore

    beforeEach(async () => {
      stage = await openStage(await open())
      ;({ harness, test } = stage)
    })
    afterEach(() => stage.close())

    const startProcess = () => stage.startProcess()
    const answered = async () => {
      await expect.poll(async () => (await harness.answer())?.buttons).toEqual(['Cancel'])
    }
    const balance = async (person: Person) => {
      const id = harness.identityOf(person)
      return readAccount(test.core, await accountOf(test.core, { id, name: person }))
    }
    const state = async () => {
      const [row] = await test.core.database.rows<{ state: string }>(sql`select state from generations`)
      return row?.state
    }

    it('shows a request that waits, with a button that cancels it', async () => {
      await startProcess()
      await harness.ask('a cat')
      await answered()
      expect((await harness.answer())?.text).toContain('In the queue: a cat')
      expect(await balance('ann')).toMatchObject({ balance: 19, held: 1, inFlight: 1 })

      await harness.press('ann', 'Cancel')
      await expect.poll(async () => (await harness.answer())?.text).toContain('Cancelled.')
      expect((await harness.answer())?.buttons).toEqual([])
      expect(await balance('ann')).toMatchObject({ balance: 20, held: 0, inFlight: 0 })
    })

    it('lets only the person who asked cancel', async () => {
      await startProcess()
      await harness.ask('a cat')
      await answered()
      await harness.press('bob', 'Cancel')
      await expect
        .poll(() => harness.pressAnswers())
        .toEqual([expect.stringContaining('Only the person who made this request')])
      expect((await harness.answer())?.buttons).toEqual(['Cancel'])
      expect(await state()).toBe('queued')
      await harness.press('ann', 'Cancel')
      await expect.poll(state).toBe('cancelled')
    })

    it('keeps buttons alive over a restart', async () => {
      await startProcess()
      await harness.ask('a cat')
      await answered()
      await stage.restart()
      await harness.press('ann', 'Cancel')
      await expect.poll(state).toBe('cancelled')
    })

    it('acts once on a press that reaches two processes several times', async () => {
      await startProcess()
      await startProcess()
      await harness.ask('a cat')
      await answered()
      await harness.press('ann', 'Cancel', 3)
      await expect.poll(state).toBe('cancelled')
      await expect
        .poll(async () => {
          const [row] = await test.core.database.rows<{ open: number }>(
            sql`select count(*)::int as open from inbox where handled_at is null`,
          )
          return row?.open
        })
        .toBe(0)
      expect(await balance('ann')).toMatchObject({ balance: 20, held: 0, inFlight: 0 })
      expect((await harness.pressAnswers()).filter((text) => text !== 'Cancelled.')).toEqual([])
    })

    it('turns the waiting message into the picture, with the buttons of a result', async () => {
      await startProcess()
      await test.work()
      await harness.ask('a cat')
      await expect.poll(async () => (await harness.answer())?.pictures, { timeout: 30_000 }).toBe(1)
      expect(await harness.answer()).toMatchObject({ text: expect.stringContaining('a cat'), buttons: resultLabels })
      await expect.poll(state).toBe('delivered')
    })

    describe('with a form', () => {
      const drawn = async (count = 1) => {
        const delivered = async () => {
          const rows = await test.core.database.rows<{ n: number }>(
            sql`select count(*)::int as n from generations where state = 'delivered'`,
          )
          return rows[0]?.n
        }
        await expect.poll(delivered, { timeout: 30_000 }).toBe(count)
      }
      const edits = () =>
        test.core.database.rows<Edit>(sql`
          select user_id = (select user_id from generations where parent_id is null) as "isAsker", parent_button as button,
            parent_id = (select id from generations where parent_id is null) as "isChild",
            request->>'prompt' as prompt, request->>'aspect' as aspect, (request->>'images')::int as images
          from generations where parent_id is not null order by id`)
      const answeredTo = async (text: string | RegExp) => {
        await expect.poll(async () => (await harness.submitted())?.text).toMatch(text)
      }
      const inboxIsEmpty = () =>
        expect.poll(() => test.core.database.rows(sql`select key from inbox where handled_at is null`)).toEqual([])

      beforeEach(async () => {
        await startProcess()
        await test.work()
        await harness.ask('a cat')
        await drawn()
        await expect.poll(async () => (await harness.answer())?.buttons).toEqual(resultLabels)
      })

      it('opens it with the values of the result, at no cost', async () => {
        expect(await harness.openForm('ann', editLabel)).toEqual({ prompt: 'a cat', aspect: '', model: 'sketch' })
        expect(await balance('ann')).toMatchObject({ balance: 19, held: 0 })
      })

      it('draws anew from the picture when it is submitted', async () => {
        await harness.openForm('ann', editLabel)
        await harness.submit('ann', { prompt: 'a dog', aspect: '16:9' })
        await drawn(2)
        await expect.poll(async () => (await harness.submitted())?.pictures).toBe(1)
        expect((await harness.submitted())?.text).toContain('a dog')
        const edit = { isAsker: true, isChild: true, button: 'edit', prompt: 'a dog', aspect: '16:9', images: 1 }
        expect(await edits()).toEqual([edit])
        expect(await balance('ann')).toMatchObject({ balance: 18, held: 0 })
        expect((await harness.answer())?.buttons).toEqual(resultLabels)
      })

      it('draws once for a submission that reaches two processes several times', async () => {
        await startProcess()
        await harness.openForm('ann', editLabel)
        await harness.submit('ann', { prompt: 'a dog' }, 3)
        await drawn(2)
        await inboxIsEmpty()
        expect(await edits()).toHaveLength(1)
        expect(await balance('ann')).toMatchObject({ balance: 18, held: 0 })
      })

      it('accepts a submission after a restart', async () => {
        await harness.openForm('ann', editLabel)
        await stage.restart()
        await harness.submit('ann', { prompt: 'a dog' })
        await drawn(2)
        expect(await edits()).toMatchObject([{ isAsker: true, prompt: 'a dog' }])
      })

      it('never charges a person for what another one submits', async () => {
        await harness.openForm('ann', editLabel)
        await harness.submit('bob', { prompt: 'a dog' })
        const ownForms = harness.submitsOfOthers === 'are their own'
        if (harness.submitsOfOthers === 'are their own') await drawn(2)
        else await answeredTo(harness.submitsOfOthers)
        expect(await balance('ann')).toMatchObject({ balance: 19, held: 0 })
        expect(await balance('bob')).toMatchObject({ balance: ownForms ? 19 : 20, held: 0 })
      })

      it('refuses a submission that the person cannot pay for, with its price', async () => {
        await harness.openForm('ann', editLabel)
        const userId = await accountOf(test.core, { id: harness.identityOf('ann'), name: 'ann' })
        await grant(test.core, { userId, amount: -19, source: 'admin', actor: 'test', key: 'test' })
        await harness.submit('ann', { prompt: 'a dog' })
        await answeredTo('That costs 1 credit and you have 0.')
        expect(await edits()).toEqual([])
      })

      it('refuses a form whose result was erased', async () => {
        await harness.openForm('ann', editLabel)
        await eraseAll(test.core, await accountOf(test.core, { id: harness.identityOf('ann'), name: 'ann' }))
        await harness.submit('ann', { prompt: 'a dog' })
        await answeredTo('This button no longer works')
        expect(await edits()).toEqual([])
      })

      it.runIf(asksQuestions)('refuses an answer to a question that has expired', async () => {
        await harness.openForm('ann', editLabel)
        await test.core.database.rows(sql`update dialogues set expires_at = now()`)
        await harness.submit('ann', { prompt: 'a dog' })
        await answeredTo('Press the button again')
        expect(await edits()).toEqual([])
      })

      it.runIf(asksQuestions)('refuses a second answer to a question, but not after a refusal', async () => {
        await harness.openForm('ann', editLabel)
        await harness.submit('ann', { prompt: 'a dog', aspect: '5:7' })
        await answeredTo('does not offer the ratio 5:7')
        await harness.submit('ann', { prompt: 'a dog' })
        await drawn(2)
        await harness.submit('ann', { prompt: 'a bird' })
        await answeredTo('This question has been answered already')
        expect(await edits()).toHaveLength(1)
      })
    })

    it('refuses a picture that is too large for it, and nothing else is lost', async () => {
      const surface = await startProcess()
      await harness.ask('a cat')
      await answered()
      // the message stands before its row says so
      const posted = () => test.core.database.rows<Shown>(sql`select id, posted from generations`)
      await expect.poll(async () => (await posted())[0]?.posted).toBeTruthy()
      const [row] = await posted()
      const data = Buffer.concat([await pngOf(64, 64), Buffer.alloc(harness.maxPictureBytes ?? 1024)])
      const file = { data, type: 'image/png' as const, width: 64, height: 64 }
      const pictures = [{ file, key: 'image/large.png', name: 'large.png', alt: 'large' }]
      const edited = surface.edit(row!.posted, says('a cat', 'done', { pictures }))
      if (harness.maxPictureBytes === undefined) await edited
      else await expect(edited).rejects.toSatisfy((error) => error instanceof AppError && error.kind === 'chat_refused')
      expect((await harness.answer())?.text).toContain('a cat')
      await cancel(test.core, null, row!.id)
    })
  })
}
