/** Who may press which button, for every action there is: a new one has to be added to the table. */
import { randomUUID } from 'node:crypto'
import { sql } from 'drizzle-orm'
import { afterEach, describe, expect, it } from 'vitest'
import type { ActionName } from '../../src/bots/action.ts'
import { allActions } from '../../src/bots/actions/index.ts'
import { accountOf } from '../../src/core/accounts/accounts.ts'
import { askToJoin, createLinkCode } from '../../src/core/accounts/link-codes.ts'
import type { Attachment, Call } from '../../src/core/ports/chat.ts'
import type { Act, Model, Route } from '../../src/core/ports/models.ts'
import type { Enhancer } from '../../src/core/ports/providers.ts'
import { keepPicture } from '../../src/core/results/picture-offers.ts'
import { sketch } from '../../src/models/sketch.ts'
import { upscale } from '../../src/models/upscale.ts'
import { quickest } from '../helpers/backends.ts'
import { createChat, createPlain, openTestCore, pngOf, type TestCore } from '../helpers/core.ts'
import { violations } from '../helpers/invariants.ts'

/** What the ref of a button leads to. */
type Ref = 'result' | 'waiting' | 'draft' | 'picture' | 'account' | 'page' | 'history' | 'model' | 'own' | 'joining'

/** The error that each person gets. Absent: none. */
interface Rule {
  ref: Ref
  asker?: string
  /** In the chat that shows it. */
  neighbour?: string
  /** In another chat. */
  stranger?: string
  /** An administrator of the service, in another chat. */
  admin?: string
}

const forOthers = (error: string) => ({ asker: error, neighbour: error, stranger: error })
const viewers: Rule = { ref: 'result', stranger: 'unknown_button' }
const askers: Rule = { ref: 'result', neighbour: 'not_yours', stranger: 'not_yours' }
const drafts: Rule = { ref: 'draft', neighbour: 'not_yours', stranger: 'not_yours', admin: 'not_yours' }
const settings: Rule = { ref: 'own' }
const pictures: Rule = { ref: 'picture', neighbour: 'not_yours', stranger: 'not_yours', admin: 'not_yours' }
/** There is no such announcement. */
const announcements: Rule = { ref: 'own', ...forOthers('admins_only'), admin: 'draft_over' }
/** The ref is not signed for the account. */
const forged = 'not_yours'

const nothing: Rule = {
  ref: 'own',
  asker: 'unknown_button',
  neighbour: 'unknown_button',
  stranger: 'unknown_button',
  admin: 'unknown_button',
}

const rules: Partial<Record<ActionName, Rule>> = {
  reroll: viewers,
  vary: viewers,
  edit: viewers,
  remix: viewers,
  upscale: viewers,
  zoomout: viewers,
  zoomoutless: viewers,
  panleft: viewers,
  panright: viewers,
  panup: viewers,
  pandown: viewers,
  describe: viewers,
  original: viewers,
  favourite: viewers,
  up: viewers,
  down: viewers,
  report: viewers,
  show: viewers,
  delete: askers,
  keep: askers,
  erase: askers,
  cancel: { ...askers, ref: 'waiting' },
  drop: { ...askers, ref: 'waiting' },
  useenhanced: drafts,
  useown: drafts,
  draw: drafts,
  editdraft: drafts,
  queue: { ...drafts, ref: 'account' },
  models: { ref: 'page' },
  prefer: { ref: 'model' },
  older: { ref: 'history' },
  newer: { ref: 'history' },
  setpictures: settings,
  setanswers: settings,
  groupsettings: { ref: 'own', ...forOthers('managers_only') },
  allowed: { ref: 'own', ...forOthers('managers_only') },
  allowedpage: { ref: 'page', ...forOthers('managers_only') },
  allow: { ref: 'model', ...forOthers('managers_only') },
  forbid: { ref: 'model', ...forOthers('managers_only') },
  allowall: { ref: 'own', ...forOthers('managers_only') },
  example: nothing,
  // no model here draws without words
  varyphoto: { ...pictures, asker: 'empty_prompt' },
  editphoto: pictures,
  enlargephoto: pictures,
  describephoto: pictures,
  useinput: {
    ref: 'own',
    asker: 'question_over',
    neighbour: 'question_over',
    stranger: 'question_over',
    admin: 'question_over',
  },
  editupload: settings,
  exportdata: settings,
  closeaccount: settings,
  closeforgood: { ref: 'own', asker: forged, neighbour: forged, stranger: forged, admin: forged },
  keepaccount: settings,
  getresult: askers,
  resend: askers,
  joinaccounts: { ...drafts, ref: 'joining' },
  // nothing is for sale on surfaces without payments
  buy: nothing,
  audience: announcements,
  broadcast: announcements,
  dropbroadcast: { ...announcements, admin: undefined },
  pause: announcements,
  resume: announcements,
  stop: announcements,
  mute: settings,
  unmute: settings,
}
const people = ['stranger', 'neighbour', 'asker', 'admin'] as const
type Who = (typeof people)[number]

