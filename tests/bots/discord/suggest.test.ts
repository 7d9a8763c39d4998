/** Suggestions while a person types an option of /flux. */
import { sql } from 'drizzle-orm'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Model, Takes } from '../../../src/core/ports/models.ts'
import { sketch } from '../../../src/models/sketch.ts'
import type { Interaction, OptionValue } from '../../emulators/discord/index.ts'
import { pngOf } from '../../helpers/core.ts'
import { type OnDiscord, openOnDiscord } from '../../helpers/discord.ts'
import { createGate } from '../../helpers/gate.ts'

const takes = sketch.routes[0]!.takes
const modelOf = (id: string, price: number, over: Partial<Takes>): Model => ({
  ...sketch,
  id,
  title: `The ${id}`,
  aliases: [`alias-of-${id}`],
  price,
  routes: sketch.routes.map((route) => ({ ...route, takes: { ...takes, ...over } })),
})
const wide = modelOf('wide', 3, { aspects: { '16:9': [1024, 576], '21:9': [1344, 576] }, images: { min: 0, max: 0 } })
const models = [modelOf('usual', 2, { aspects: { '1:1': [1024, 1024], '16:9': [1024, 576] } }), wide]

let on: OnDiscord

beforeAll(async () => {
  on = await openOnDiscord({ models })
})

afterAll(async () => {
  await on.close()
  expect(on.discord.violations).toEqual([])
})

async function typing(focused: string, options: Record<string, OptionValue>, from = {}): Promise<Interaction> {
  const typed = on.discord.autocomplete('flux', options, focused, from)
  await typed.waitForAck()
  expect(typed.acknowledgedWith).toBe(8)
  return typed
}
const choices = async (...given: Parameters<typeof typing>) =>
  (await typing(...given)).choices!.map(({ name, value }) => [name, value])

async function drawn(prompt: string): Promise<void> {
  const asked = on.discord.slash('flux', { prompt })
  await asked.waitForReply(({ attachments }) => attachments.length > 0)
}

describe('for the model', () => {
  it('are those that can serve the request, with the price of all its pictures', async () => {
    expect(await choices('model', { model: '' })).toEqual([
      ['The usual · 2 credits', 'usual'],
      ['The wide · 3 credits', 'wide'],
    ])
    expect(await choices('model', { model: '', count: 2 })).toContainEqual(['The wide · 6 credits', 'wide'])
    const image1 = { filename: 'a.png', data: await pngOf(8, 8) }
    expect(await choices('model', { model: '', image1 })).toEqual([['The usual · 2 credits', 'usual']])
  })

  it('match the name or an alias, in the language of the person', async () => {
    expect(await choices('model', { model: 'ALIAS-OF-W' }, { locale: 'zh-CN' })).toEqual([
      ['The wide · 3 积分', 'wide'],
    ])
    expect(await choices('model', { model: 'nothing like it' })).toEqual([])
  })
})

describe('for the ratio', () => {
  it('are those of the model', async () => {
    expect(await choices('aspect', { aspect: '' })).toEqual([
      ['1:1 · 1024×1024', '1:1'],
      ['16:9 · 1024×576', '16:9'],
    ])
    expect(await choices('aspect', { model: 'wide', aspect: '21' })).toEqual([['21:9 · 1344×576', '21:9']])
  })

  it('are those of all models while the model is half typed', async () => {
    const values = (await choices('aspect', { model: 'wi', aspect: '' })).map(([, value]) => value)
    expect(values).toEqual(['1:1', '16:9', '21:9'])
  })
})

describe('for the prompt', () => {
  const long = `a fox ${'in the deep forest '.repeat(12)}`.trim()

  it('are the own latest prompts, each once, and a long one is drawn whole', async () => {
    for (const prompt of ['a red cat', long, 'a red cat']) await drawn(prompt)
    expect(await choices('prompt', { prompt: 'RED c' })).toEqual([['a red cat', 'a red cat']])
    const [[, value] = []] = await choices('prompt', { prompt: 'deep' })
    expect(await choices('prompt', { prompt: '' }, { userId: '1'.repeat(18) })).toEqual([])
    await drawn(String(value))
    const rows = await on.test.core.database.rows<{ prompt: string }>(
      sql`select request->>'prompt' as prompt from generations order by id`,
    )
    expect(rows.map(({ prompt }) => prompt)).toEqual(['a red cat', long, 'a red cat', long])
  })
})

describe('while the database does not answer', () => {
  it('come from memory within a second, without any for the prompt', async () => {
    const locked = createGate()
    const locking = on.test.core.database.db.transaction(async (tx) => {
      await tx.execute(sql`lock table generations, identities, user_settings in access exclusive mode`)
      await locked.pass(undefined)
    })
    await locked.arrived
    const [model, aspect, prompt] = await Promise.all([
      typing('model', { model: '' }),
      typing('aspect', { aspect: '' }),
      typing('prompt', { prompt: 'a' }),
    ])
    locked.open()
    await locking
    expect([model, aspect, prompt].map((each) => each.choices!.length)).toEqual([2, 2, 0])
    for (const each of [model, aspect, prompt]) expect(each.acknowledgedMs).toBeLessThan(1_000)
  })
})
