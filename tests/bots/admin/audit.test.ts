/** Each act of an administrator leaves one row in the audit log, which says what it was before and after, and holds no key. */
import { readFile } from 'node:fs/promises'
import { sql } from 'drizzle-orm'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { accountOf } from '../../../src/core/accounts/accounts.ts'
import { actOf, createApiKey, findKeyHolder } from '../../../src/core/accounts/api-keys.ts'
import { cancel } from '../../../src/core/generation/cancel.ts'
import type { Call } from '../../../src/core/ports/chat.ts'
import {
  addConfig,
  changeConfig,
  listConfigs,
  removeConfig,
  resealConfigs,
} from '../../../src/core/providers/configs.ts'
import { changeInstruction, readInstruction } from '../../../src/core/worker/enhance.ts'
import { createPackStore } from '../../../src/models/packs/stored.ts'
import { createPlain } from '../../helpers/core.ts'
import { openService, operatorKey, type Service } from '../../http/api/webui/service.ts'

const secrets = ['a-first-secret-key-aaaa', 'a-second-secret-key-bbbb', 'a-password', 'a-secret-path']
const [first = '', second = '', password = '', path = ''] = secrets

let service: Service
let pack: Record<string, unknown>
let rootKey: string

beforeAll(async () => {
  service = await openService(
    { admins: ['test:root'], providers: ['sketch', 'fal'].map((name) => createPlain({ name })) },
    async (core) => ({
      ...core,
      packs: createPackStore(core.database, { models: [], reload: async () => undefined }),
    }),
  )
  rootKey = await service.keyFor('root')
  const file = await readFile(new URL('../../../models/z-image.json', import.meta.url), 'utf8')
  pack = { ...(JSON.parse(file) as object), id: 'my-model', aliases: [] }
})
afterAll(async () => {
  expect(await service.close()).toEqual([])
})

const rows = <T extends object>(query: ReturnType<typeof sql>) => service.core.database.rows<T>(query)
const log = () =>
  rows<{ actor: string; action: string; target: string; before: unknown; after: unknown }>(sql`
  select actor, action, target, before, after from audit_log order by id`)
const say = (text: string, over: Partial<Call> & { who?: string } = {}) =>
  service.test.say(text, { who: 'root', isPrivate: true, ...over })
const press = (action: string, id: string, who = 'root') =>
  say('', { who, act: { kind: 'press', button: `1:${action}:${id}` } })
const api = (what: string, body?: unknown, key = operatorKey) => service.call(what, { body, key })
const personOf = (name: string) => accountOf(service.core, { id: `test:${name}`, name, handle: name })
const config = async () => (await listConfigs(service.core)).at(-1)?.id ?? ''

async function asked(who = 'bob'): Promise<string> {
  const { key } = await say('a cat', { who })
  const [row] = await rows<{ id: string }>(sql`select id from generations where key = ${key}`)
  return row!.id
}
async function drawn(): Promise<string> {
  const worker = await service.test.work()
  const call = await say('a cat', { who: 'bob' })
  await service.test.ended(call)
  await worker.stop(2_000)
  const [row] = await rows<{ id: string }>(sql`select id from generations where key = ${call.key}`)
  return row!.id
}
async function ended(): Promise<string> {
  const id = await asked()
  await press('cancel', id, 'bob')
  return id
}

interface Row {
  actor?: string
  action: string
  /** Absent: any. */
  target?: string
  before?: unknown
  after?: unknown
}

