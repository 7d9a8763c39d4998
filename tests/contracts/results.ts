/** What the buttons under a result do, on every surface. */
import { sql } from 'drizzle-orm'
import sharp from 'sharp'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { accountOf, readAccount } from '../../src/core/accounts/accounts.ts'
import type { Model } from '../../src/core/ports/models.ts'
import { sketch } from '../../src/models/sketch.ts'
import { createPlain, pngOf, type TestCore } from '../helpers/core.ts'
import { isInBucket } from '../helpers/store.ts'
import { editLabel, openStage, type Person, type ShownMessage, type Stage, type SurfaceHarness } from './surface.ts'

const again = '🎲 Again · 1 credit'
const vary = '🔀 Vary · 1 credit'
const remix = '🔁 Other model'
const labels = [again, vary, editLabel, remix, '💾 Original', '⭐', '👍', '👎', '🚩 Report', '🗑 Delete']

interface Child {
  id: string
  button: string
  parent: string
  model: string
  price: number
  images: number
}

const timeout = 20_000

export function resultContract(name: string, open: () => Promise<SurfaceHarness>): void {
  describe(`a result on ${name}`, () => {
    let stage: Stage
    let harness: SurfaceHarness
    let test: TestCore
    let price: number
    /** What the provider was given to start from. */
    let inputs: Buffer[]
    let drawn: number

    beforeEach(async () => {
      price = 1
      inputs = []
      drawn = 0
      const priced: Model = {
        ...sketch,
        get price() {
          return price
        },
      }
      const pencil: Model = { ...sketch, id: 'pencil', title: 'Pencil', aliases: [], price: 2 }
      const provider = createPlain({
        start: async ({ images }) => {
          inputs.push(...images.map(({ data }) => data))
          drawn += 1
          return {
            state: 'done',
            images: [await pngOf(64, 64, `#0000${(drawn * 16).toString(16)}`)],
            seed: String(drawn),
          }
        },
      })
      stage = await openStage(await open(), { models: [priced, pencil], providers: [provider] })
      ;({ harness, test } = stage)
      await stage.startProcess()
      await test.work()
      await harness.ask('a cat')
      await delivered(1)
      await expect.poll(async () => (await harness.answer())?.buttons, { timeout }).toEqual(labels)
    })
    afterEach(() => stage.close())

    async function delivered(count: number) {
      const states = () => test.core.database.rows<{ state: string }>(sql`select state from generations`)
      const wanted = Array.from({ length: count }, () => ({ state: 'delivered' }))
      await expect.poll(states, { timeout: 30_000 }).toEqual(wanted)
    }
    const balance = async (person: Person) => {
      const id = harness.identityOf(person)
      return (await readAccount(test.core, await accountOf(test.core, { id, name: person }))).balance
    }
    const firstId = async () => {
      const [row] = await test.core.database.rows<{ id: string }>(
        sql`select id from generations where parent_id is null`,
      )
      return row!.id
    }
    const children = () =>
      test.core.database.rows<Child>(sql`
        select id, parent_button as button, parent_id as parent, model, price, (request->>'images')::int as images
        from generations where parent_id is not null order by id`)
    /** A folder's link leads to the service, whose address the tests of a surface do not have. */
    const linkedFile = async (link: string) => {
      if (isInBucket) return Buffer.from(await (await fetch(link)).arrayBuffer())
      const { pathname } = new URL(link, 'http://any')
      return (await test.core.store.get(pathname.slice('/image/'.length)))?.data
    }
    const original = async (id: string) => {
      const [row] = await test.core.database.rows<{ key: string }>(
        sql`select key from images where generation_id = ${id}::uuid and role = 'output'`,
      )
      return row && (await test.core.store.get(row.key))?.data
    }
    const withPictures = async () => (await harness.messages()).filter(({ pictures }) => pictures > 0)
    async function latest(count: number): Promise<ShownMessage> {
      await expect.poll(async () => (await withPictures()).length, { timeout }).toBe(count)
      await expect.poll(async () => (await withPictures()).at(-1)?.buttons, { timeout }).toEqual(labels)
      return (await withPictures()).at(-1)!
    }
    const told = (text: string) =>
      expect.poll(() => harness.pressAnswers(), { timeout }).toContainEqual(expect.stringContaining(text))

    it('says who drew it, what it cost, what is left, and its short id', async () => {
      const id = (await firstId()).slice(-8)
      expect((await harness.answer())?.text).toMatch(
        new RegExp(`sketch · 64×64 · seed 1 · \\d+\\.\\d s · 1 credit, 19 left · #${id}$`),
      )
    })

    it('is drawn again, with the parent in the caption', async () => {
      await harness.press('ann', again)
      await delivered(2)
      const shown = await latest(2)
      const parent = await firstId()
      expect(await children()).toMatchObject([{ button: 'reroll', parent, model: 'sketch', images: 0 }])
      expect(shown.text).toContain(`from #${parent.slice(-8)}`)
      expect(await balance('ann')).toBe(18)
    })

    it('is drawn again once, when the press reaches two processes several times', async () => {
      await stage.startProcess()
      await harness.press('ann', again, 3)
      await delivered(2)
      const open = () => test.core.database.rows(sql`select key from inbox where handled_at is null`)
      await expect.poll(open, { timeout }).toEqual([])
      await latest(2)
      expect(await children()).toHaveLength(1)
      expect(await balance('ann')).toBe(18)
    })

    it('is varied from the stored original', async () => {
      await harness.press('ann', vary)
      await delivered(2)
      await latest(2)
      expect(await children()).toMatchObject([{ button: 'vary', model: 'sketch', images: 1 }])
      expect(inputs).toHaveLength(1)
    })

    it('is drawn by another model, at the price of that', async () => {
      await harness.openForm('ann', remix)
      await harness.submit('ann', { model: 'pencil' })
      await delivered(2)
      expect(await children()).toMatchObject([{ button: 'remix', model: 'pencil', price: 2, images: 0 }])
      expect(await balance('ann')).toBe(17)
    })

    it('gives its stored bytes', async () => {
      const before = (await harness.messages()).length
      await harness.press('ann', '💾 Original')
      await expect.poll(async () => (await harness.messages()).length, { timeout }).toBe(before + 1)
      const [file, ...others] = (await harness.messages()).slice(before).flatMap(({ files }) => files)
      const [link] = (await harness.messages()).at(-1)!.links
      expect(others).toEqual([])
      expect(file ?? (await linkedFile(link!))).toEqual(await original(await firstId()))
    })

    it('is kept and rated; the same press again takes that back', async () => {
      const rows = () =>
        test.core.database.rows(sql`
          select (select count(*)::int from favourites) as kept, (select sum(value)::int from ratings) as rating`)
      await harness.press('ann', '⭐')
      await told('Added to your favourites')
      await harness.press('ann', '👎')
      await told('👎')
      expect(await rows()).toEqual([{ kept: 1, rating: -1 }])
      await harness.press('ann', '👍')
      await told('👍')
      expect(await rows()).toEqual([{ kept: 1, rating: 1 }])
      await harness.press('ann', '⭐')
      await told('Removed from your favourites')
      await harness.press('ann', '👍')
      await told('rating was removed')
      expect(await rows()).toEqual([{ kept: 0, rating: null }])
    })

    it('is reported with a reason', async () => {
      await harness.openForm('ann', '🚩 Report')
      await harness.submit('ann', { reason: 'not a cat' })
      const reports = () => test.core.database.rows(sql`select reason from reports`)
      await expect.poll(reports, { timeout }).toEqual([{ reason: 'not a cat' }])
    })

    it('is deleted after a second press, with all its messages and pictures', async () => {
      const id = await firstId()
      await harness.command('show', { id: id.slice(-8) })
      const again = await latest(2)
      await harness.press('ann', '🗑 Delete', 1, again)
      const buttons = async () => (await withPictures()).at(-1)?.buttons
      await expect.poll(buttons, { timeout }).toEqual(['Delete for good', 'Keep'])
      await harness.press('ann', 'Keep', 1, again)
      await expect.poll(buttons, { timeout }).toEqual(labels)
      await harness.press('ann', '🗑 Delete', 1, again)
      await expect.poll(buttons, { timeout }).toEqual(['Delete for good', 'Keep'])
      await harness.press('ann', 'Delete for good', 1, again)
      await expect.poll(withPictures, { timeout }).toEqual([])
      await expect.poll(() => original(id), { timeout }).toBeUndefined()
      expect(await test.core.database.rows(sql`select request->>'prompt' as prompt from generations`)).toEqual([
        { prompt: '' },
      ])
    })

    it('works and can be deleted long after it was posted', async () => {
      await harness.age?.()
      await harness.press('ann', again)
      await delivered(2)
      await latest(2)
      const [first] = await withPictures()
      await harness.press('ann', '🗑 Delete', 1, first)
      const shown = async () => (await withPictures()).map(({ buttons }) => buttons)
      await expect.poll(shown, { timeout }).toContainEqual(['Delete for good', 'Keep'])
      await harness.press('ann', 'Delete for good', 1, first)
      // where a platform keeps old messages, nothing is left in it
      await expect
        .poll(async () => (await harness.messages()).filter(({ buttons }) => buttons.length > 0).length, { timeout })
        .toBe(1)
      const left = (await harness.messages()).map(({ text }) => text).filter((text) => text !== '')
      expect(left).toEqual([(await withPictures()).at(-1)!.text])
    })

    it('is deleted only by the person who asked', async () => {
      await harness.press('bob', '🗑 Delete')
      await told('Only the person who made this request')
      expect((await harness.answer())?.buttons).toEqual(labels)
    })

    it('refuses a press whose price rose, and shows the new price', async () => {
      price = 3
      await harness.press('ann', again)
      await told('The price has changed from 1 credit to 3 credits.')
      expect(await children()).toEqual([])
      expect(await balance('ann')).toBe(19)
      const dearer = '🎲 Again · 3 credits'
      await expect.poll(async () => (await harness.answer())?.buttons?.[0], { timeout }).toBe(dearer)
      await harness.press('ann', dearer)
      await delivered(2)
      expect(await children()).toMatchObject([{ button: 'reroll', price: 3 }])
    })

    it('charges less than the button shows when the price fell', async () => {
      price = 0
      await harness.press('ann', again)
      await delivered(2)
      expect(await balance('ann')).toBe(19)
    })

    it('works after a restart', async () => {
      await stage.restart()
      await harness.press('ann', again)
      await delivered(2)
      await latest(2)
    })

    it('is shown again by its short id, with buttons that work', async () => {
      await harness.command('show', { id: (await firstId()).slice(-8) })
      const shown = await latest(2)
      await harness.press('ann', vary, 1, shown)
      await delivered(2)
      expect(await children()).toMatchObject([{ button: 'vary' }])
    })

    it('is changed by a command with its id', async () => {
      const id = (await firstId()).slice(-8)
      await harness.command('edit', name === 'Discord' ? { prompt: 'at night', id } : { id, prompt: 'at night' })
      await delivered(2)
      expect(await children()).toMatchObject([{ button: 'edit', images: 1 }])
      expect((await latest(2)).text).toContain('at night')
    })

    it('is changed by replies, each from the stored original of the one before', async () => {
      if (!harness.reply) return
      for (let step = 1; step <= 10; step++) {
        await harness.reply(await latest(step), `step ${step}`)
        await delivered(step + 1)
        await latest(step + 1)
      }
      const chain = await children()
      expect(chain.map(({ button, images }) => `${button} ${images}`)).toEqual(Array(10).fill('reply 1'))
      const parents = [await firstId(), ...chain.map(({ id }) => id)].slice(0, 10)
      expect(chain.map(({ parent }) => parent)).toEqual(parents)
      const originals = await Promise.all(parents.map(original))
      expect(await Promise.all(inputs.map(pixels))).toEqual(await Promise.all(originals.map((data) => pixels(data!))))
      expect(await balance('ann')).toBe(9)
    })
  })
}

/** Originals are decoded and encoded once more on their way to a provider, which changes no pixel. */
const pixels = (data: Buffer) => sharp(data).removeAlpha().raw().toBuffer()