const poet: Enhancer = {
  model: 'poet',
  enhance: async (prompt) => `a splendid ${prompt}`,
  describe: async () => 'a blue square',
  close: async () => undefined,
}
const wide: readonly Act[] = ['zoomout', 'zoomoutless', 'panleft', 'panright', 'panup', 'pandown']
const [drawing] = sketch.routes
const widening: Route = {
  ...drawing!,
  endpoint: 'wider',
  takes: { ...drawing!.takes, images: { min: 0, max: 0 }, continues: wide },
  input: () => ({}),
}
const wideSketch: Model = { ...sketch, routes: [...sketch.routes, widening] }
const pencil = { ...wideSketch, id: 'pencil', title: 'Pencil', aliases: [] }

const picturesFor = (input: unknown) =>
  Promise.all(
    (JSON.stringify(input).includes('two') ? ['red', 'blue'] : ['red']).map((colour) => pngOf(64, 64, colour)),
  )

it('the table has every action', () => {
  expect(Object.keys(rules).sort()).toEqual(allActions.map(({ name }) => name).sort())
})

describe.each(['discord', 'telegram', 'web'])('a button on %s', (surface) => {
  let test: TestCore
  afterEach(async () => {
    const underWay = sql`select id from generations where ended_at is null`
    await expect.poll(() => test.core.database.rows(underWay)).toEqual([])
    const wrong = await violations(test.core.database)
    await test.close()
    expect(wrong).toEqual([])
  })

  const groupOf = (id: string): Call['place'] => ({
    group: { id },
    channel: id,
    nsfw: false,
    manager: false,
    roles: [],
  })
  const callOf = (who: Who): Partial<Call> => ({
    from: { id: `${surface}:${who}`, name: who },
    place: groupOf(who === 'asker' || who === 'neighbour' ? 'here' : 'elsewhere'),
  })

  async function open() {
    const provider = createPlain({
      start: async ({ input }) =>
        JSON.stringify(input).includes('slow')
          ? { state: 'pending', ticket: { job: 1 }, waitMs: 60_000 }
          : { state: 'done', images: await picturesFor(input), seed: '7', ticket: { job: 1 } },
      continuations: () => wide.map((act) => ({ act, input: {} })),
      cancel: async () => undefined,
    })
    test = await openTestCore(quickest, {
      chat: createChat({ name: surface }),
      models: [wideSketch, pencil, upscale],
      providers: [provider, createPlain({ name: 'lanczos' })],
      enhancer: poet,
      admins: [`${surface}:admin`],
      limits: { welcome: 10_000, perMinute: 10_000, inFlight: 1_000 },
    })
    await test.work()
  }

  async function asked(text: string): Promise<string> {
    const call = await test.say(text, callOf('asker'))
    if (!text.includes('slow')) expect(await test.ended(call)).toBe('delivered')
    const [row] = await test.core.database.rows<{ id: string }>(sql`select id from generations where key = ${call.key}`)
    return row!.id
  }

  async function refOf(ref: Ref): Promise<string> {
    switch (ref) {
      case 'result':
        return asked('a cat')
      case 'waiting':
        return asked('a slow cat')
      case 'draft': {
        await test.say('/flux a cat --enhance=ask', callOf('asker'))
        const rows = await test.core.database.rows<{ id: string }>(sql`select id from drafts order by id desc limit 1`)
        return rows[0]!.id
      }
      case 'picture': {
        const picture: Attachment = { name: 'a.png', load: async () => pngOf(64, 64) }
        const key = `picture:${randomUUID()}`
        const from = { id: `${surface}:asker`, name: 'asker' }
        return (await keepPicture(test.core, { key, from }, picture)).id
      }
      case 'account':
        return accountOf(test.core, { id: `${surface}:asker`, name: 'asker' })
      case 'history':
        return `ax${'0'.repeat(32)}`
      case 'model':
        return pencil.id
      case 'page':
        return '1'
      case 'own':
        return 'own'
      case 'joining': {
        const from = { id: `${surface}:asker2`, name: 'asker2' }
        const code = await createLinkCode(test.core, { from, key: 'code' })
        const asking = { from: { id: `${surface}:asker`, name: 'asker' }, key: 'question' }
        return (await askToJoin(test.core, asking, code)).ref
      }
    }
  }

  async function errorFor(who: Who, action: string, ref: string): Promise<string | undefined> {
    const act = { kind: 'press', button: `1:${action}:${ref}` } as const
    const call = await test.say('', { ...callOf(who), act })
    const content = test.chat.last(call.address)?.content
    return content?.kind === 'refusal' ? content.error : undefined
  }

  it('is for the people in the table, and no other person is charged', async () => {
    await open()
    for (const { name } of allActions) {
      const rule = rules[name]!
      const ref = await refOf(rule.ref)
      // first those who are refused, because a press may end what the button is about
      for (const who of people) {
        expect([name, who, await errorFor(who, name, ref)]).toEqual([name, who, rule[who]])
      }
    }
    const strangers = await test.core.database.rows(sql`
      select g.id from generations g join identities i on i.user_id = g.user_id where i.id = ${`${surface}:stranger`}`)
    expect(strangers).toEqual([])
  })

  it('of one picture of a result is for the same people', async () => {
    await open()
    for (const name of ['vary', 'upscale', 'describe'] as const) {
      const ref = `${await asked('two cats --n 2')}-2`
      for (const who of people)
        expect([name, who, await errorFor(who, name, ref)]).toEqual([name, who, rules[name]?.[who]])
    }
    // the neighbour, the asker and the administrator
    const drawn = sql`select id from generations where parent_button = 'upscale'`
    expect(await test.core.database.rows(drawn)).toHaveLength(3)
  })

  it('of a private result does not exist for others', async () => {
    await open()
    const ref = await asked('a cat')
    await test.core.database.rows(sql`update generations set private = true`)
    for (const { name } of allActions.filter(({ name }) => rules[name]?.ref === 'result')) {
      for (const who of ['neighbour', 'stranger', 'admin'] as const) {
        expect([name, who, await errorFor(who, name, ref)]).toEqual([name, who, 'unknown_button'])
      }
    }
  })

  it('that changes the settings of a group is for people who manage it, and admins', async () => {
    await open()
    for (const name of ['setpictures', 'setanswers'] as const) {
      expect(await errorFor('neighbour', name, 'here')).toBe('managers_only')
      expect(await errorFor('asker', name, 'here')).toBe('managers_only')
      expect(await errorFor('admin', name, 'here')).toBeUndefined()
    }
  })
})