/** What leads to it, the act itself, and its row; from top to bottom, on one database. */
const acts: [name: string, prepare: () => Promise<string>, act: (target: string) => Promise<unknown>, row: Row][] = [
  [
    'a ban',
    () => personOf('bob'),
    () => say('/ban @bob spam'),
    { action: 'ban', before: null, after: { until: null, reason: 'spam' } },
  ],
  [
    'the end of a ban',
    () => personOf('bob'),
    () => say('/unban @bob'),
    { action: 'unban', before: { until: null, reason: 'spam' }, after: null },
  ],
  ['limits', () => personOf('bob'), () => say('/limits @bob in_flight 7'), { action: 'limits' }],
  ['credits', () => personOf('bob'), () => say('/credits give @bob 5'), { action: 'credits give' }],
  ['a code', async () => '', () => say('/credits code 5'), { action: 'code' }],
  ['a price', async () => 'sketch', () => say('/price sketch 2'), { action: 'price' }],
  ['a switched model', async () => 'sketch', () => say('/model sketch on'), { action: 'model', after: true }],
  [
    'a revoked key',
    () => personOf('bob'),
    async (userId) => {
      const { id } = await createApiKey(service.core, { userId, name: 'mine' })
      await say(`/apikey revoke ${id} --user @bob`)
    },
    { action: 'revoke', after: null },
  ],
  [
    'a cancelled request',
    asked,
    (id) => press('cancel', id),
    { action: 'cancel', before: { state: 'queued' }, after: { state: 'cancelled' } },
  ],
  [
    'a request that is cancelled in the queue',
    asked,
    (id) => press('drop', id),
    { action: 'cancel', before: { state: 'queued' }, after: { state: 'cancelled' } },
  ],
  [
    'a request that is cancelled with API_KEY',
    asked,
    async (id) => {
      const holder = await findKeyHolder(service.core, operatorKey, operatorKey)
      await cancel(service.core, null, id, holder && actOf(holder))
    },
    { actor: 'api:operator', action: 'cancel', before: { state: 'queued' }, after: { state: 'cancelled' } },
  ],
  [
    'a deleted request',
    ended,
    (id) => press('erase', id),
    { action: 'delete', before: { state: 'cancelled' }, after: null },
  ],
  [
    'a deleted result',
    drawn,
    (id) => press('erase', id),
    { action: 'delete', before: { state: 'delivered' }, after: null },
  ],
  ['a refund', drawn, (id) => say(`/refund ${id}`), { action: 'refund' }],
  [
    'a new configuration',
    async () => '',
    () =>
      api('POST /api/config', {
        provider: 'sketch',
        api_key: first,
        base_url: `https://u:${password}@one.example/${path}?key=${first}`,
        name: 'mine',
      }),
    {
      actor: 'api:operator',
      action: 'config add',
      before: null,
      after: expect.objectContaining({
        provider: 'sketch',
        name: 'mine',
        key: 'set',
        url: 'https://one.example',
        active: true,
      }),
    },
  ],
  [
    'a configuration with another key, by the key of an administrator',
    config,
    (id) => api(`PUT /api/config/${id}`, { api_key: second }, rootKey),
    {
      action: 'config change',
      before: expect.objectContaining({ key: 'set' }),
      after: expect.objectContaining({ key: 'set anew', url: 'https://one.example' }),
    },
  ],
  [
    'a configuration with another path and limit',
    config,
    (id) => api(`PUT /api/config/${id}`, { base_url: `https://one.example/other-${path}`, max_concurrent: 3 }, rootKey),
    {
      action: 'config change',
      before: expect.objectContaining({ maxConcurrent: null }),
      after: expect.objectContaining({ maxConcurrent: 3, key: 'set', urlChanged: true }),
    },
  ],
  [
    'a removed configuration',
    config,
    (id) => api(`DELETE /api/config/${id}`),
    {
      actor: 'api:operator',
      action: 'config remove',
      before: expect.objectContaining({ name: 'mine', key: 'set' }),
      after: null,
    },
  ],
  [
    'a configuration that is added in the terminal',
    async () => '',
    () => addConfig({ ...service.core, actor: 'cli' }, 'fal', { key: first }),
    { actor: 'cli', action: 'config add' },
  ],
  [
    'one that is changed there',
    config,
    (id) => changeConfig({ ...service.core, actor: 'cli' }, id, { enabled: false }),
    {
      actor: 'cli',
      action: 'config change',
      before: expect.objectContaining({ enabled: true }),
      after: expect.objectContaining({ enabled: false }),
    },
  ],
  [
    'one whose key is sealed anew after a change of SECRET_KEY',
    async () => {
      const other = Buffer.from('an earlier secret key, 32 letters')
      return addConfig({ ...service.core, secretKey: other, actor: 'cli' }, 'fal', { key: first })
    },
    async () => {
      const earlier = Buffer.from('an earlier secret key, 32 letters')
      const again = () => resealConfigs({ ...service.core, actor: 'cli' }, earlier)
      // the second finds nothing that the earlier key opens
      expect([await again(), await again()]).toEqual([1, 0])
    },
    {
      actor: 'cli',
      action: 'config reseal',
      before: { sealedWith: expect.stringMatching(/^[0-9a-f]{8}$/) },
      after: { sealedWith: expect.stringMatching(/^[0-9a-f]{8}$/) },
    },
  ],
  [
    'an instruction for the enhancer',
    async () => 'enhancer:instruction',
    () => changeInstruction(service.core.database, { instruction: 'Make it shine.', actor: 'cli' }),
    { actor: 'cli', action: 'instruction', before: null, after: 'Make it shine.' },
  ],
  [
    'another instruction',
    async () => 'enhancer:instruction',
    () => changeInstruction(service.core.database, { instruction: 'Make it rain.', actor: 'cli' }),
    { actor: 'cli', action: 'instruction', before: 'Make it shine.', after: 'Make it rain.' },
  ],
  [
    'the built-in instruction',
    async () => 'enhancer:instruction',
    async () => {
      expect(await readInstruction(service.core.database)).toBe('Make it rain.')
      await changeInstruction(service.core.database, { actor: 'cli' })
      expect(await readInstruction(service.core.database)).toBeUndefined()
    },
    { actor: 'cli', action: 'instruction', before: 'Make it rain.', after: null },
  ],
  [
    'one that is removed there',
    config,
    (id) => removeConfig({ ...service.core, actor: 'cli' }, id),
    { actor: 'cli', action: 'config remove', after: null },
  ],
  [
    'a new pack',
    async () => 'my-model',
    () => api('POST /api/config/packs', pack),
    { actor: 'api:operator', action: 'pack add', before: null, after: expect.objectContaining({ providers: ['fal'] }) },
  ],
  [
    'a changed pack',
    async () => 'my-model',
    () => api('POST /api/config/packs', { ...pack, title: 'New' }, rootKey),
    {
      action: 'pack change',
      before: expect.objectContaining({ title: expect.not.stringMatching('New') }),
      after: expect.objectContaining({ title: 'New' }),
    },
  ],
  [
    'a removed pack',
    async () => 'my-model',
    () => api('DELETE /api/config/packs/my-model'),
    { actor: 'api:operator', action: 'pack remove', before: expect.objectContaining({ title: 'New' }), after: null },
  ],
]

