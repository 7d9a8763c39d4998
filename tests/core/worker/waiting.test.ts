/** What people see while they wait: their place, an estimate, progress. */
import { sql } from 'drizzle-orm'
import { afterEach, describe, expect, it } from 'vitest'
import { cancel } from '../../../src/core/generation/cancel.ts'
import { firstWait } from '../../../src/core/history/estimate.ts'
import { createExpectations } from '../../../src/core/history/expectations.ts'
import type { Call, Reply } from '../../../src/core/ports/chat.ts'
import type { PictureRequest } from '../../../src/core/ports/models.ts'
import type { ImageProvider } from '../../../src/core/ports/providers.ts'
import { keepNarratingQueue } from '../../../src/core/worker/narrate-queue.ts'
import { databases } from '../../helpers/backends.ts'
import { createChat, createPlain, openTestCore, pngOf, type TestChat, type TestCore } from '../../helpers/core.ts'
import { createGate, type Gate } from '../../helpers/gate.ts'
import { violations } from '../../helpers/invariants.ts'

const places = 5
const soon = { timeout: 60_000 }

describe.each(databases())('a message on %s that waits', (kind) => {
  let test: TestCore
  let gates: Gate[] = []
  afterEach(async () => {
    for (const gate of gates) gate.open()
    gates = []
    await expect
      .poll(() => test.core.database.rows(sql`select id from generations where ended_at is null`), soon)
      .toEqual([])
    const wrong = await violations(test.core.database)
    await test.close()
    expect(wrong).toEqual([])
  })

  const gate = () => {
    const made = createGate()
    gates.push(made)
    return made
  }
  /** A provider whose pictures wait for the gate. */
  const slow = (until: Gate, over: Partial<ImageProvider> = {}) =>
    createPlain({ start: async () => ({ state: 'done', images: [await until.pass(await pngOf(64, 64))] }), ...over })
  const open = async (provider: ImageProvider, chat: TestChat = createChat()) => {
    test = await openTestCore(kind, { providers: [provider], chat, limits: { inFlight: 20, perMinute: 100 } })
    return test
  }
  const fill = async (count: number) => {
    const calls: Call[] = []
    for (let n = 0; n < count; n++) calls.push(await test.say(`cat ${n + 1}`, { who: `person${n}` }))
    return calls
  }
  const textOf = (call: Call) => test.chat.last(call.address)?.text
  const textsOf = (call: Call) =>
    test.chat.messages.find(({ address }) => address === call.address)?.history.map(({ text }) => text) ?? []
  const stateOf = async (call: Call) => {
    const [row] = await test.core.database.rows<{ state: string }>(
      sql`select state from generations where key = ${call.key}`,
    )
    return row?.state
  }

  it('shows the place of each, from the first in line, and only when it has changed', async () => {
    const drawing = gate()
    await open(slow(drawing))
    const calls = await fill(places)
    await test.work()
    const another = keepNarratingQueue(test.core)
    const running = () => test.core.database.rows(sql`select id from generations where state = 'running'`)
    await expect.poll(async () => (await running()).length, soon).toBe(places)
    const [first, second] = await fill(2)
    await expect.poll(() => textOf(first!), soon).toBe('⏳ Number 1 in the queue: cat 1')
    await expect.poll(() => textOf(second!), soon).toBe('⏳ Number 2 in the queue: cat 2')
    // one more place is shown, so rounds go on, and the others have not been edited again
    const [third] = await fill(1)
    await expect.poll(() => textOf(third!), soon).toBe('⏳ Number 3 in the queue: cat 1')
    expect(textsOf(first!)).toEqual(['⏳ Number 1 in the queue: cat 1'])
    await cancel(test.core, null, await idOf(first!))
    await expect.poll(() => textOf(second!), soon).toBe('⏳ Number 1 in the queue: cat 2')
    await another.stop()
    drawing.open()
    for (const call of [...calls, second!, third!]) expect(await test.ended(call)).toBe('delivered')
  })

  const idOf = async (call: Call) => {
    const [row] = await test.core.database.rows<{ id: string }>(sql`select id from generations where key = ${call.key}`)
    return row?.id ?? ''
  }

  it('keeps no worker from starting the request, whose picture then waits for the edit', async () => {
    const [drawing, editing] = [gate(), gate()]
    const chat = createChat()
    const { edit } = chat
    const isPlace = ({ content }: Reply) => content.kind === 'queued' && content.place !== undefined
    chat.edit = async (posted, reply) => edit(posted, isPlace(reply) ? await editing.pass(reply) : reply)
    await open(slow(drawing), chat)
    await fill(places)
    await test.work()
    await expect
      .poll(
        async () => (await test.core.database.rows(sql`select from generations where state = 'running'`)).length,
        soon,
      )
      .toBe(places)
    const [first, next] = await fill(2)
    await cancel(test.core, null, await idOf(first!))
    await editing.arrived
    drawing.open()
    await expect.poll(() => stateOf(next!), soon).toBe('stored')
    expect(textsOf(next!)).toEqual(['⏳ Number 2 in the queue: cat 2'])
    editing.open()
    expect(await test.ended(next!)).toBe('delivered')
    expect(textsOf(next!).map((text) => text.split(':')[0])).toEqual([
      '⏳ Number 2 in the queue',
      '⏳ Number 1 in the queue',
      expect.stringContaining('cat 2'),
    ])
  })

  it('shows a cancellation again that an edit of the place has overwritten', async () => {
    const [drawing, editing] = [gate(), gate()]
    const chat = createChat()
    const { edit } = chat
    const isPlace = ({ content }: Reply) => content.kind === 'queued' && content.place !== undefined
    chat.edit = async (posted, reply) => edit(posted, isPlace(reply) ? await editing.pass(reply) : reply)
    await open(slow(drawing), chat)
    await fill(places)
    await test.work()
    const [first, next] = await fill(2)
    await cancel(test.core, null, await idOf(first!))
    await editing.arrived
    await cancel(test.core, null, await idOf(next!))
    expect(textOf(next!)).toMatch(/^✖️ cat 2\n.*Cancelled\./)
    editing.open()
    await expect.poll(() => textsOf(next!).some((text) => text.includes('Number 1')), soon).toBe(true)
    await expect.poll(() => textOf(next!), soon).toContain('Cancelled.')
  })

  it('gives an estimate from what requests of its model took, also in the first message', async () => {
    const drawing = gate()
    const chat = Object.assign(createChat(), { paceMs: 50 })
    await open(slow(drawing), chat)
    // measured before
    const [measured] = await fill(1)
    await cancel(test.core, null, await idOf(measured!))
    await test.core.database.rows(sql`
      update generations set started_at = now() - interval '20 seconds', stored_at = now() - interval '8 seconds'`)
    const calls = await fill(places)
    await test.work()
    const [running] = calls
    await expect.poll(() => textOf(running!), soon).toMatch(/^🎨 Drawing, about (10|15) s left: cat 1$/)
    await expect
      .poll(
        async () => (await test.core.database.rows(sql`select from generations where state = 'running'`)).length,
        soon,
      )
      .toBe(places)
    const [first] = await fill(1)
    await expect.poll(() => textOf(first!), soon).toBe('⏳ Number 1 in the queue, about 15 s: cat 1')
    // the third request of a person comes after the second ones of others
    const [late] = await fill(places)
    await expect.poll(() => textOf(late!), soon).toBe('⏳ Number 6 in the queue, about 25 s: cat 1')
    const expected = { ...test.core, expectations: createExpectations(test.core.database) }
    const accepted = { endpoint: 'sketch', request: { model: 'sketch' } as PictureRequest }
    const waitOf = (priority: number) => firstWait(expected, { ...accepted, job: { id: '', lane: 'sketch', priority } })
    expect(await waitOf(3)).toEqual({ place: 6, seconds: 25 })
    // a better priority comes before the third request of that person, and the next one after it
    expect(await waitOf(2)).toEqual({ place: 6, seconds: 25 })
    expect(await waitOf(2)).toEqual({ place: 7, seconds: 25 })
  })

  it('leaves out an edit for which the chat has no room, and makes it later', async () => {
    const drawing = gate()
    let room = false
    const asked: string[] = []
    const chat = Object.assign(createChat(), {
      paceMs: 50,
      takeRoom: async (posted: string) => {
        asked.push(posted)
        return room
      },
    })
    await open(slow(drawing), chat)
    const [call] = await fill(1)
    await test.work()
    await expect.poll(() => asked.length, soon).toBeGreaterThan(2)
    expect(textsOf(call!)).toEqual(['⏳ In the queue: cat 1'])
    room = true
    await expect.poll(() => textOf(call!), soon).toBe('🎨 Drawing: cat 1')
    // the result needs no room
    room = false
    drawing.open()
    expect(await test.ended(call!)).toBe('delivered')
  })
})
