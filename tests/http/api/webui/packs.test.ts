import { readFile } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { keepCatalogue } from '../../../../src/models/packs/catalogue.ts'
import { sketch } from '../../../../src/models/sketch.ts'
import { createPlain } from '../../../helpers/core.ts'
import { openService, operatorKey, type Service } from './service.ts'

let service: Service
let stop = () => {}
let pack: Record<string, unknown>
beforeAll(async () => {
  const providers = ['sketch', 'fal'].map((name) => createPlain({ name }))
  service = await openService({ providers }, async (core, log) => {
    const { database, providers: known } = core
    const models = await keepCatalogue({ database, providers: known, models: [sketch], folders: [], log })
    stop = models.stop
    return { ...core, models, packs: models.packs }
  })
  const file = await readFile(new URL('../../../../models/z-image.json', import.meta.url), 'utf8')
  pack = { ...(JSON.parse(file) as object), id: 'my-model', aliases: ['mine'] }
})
afterAll(async () => {
  stop()
  expect(await service.close()).toEqual([])
})

const call = (what: string, body?: unknown) => service.call(what, { body, key: operatorKey })
const known = () => service.core.models.all().map(({ id }) => id)

describe('/api/config/packs', () => {
  it('stores a pack, whose model is there at once, lists and removes it', async () => {
    expect((await call('GET /api/config/packs')).body).toEqual({ success: true, packs: [] })
    expect(await call('POST /api/config/packs', pack)).toMatchObject({ status: 201, body: { id: 'my-model' } })
    expect(known()).toContain('my-model')
    // the same id again takes its place
    await call('POST /api/config/packs', { ...pack, title: 'Another title' })
    const { packs } = (await call('GET /api/config/packs')).body
    expect(packs).toEqual([{ id: 'my-model', pack: { ...pack, title: 'Another title' } }])
    expect((await call('DELETE /api/config/packs/my-model')).body).toEqual({ success: true, id: 'my-model' })
    expect(known()).not.toContain('my-model')
    expect(await call('DELETE /api/config/packs/my-model')).toMatchObject({ status: 404 })
  })

  it('lists every mistake in a pack, and stores nothing', async () => {
    const { status, body } = await call('POST /api/config/packs', { ...pack, price: 'much', routes: [{ endpoint: 3 }] })
    expect(status).toBe(400)
    const told = body.details.map(({ message }: { message: string }) => message).join('\n')
    expect(told).toContain('price')
    expect(told).toContain('routes[0].endpoint')
    expect(known()).not.toContain('my-model')
  })

  it('refuses the names of other models and packs', async () => {
    await call('POST /api/config/packs', pack)
    const taken = await call('POST /api/config/packs', { ...pack, id: 'other', aliases: ['sketch', 'mine'] })
    expect(taken.status).toBe(400)
    expect(taken.body.details.map(({ message }: { message: string }) => message)).toEqual([
      'the name "sketch" is taken by another model; choose another',
      'the name "mine" is taken by another model; choose another',
    ])
    await call('DELETE /api/config/packs/my-model')
  })

  it('stores one of several packs with the same name that arrive at once', async () => {
    const ids = Array.from({ length: 5 }, (_, n) => `twin-${n}`)
    const answers = await Promise.all(ids.map((id) => call('POST /api/config/packs', { ...pack, id })))
    expect(answers.map(({ status }) => status).toSorted()).toEqual([201, 400, 400, 400, 400])
    const { packs } = (await call('GET /api/config/packs')).body
    expect(packs).toHaveLength(1)
    await call(`DELETE /api/config/packs/${packs[0].id}`)
  })
})
