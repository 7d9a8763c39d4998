/** What each family answers about a request whose pictures were deleted because of their age. */
import { sql } from 'drizzle-orm'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { deleteDue } from '../../../src/core/media/deletions.ts'
import { createRetention } from '../../../src/core/media/retention.ts'
import { openEverything, type Service } from './service.ts'

let service: Service
let key: string
let id: string

beforeAll(async () => {
  service = await openEverything({ limits: { pictureDays: 30 } })
  await service.test.work()
  key = await service.keyWith(10)
  const drawn = await ask('POST /v1/images/generations', { prompt: 'a cat', size: '64x64' })
  expect(drawn.statusCode).toBe(200)
  const { core } = service.test
  id = (await core.database.rows<{ id: string }>(sql`select id from generations`))[0]?.id ?? ''
  await core.database.rows(sql`update images set created_at = now() - interval '31 days'`)
  await createRetention(core).expire()
  await deleteDue(core)
})
afterAll(async () => {
  const wrong = await service.close()
  // the one rule that retention breaks on purpose
  expect(wrong.filter((line) => !line.startsWith('I10 a delivered request has its pictures'))).toEqual([])
})

/** Checks every response against the document. */
async function ask(what: string, payload?: object) {
  const [method = '', path = ''] = what.split(' ')
  const url = path.replace('{id}', id)
  const headers = { authorization: `Bearer ${key}`, ...(payload && { 'idempotency-key': 'one' }) }
  const answer = await service.app.inject({ method: method as 'GET', url, headers, payload })
  const operation = service.contract.find(method, url)
  if (!operation) throw new Error(`${what} is not in the document`)
  const response = { status: answer.statusCode, headers: answer.headers, body: answer.payload }
  expect([what, service.contract.problems(operation, response)]).toEqual([what, []])
  return answer
}

describe('pictures that have expired', () => {
  it.each(['GET /v1/images/jobs/{id}', 'GET /image/{id}'])('are the reason why %s has none', async (what) => {
    const { statusCode, payload } = await ask(what)
    expect(statusCode).toBe(410)
    expect(payload).toContain('These pictures were deleted because of their age.')
  })

  it('are the reason in the answer to a repeated request', async () => {
    const { statusCode, payload } = await ask('POST /v1/images/generations', { prompt: 'a cat', size: '64x64' })
    expect(statusCode).toBe(410)
    expect(payload).toContain('These pictures were deleted because of their age.')
  })

  it.each([
    'GET /api/v1/flux/task/{id}',
    'GET /api/v1/flux/history',
    'GET /api/v1/images/unified-history',
    'GET /api/v1/flux/unified-history',
    'GET /api/history',
    'GET /api/history/{id}',
  ])('are left out of %s', async (what) => {
    const { statusCode, payload } = await ask(what)
    expect(statusCode).toBe(200)
    expect(payload).toContain('a cat')
    expect(payload).not.toContain('signature=')
  })
})
