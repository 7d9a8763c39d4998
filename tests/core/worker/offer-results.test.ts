/** The button that fetches a late result, and the result itself when it comes at the same time. */
import { sql } from 'drizzle-orm'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Posted, Reply } from '../../../src/core/ports/chat.ts'
import { createResultOffers } from '../../../src/core/worker/offer-results.ts'
import { quickest } from '../../helpers/backends.ts'
import { createPlain, openTestCore, pngOf, type TestCore } from '../../helpers/core.ts'
import { createGate, type Gate } from '../../helpers/gate.ts'
import { violations } from '../../helpers/invariants.ts'

let test: TestCore
let drawn: Gate
/** Holds up the edits that show the button, and those that show the result. */
let gates: { offer?: Gate; result?: Gate }
/** What edits begin, and which of them have arrived, in order. */
let begun: string[]
let arrived: string[]
/** Of processes other than the one whose sweeper works. */
let offerResults: () => Promise<void>

const isOffer = ({ buttons = [] }: Reply) => buttons.flat().some(({ action }) => action === 'getresult')
const kindOf = (reply: Reply) => (isOffer(reply) ? 'offer' : reply.state)

beforeEach(async () => {
  drawn = createGate()
  gates = {}
  begun = []
  arrived = []
  const provider = createPlain({
    start: async () => drawn.pass({ state: 'done' as const, images: [await pngOf(64, 64)] }),
  })
  test = await openTestCore(quickest, { providers: [provider], providerMs: 120_000 })
  const { edit } = test.chat
  let isDue = false
  Object.assign(test.chat, {
    needsPressFrom: () => (isDue ? 0 : Number.MAX_SAFE_INTEGER),
    edit: async (posted: Posted, ...given: [Reply]) => {
      const kind = kindOf(given[0])
      begun.push(kind)
      await (kind === 'offer' ? gates.offer : kind === 'done' ? gates.result : undefined)?.pass(undefined)
      arrived.push(kind)
      return edit(posted, ...given)
    },
  })
  await test.work()
  const round = createResultOffers(test.core)
  offerResults = async () => {
    isDue = true
    await test.core.database.rows(sql`update generations set created_at = created_at - interval '1 minute'`)
    await round()
    isDue = false
  }
})

afterEach(async () => {
  expect(await violations(test.core.database)).toEqual([])
  await test.close()
})

const states = () => test.core.database.rows(sql`select state, editing_until as editing from generations`)

describe('a result and the button that fetches it', () => {
  it('are shown one after the other, when the result comes while the button is being shown', async () => {
    const call = await test.say('a cat')
    await drawn.arrived
    gates.offer = createGate()
    const offering = offerResults()
    await gates.offer.arrived
    drawn.open()
    await expect.poll(states).toMatchObject([{ state: 'stored' }])
    // a second process does not begin another edit
    await createResultOffers(test.core)()
    expect(begun.filter((kind) => kind === 'offer')).toHaveLength(1)
    expect(begun).not.toContain('done')
    gates.offer.open()
    await offering
    expect(await test.ended(call)).toBe('delivered')
    expect(arrived.slice(-2)).toEqual(['offer', 'done'])
    expect(test.chat.last(call.address)).toMatchObject({ state: 'done' })
    expect(await states()).toEqual([{ state: 'delivered', editing: null }])
  })

  it('are not both shown, when the result is on its way already', async () => {
    const call = await test.say('a cat')
    await drawn.arrived
    gates.result = createGate()
    drawn.open()
    await gates.result.arrived
    await offerResults()
    expect(begun).not.toContain('offer')
    gates.result.open()
    expect(await test.ended(call)).toBe('delivered')
    expect(test.chat.last(call.address)).toMatchObject({ state: 'done' })
  })

  it('the message of a request that is cancelled meanwhile says so in the end', async () => {
    const call = await test.say('a cat')
    await drawn.arrived
    gates.offer = createGate()
    const offering = offerResults()
    await gates.offer.arrived
    await test.say('/cancel')
    await expect.poll(states).toMatchObject([{ state: 'cancelled' }])
    gates.offer.open()
    await offering
    expect(test.chat.last(call.address)).toMatchObject({ state: 'failed', content: { error: 'cancelled' } })
    drawn.open()
  })

  it('the result waits no longer for a process that was killed while it showed the button', async () => {
    const call = await test.say('a cat')
    await drawn.arrived
    await test.core.database.rows(sql`update generations set editing_until = now() + interval '2 seconds'`)
    drawn.open()
    await expect.poll(states).toMatchObject([{ state: 'stored' }])
    expect(begun).not.toContain('done')
    expect(await test.ended(call)).toBe('delivered')
  })
})
