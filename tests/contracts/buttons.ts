/** Buttons below other messages than a result with one picture, on every surface. */
import { sql } from 'drizzle-orm'
import sharp from 'sharp'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Action } from '../../src/bots/action.ts'
import { allActions } from '../../src/bots/actions/index.ts'
import { accountOf, readAccount } from '../../src/core/accounts/accounts.ts'
import { button } from '../../src/core/chats/buttons.ts'
import { cancel } from '../../src/core/generation/cancel.ts'
import type { Posted } from '../../src/core/ports/chat.ts'
import type { Act, Model } from '../../src/core/ports/models.ts'
import type { Enhancer } from '../../src/core/ports/providers.ts'
import { sketch } from '../../src/models/sketch.ts'
import { upscale } from '../../src/models/upscale.ts'
import { says } from '../helpers/chat.ts'
import { createPlain, pngOf } from '../helpers/core.ts'
import { openStage, type Person, type Stage, type SurfaceHarness } from './surface.ts'

const poll = { timeout: 30_000 }
const poet: Enhancer = {
  model: 'poet',
  enhance: async (prompt) => `a splendid ${prompt}`,
  describe: async () => 'a blue square',
  close: async () => undefined,
}
const others = ['ink', 'chalk', 'coal', 'wax', 'oil', 'lead'].map(
  (id): Model => ({ ...sketch, id, title: id, aliases: [] }),
)
const continuing: readonly Act[] = ['zoomoutless', 'zoomout', 'panleft', 'panright', 'panup', 'pandown']
const [drawing] = sketch.routes
/** Its provider makes wider views of its own work. */
const wide: Model = {
  ...sketch,
  ...{ id: 'wide', title: 'Wide', aliases: [] },
  routes: [
    ...sketch.routes,
    {
      ...drawing!,
      endpoint: 'wider',
      takes: { ...drawing!.takes, images: { min: 0, max: 0 }, continues: continuing },
      input: () => ({}),
    },
  ],
}
/** The two pictures of a result. */
const colours = ['#ff0000', '#00ff00']

interface Child {
  button: string | null
  model: string
  prompt: string
}

