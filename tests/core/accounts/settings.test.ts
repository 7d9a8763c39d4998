import { sql } from 'drizzle-orm'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  type Changes,
  type Chosen,
  checkSettings,
  originOf,
  personHolding,
  readSettings,
  saveSettings,
} from '../../../src/core/accounts/settings.ts'
import { chatOf } from '../../../src/core/chats/rules.ts'
import type { AppError } from '../../../src/core/errors.ts'
import type { Call } from '../../../src/core/ports/chat.ts'
import type { Model, Takes } from '../../../src/core/ports/models.ts'
import { sketch } from '../../../src/models/sketch.ts'
import { quickest } from '../../helpers/backends.ts'
import { openTestCore, type TestCore } from '../../helpers/core.ts'

const takes = sketch.routes[0]!.takes

const modelOf = (id: string, over: Partial<Takes>, provider = 'sketch'): Model => ({
  ...sketch,
  id,
  title: id,
  aliases: [`alias-of-${id}`],
  routes: sketch.routes.map((route) => ({ ...route, provider, takes: { ...takes, ...over } })),
})

const many = modelOf('many', { count: 4, aspects: { '1:1': [1024, 1024], '16:9': [1024, 576] } })
const square = modelOf('square', { count: 1, aspects: { '1:1': [512, 512] } })
const away = modelOf('away', {}, 'away')

describe('a change', () => {
  const core = {
    models: { all: () => [many, square, away], preferred: () => 'many', of: () => [] },
    providers: { get: (name: string) => (name === 'sketch' ? {} : undefined) },
  } as unknown as Parameters<typeof checkSettings>[0]

  it.each<[string, Chosen, Changes, Changes | [string, object]]>([
    ['takes a model by its alias', {}, { model: 'alias-of-many' }, { model: 'many' }],
    ['refuses a model that is not there', {}, { model: 'nix' }, ['unknown_model', { name: 'nix' }]],
    ['refuses a model that is not set up', {}, { model: 'away' }, ['provider_missing', { model: 'away' }]],
    ['takes a ratio that some model offers', {}, { aspect: '16:9' }, { aspect: '16:9' }],
    ['refuses a ratio that no model offers', {}, { aspect: '7:5' }, ['bad_option', { name: 'ratio' }]],
    [
      'refuses a ratio that the own model does not offer',
      { model: 'square' },
      { aspect: '16:9' },
      ['unknown_ratio', {}],
    ],
    [
      'refuses a model that does not offer the own ratio',
      { aspect: '16:9' },
      { model: 'square' },
      ['unknown_ratio', {}],
    ],
    ['takes both at once', { aspect: '16:9' }, { model: 'square', aspect: null }, { model: 'square', aspect: null }],
    ['takes a count that some model takes', {}, { count: 4 }, { count: 4 }],
    ['refuses a count that no model takes', {}, { count: 999 }, ['bad_option', { name: 'count' }]],
    ['refuses a count of zero', {}, { count: 0 }, ['bad_option', { name: 'count' }]],
    ['refuses a count that the own model does not take', { model: 'square' }, { count: 2 }, ['bad_option', {}]],
    ['takes a language', {}, { language: 'zh' }, { language: 'zh' }],
    [
      'refuses a language that is not there',
      {},
      { language: 'xx' },
      ['bad_option', { name: 'language', expected: 'en, zh' }],
    ],
    ['refuses to enhance without an enhancer', {}, { enhance: 'on' }, ['enhancer_missing', { name: 'enhance' }]],
    ['refuses to ask without an enhancer', {}, { enhance: 'ask' }, ['enhancer_missing', { name: 'enhance' }]],
    ['turns enhancing off without an enhancer', {}, { enhance: 'off' }, { enhance: 'off' }],
    ['goes back to a default', { aspect: '16:9' }, { aspect: null }, { aspect: null }],
  ])('%s', (_title, before, changes, expected) => {
    let outcome: unknown
    try {
      outcome = checkSettings(core, before, changes)
    } catch (error) {
      const { kind, data } = error as AppError
      outcome = [kind, data]
    }
    expect(outcome).toEqual(Array.isArray(expected) ? [expected[0], expect.objectContaining(expected[1])] : expected)
  })
})

describe('settings in force', () => {
  let test: TestCore
  beforeEach(async () => {
    test = await openTestCore(quickest, { models: [many, square] })
  })
  afterEach(() => test.close())

  const from = { id: 'test:ann', name: 'ann' }
  const place: Call['place'] = { group: { id: 'room' }, channel: 'room', nsfw: false, manager: false, roles: [] }
  const alone = { channel: 'ann', nsfw: false, manager: false, roles: [] }
  const inRoom = { surface: 'test', from, place }

  it('are the person’s, then the group’s, then the service’s', async () => {
    const { core } = test
    await saveSettings(core, { chat: chatOf(inRoom)! }, { aspect: '16:9', count: 2, private: true })
    await saveSettings(core, await personHolding(core, inRoom), { count: 3, private: false })
    const settings = await readSettings(core, inRoom)
    expect(settings.chosen).toEqual({ aspect: '16:9', count: 3, private: false })
    const names = ['aspect', 'count', 'private', 'language'] as const
    expect(names.map((name) => originOf(settings, name))).toEqual(['chat', 'person', 'person', 'service'])
    expect((await readSettings(core, { ...inRoom, place: alone })).chosen).toEqual({ count: 3, private: false })
    expect((await readSettings(core, { ...inRoom, surface: 'other' })).chosen).toEqual({ count: 3, private: false })
  })

  it('keep what a change does not name, and lose what goes back to its default', async () => {
    const { core } = test
    const ann = await personHolding(core, inRoom)
    await saveSettings(core, ann, { aspect: '16:9', language: 'zh' })
    expect(await saveSettings(core, ann, { aspect: null, original: true })).toEqual({ language: 'zh', original: true })
    expect((await readSettings(core, inRoom)).person).toEqual({ language: 'zh', original: true })
  })

  it('open no account when they are read', async () => {
    expect((await readSettings(test.core, inRoom)).chosen).toEqual({})
    expect(await test.core.database.rows(sql`select id from users`)).toEqual([])
  })
})
