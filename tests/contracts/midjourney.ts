/** A person works with Midjourney through its emulator, on every surface, while the service is restarted. */
import { sql } from 'drizzle-orm'
import { afterEach, describe, expect, it } from 'vitest'
import { accountOf, readAccount } from '../../src/core/accounts/accounts.ts'
import { midjourney } from '../../src/models/midjourney.ts'
import { openMidjourney } from '../helpers/providers/midjourney.ts'
import { openStage, type SurfaceHarness } from './surface.ts'

const wide = [
  '🔀 Vary · 12 credits',
  '✏️ Edit · 12 credits',
  '🔭 Zoom out 1.5× · 12 credits',
  '🔭 Zoom out 2× · 12 credits',
  '⬅️ Pan left · 12 credits',
  '➡️ Pan right · 12 credits',
  '⬆️ Pan up · 12 credits',
  '⬇️ Pan down · 12 credits',
]
const numbers = [1, 2, 3, 4]
const grid = [
  '🎲 Again · 12 credits',
  '✏️ Edit · 12 credits',
  ...numbers.map((number) => `🔀 Vary ${number} · 12 credits`),
  ...numbers.map((number) => `🔍 Upscale ${number} · 3 credits`),
]
const kept = ['💾 Original', '⭐', '👍', '👎', '🚩 Report', '🗑 Delete']

export function midjourneySession(name: string, open: () => Promise<SurfaceHarness>): void {
  describe(`a session with Midjourney on ${name}`, () => {
    const closing: (() => Promise<unknown>)[] = []
    afterEach(async () => {
      for (const close of closing.splice(0).reverse()) await close()
    })

    it('has a grid, its buttons, refusals and a restart, and charges each picture once', async () => {
      const { emulator, provider, close } = await openMidjourney('full')
      closing.push(close)
      const harness = await open()
      const stage = await openStage(harness, {
        models: [midjourney],
        providers: [provider],
        limits: { welcome: 100, perMinute: 100 },
      })
      closing.push(stage.close)
      const { test } = stage
      const requests = () =>
        test.core.database.rows(sql`
          select state, parent_button as button, (request->>'count')::int as count, error,
            (select -sum(amount)::int from ledger where generation_id = generations.id) as paid
          from generations order by id`)
      const ended = async (count: number) => {
        const over = () =>
          test.core.database
            .rows(sql`select id from generations where ended_at is not null`)
            .then((rows) => rows.length)
        await expect.poll(over).toBe(count)
      }
      const shown = (wanted: readonly string[]) =>
        expect
          .poll(async () => (await harness.messages()).map(({ buttons }) => buttons))
          .toContainEqual(expect.arrayContaining([...wanted]))
      /** On the first message that has this button. */
      const press = async (label: string) => {
        await shown([label])
        const message = (await harness.messages()).find(({ buttons }) => buttons.includes(label))
        await harness.press('ann', label, 1, message)
      }
      await stage.startProcess()
      const worker = await test.work()
      await harness.ask('a red fox')
      await shown([...grid, ...kept])
      await press('🔍 Upscale 2 · 3 credits')
      await ended(2)
      await shown([...wide, ...kept])

      // all processes stop while the proxy draws
      emulator.switches.held = true
      await press('🔀 Vary 3 · 12 credits')
      await expect.poll(emulator.accepted).toBe(3)
      await worker.stop(0)
      await stage.restart()
      emulator.switches.held = false
      await test.work()
      await ended(3)
      await press('🎲 Again · 12 credits')
      await ended(4)
      await press('🔭 Zoom out 2× · 12 credits')
      await ended(5)
      expect(emulator.tasks.map(({ action, index, parent }) => [action, index, parent])).toEqual([
        ['IMAGINE', undefined, undefined],
        ['UPSCALE', 2, emulator.tasks[0]?.id],
        ['VARIATION', 3, emulator.tasks[0]?.id],
        ['REROLL', undefined, emulator.tasks[0]?.id],
        ['ZOOM', undefined, emulator.tasks[1]?.id],
      ])

      await harness.ask('a nsfw fox')
      await ended(6)
      emulator.forget()
      await press('🔀 Vary 1 · 12 credits')
      await ended(7)
      const texts = async () => (await harness.messages()).map(({ text }) => text).join('\n')
      await expect.poll(texts).toContain('refused this for its content')
      await expect.poll(texts).toContain('no longer has its work on this picture')
      expect(emulator.accepted()).toBe(5)
      const drawn = { state: 'delivered', error: null }
      const refused = { state: 'failed', paid: 0 }
      expect(await requests()).toMatchObject([
        { ...drawn, button: null, count: 4, paid: 12 },
        { ...drawn, button: 'upscale', count: 1, paid: 3 },
        { ...drawn, button: 'vary', count: 4, paid: 12 },
        { ...drawn, button: 'reroll', count: 4, paid: 12 },
        { ...drawn, button: 'zoomout', count: 4, paid: 12 },
        { ...refused, button: null, error: 'moderated' },
        { ...refused, button: 'vary', error: 'work_gone' },
      ])
      const ann = await accountOf(test.core, { id: harness.identityOf('ann'), name: 'ann' })
      expect(await readAccount(test.core, ann)).toMatchObject({ balance: 49, held: 0, inFlight: 0 })
    })
  })
}