export function buttonContract(name: string, open: () => Promise<SurfaceHarness>): void {
  describe(`buttons on ${name}`, () => {
    let stage: Stage
    let harness: SurfaceHarness
    /** Colours of the pictures that providers were given to start from. */
    let given: string[]

    beforeEach(async () => {
      given = []
      const draw = createPlain({
        start: async ({ images, input }) => {
          given.push(...(await Promise.all(images.map(({ data }) => colourOf(data)))))
          if (JSON.stringify(input).includes('slow')) return { state: 'pending', ticket: { job: 1 }, waitMs: 60_000 }
          return {
            state: 'done',
            images: await Promise.all(colours.map((colour) => pngOf(64, 64, colour))),
            seed: '7',
            ticket: { job: 1 },
          }
        },
        continuations: () => continuing.map((act) => ({ act, input: {} })),
        cancel: async () => undefined,
      })
      const enlarge = createPlain({
        name: 'lanczos',
        start: async ({ images }) => {
          given.push(...(await Promise.all(images.map(({ data }) => colourOf(data)))))
          return { state: 'done', images: [await pngOf(128, 128)] }
        },
      })
      stage = await openStage(await open(), {
        models: [sketch, upscale, ...others, wide],
        providers: [draw, enlarge],
        enhancer: poet,
        limits: { welcome: 100, perMinute: 100, inFlight: 20 },
      })
      harness = stage.harness
      await stage.startProcess()
      await stage.test.work()
    })
    afterEach(() => stage.close())

    const rows = <T extends object>(query: ReturnType<typeof sql>) => stage.test.core.database.rows<T>(query)
    const accountNow = async (person: Person) => {
      const id = harness.identityOf(person)
      return readAccount(stage.test.core, await accountOf(stage.test.core, { id, name: person }))
    }
    const withButton = async (label: string) =>
      (await harness.messages()).findLast(({ buttons }) => buttons.some((each) => each.startsWith(label)))
    /** Ann, or another person, presses the newest button with this beginning. */
    async function press(label: string, person: Person = 'ann') {
      await expect.poll(() => withButton(label), poll).toBeTruthy()
      const message = await withButton(label)
      const whole = message?.buttons.find((each) => each.startsWith(label)) ?? ''
      await harness.press(person, whole, 1, message)
    }
    const requests = () =>
      rows<Child>(sql`
        select parent_button as button, model, coalesce(enhanced, request->>'prompt') as prompt from generations
        where state = 'delivered' order by id`)
    const delivered = (count: number) => expect.poll(async () => (await requests()).length, poll).toBe(count)
    const texts = async () =>
      [...(await harness.messages()).map(({ text }) => text), ...(await harness.pressAnswers())].join('\n')

    it('of a result with two pictures vary and enlarge the one with their number', async () => {
      await harness.ask('a cat --n 2')
      await delivered(1)
      await press('🔀 Vary 2')
      await delivered(2)
      const [first] = (await harness.messages()).filter(({ buttons }) =>
        buttons.some((each) => each.startsWith('🔍 Upscale 1')),
      )
      for (const number of [1, 2]) {
        const label = first?.buttons.find((each) => each.startsWith(`🔍 Upscale ${number}`)) ?? 'no button'
        await harness.press('ann', label, 1, first)
        await delivered(2 + number)
      }
      expect((await requests()).map(({ button, model }) => [button, model])).toEqual([
        [null, 'sketch'],
        ['vary', 'sketch'],
        ['upscale', 'upscale'],
        ['upscale', 'upscale'],
      ])
      expect(given).toEqual([colours[1], colours[0], colours[1]])
    })

    it('widen a picture, where its provider can', async () => {
      await harness.ask('a cat --model wide')
      await delivered(1)
      const labels = ['🔭 Zoom out 1.5×', '🔭 Zoom out 2×', '⬅️ Pan left', '➡️ Pan right', '⬆️ Pan up', '⬇️ Pan down']
      await expect.poll(() => withButton('🔭 Zoom out 1.5×'), poll).toBeTruthy()
      const first = await withButton('🔭 Zoom out 1.5×')
      for (const [number, label] of labels.entries()) {
        const whole = first?.buttons.find((each) => each.startsWith(label)) ?? label
        await harness.press('ann', whole, 1, first)
        await delivered(2 + number)
      }
      expect((await requests()).map(({ button }) => button)).toEqual([null, ...continuing])
    })

    it('describe a picture, and draw what was written for it', async () => {
      await harness.ask('a cat')
      await delivered(1)
      await expect.poll(() => withButton('📝 Describe'), poll).toBeTruthy()
      await press('📝 Describe')
      await expect.poll(texts, poll).toContain('a blue square')
      await press('🎨 Draw it')
      await delivered(2)
      expect((await requests()).at(-1)?.prompt).toBe('a blue square')
    })

    it.each([
      ['✨ Use it', 'a splendid a cat'],
      ['Use mine', 'a cat'],
    ])('below a prompt draw with "%s", for the person who asked', async (label, prompt) => {
      await harness.ask('a cat --enhance=ask')
      await expect
        .poll(async () => (await harness.answer())?.buttons.map((each) => each.split(' · ')[0]), poll)
        .toEqual(['✨ Use it', 'Use mine', '✏️ Edit it'])
      await press(label, 'bob')
      await expect.poll(() => harness.pressAnswers(), poll).toEqual([expect.stringMatching(/^⚠️|Only the person/)])
      expect(await rows(sql`select id from generations`)).toEqual([])
      await press(label)
      await delivered(1)
      expect(await requests()).toMatchObject([{ prompt }])
      expect(await accountNow('bob')).toMatchObject({ balance: 100 })
    })

    it('below a prompt let the person edit it first', async () => {
      await harness.ask('a cat --enhance=ask')
      await expect.poll(async () => (await harness.answer())?.buttons.length, poll).toBe(3)
      const label = (await harness.answer())?.buttons.find((each) => each.startsWith('✏️ Edit it')) ?? ''
      expect((await harness.openForm('ann', label)).prompt).toBe('a splendid a cat')
      await harness.submit('ann', { prompt: 'a dog' })
      await delivered(1)
      expect(await requests()).toMatchObject([{ prompt: 'a dog' }])
    })

    it('of the queue refresh it, and cancel', async () => {
      await harness.ask('a slow cat')
      await expect.poll(() => rows(sql`select id from generations where state = 'running'`), poll).toHaveLength(1)
      await harness.command('queue', {})
      await press('🔄 Refresh')
      await press('Cancel 1')
      await expect.poll(() => rows(sql`select id from generations where state = 'cancelled'`), poll).toHaveLength(1)
      expect(await accountNow('ann')).toMatchObject({ balance: 100, held: 0 })
    })

    it('of the models turn the page, and set the usual one', async () => {
      await harness.command('models', {})
      await press('Page 2')
      await expect.poll(() => withButton('Page 1'), poll).toBeTruthy()
      await press('Use 6')
      await expect.poll(() => rows(sql`select model from user_settings`), poll).toHaveLength(1)
    })

    it('of an account keep it, and delete it', async () => {
      await harness.ask('a cat')
      await delivered(1)
      await harness.command('privacy', {})
      await press('🗑 Delete account')
      await press('Keep it')
      await expect.poll(texts, poll).toContain('Your account stays as it is.')
      await press('🗑 Delete account')
      await press('Delete for good')
      await expect.poll(() => rows(sql`select id from users where closed_at is not null`), poll).toHaveLength(1)
    })
  })

  describe(`every button on ${name}`, () => {
    it('reaches its action with its ref and its person', async () => {
      const pressed: string[] = []
      const actions = allActions.map(
        ({ name }): Action => ({
          name,
          who: 'everyone',
          run: async ({ call, values: { ref, number } }) => {
            pressed.push([name, ref, number, call.from.id].join(' '))
            return { ...says('noted', 'info'), private: true, toast: true }
          },
        }),
      )
      const stage = await openStage(await open(), { actions })
      try {
        const { harness, test } = stage
        const surface = await stage.startProcess()
        await harness.ask('a cat')
        await expect.poll(async () => (await harness.answer())?.buttons).toEqual(['Cancel'])
        // the message stands before its row says so
        const posted = () =>
          test.core.database.rows<{ id: string; posted: Posted }>(
            sql`select id, posted from generations where posted is not null`,
          )
        await expect.poll(posted).toHaveLength(1)
        const [row] = await posted()
        for (const { name } of allActions) {
          const look = { locale: 'en', buttons: [[button(name, row!.id, { number: 3 })]] }
          await surface.changeButtons(row!.posted, look)
          const label = (await harness.answer())?.buttons[0] ?? ''
          for (const person of ['ann', 'bob'] as const) {
            await harness.press(person, label)
            const expected = [name, row!.id, 3, harness.identityOf(person)].join(' ')
            await expect.poll(() => pressed).toContain(expected)
          }
        }
        expect(pressed).toHaveLength(2 * allActions.length)
        await cancel(test.core, null, row!.id)
      } finally {
        await stage.close()
      }
    })
  })
}

async function colourOf(data: Buffer): Promise<string> {
  const { dominant } = await sharp(data).stats()
  return `#${[dominant.r, dominant.g, dominant.b].map((part) => (part > 128 ? 'ff' : '00')).join('')}`
}