describe('the audit log has one row for', () => {
  it.each(acts)('%s', async (_name, prepare, act, { actor = 'test:root', ...row }) => {
    const target = await prepare()
    const before = await log()
    await act(target)
    const added = (await log()).slice(before.length)
    expect(added).toHaveLength(1)
    expect(added[0]).toMatchObject({ actor, ...(target && { target }), ...row })
    for (const secret of [...secrets, operatorKey, rootKey]) expect(JSON.stringify(added)).not.toContain(secret)
  })
})

describe('the audit log has no row for', () => {
  it.each<[string, () => Promise<unknown>]>([
    ['a request that its own person cancels', async () => press('cancel', await asked(), 'bob')],
    ['one that its own person deletes', async () => press('erase', await ended(), 'bob')],
    ['a request of an administrator that they cancel themselves', async () => press('cancel', await asked('root'))],
    ['a request that has ended', async () => press('cancel', await ended())],
    ['a configuration that does not exist', () => api('DELETE /api/config/0199ffff-ffff-7fff-bfff-ffffffffffff')],
    ['a pack that does not exist', () => api('DELETE /api/config/packs/none')],
    [
      'a key that the given SECRET_KEY does not open',
      () => resealConfigs({ ...service.core, actor: 'cli' }, Buffer.from('x')),
    ],
    ['the built-in instruction where it is in use', () => changeInstruction(service.core.database, { actor: 'cli' })],
    ['a refused configuration', () => api('POST /api/config', { provider: 'sketch', base_url: 'ftp://x' })],
  ])('%s', async (_name, act) => {
    const before = await log()
    await act()
    expect(await log()).toEqual(before)
  })

  it('a press that is handled again', async () => {
    const id = await ended()
    const call = await press('erase', id)
    const before = await log()
    await say('', { ...call, who: 'root' })
    expect(await log()).toEqual(before)
  })
})
