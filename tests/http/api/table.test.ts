/** One table: how each family responds to the same requests, in its own format and as documented. */
import { sql } from 'drizzle-orm'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { fluxPro } from '../../../src/models/kontext.ts'
import { sketch } from '../../../src/models/sketch.ts'
import { createPlain } from '../../helpers/core.ts'
import { openEverything, type Service } from './service.ts'

let service: Service
beforeAll(async () => {
  const providers = ['sketch', 'fal'].map((name) => createPlain({ name }))
  service = await openEverything({ providers, models: [sketch, fluxPro], limits: { perMinute: 1_000, inFlight: 2 } })
})
afterAll(async () => {
  expect(await service.close()).toEqual([])
})

interface Sent {
  key?: string
  body?: object
  headers?: Record<string, string>
}

/** Checks every response against the document. */
async function ask(what: string, { key, body, headers }: Sent = {}) {
  const [method = '', url = ''] = what.split(' ')
  const shown = { ...headers, ...(key !== undefined && { authorization: `Bearer ${key}` }) }
  const answer = await service.app.inject({ method: method as 'GET', url, headers: shown, payload: body })
  const operation = service.contract.find(method, url)
  if (!operation) throw new Error(`${what} is not in the document`)
  const { statusCode: status, payload } = answer
  expect(service.contract.problems(operation, { status, headers: answer.headers, body: payload }), payload).toEqual([])
  expect(answer.headers['access-control-allow-origin']).toBe('*')
  return { status, headers: answer.headers, body: payload === '' ? undefined : answer.json() }
}

const families = {
  OpenAI: { draw: 'POST /v1/images/generations', look: 'GET /v1/images/jobs/x' },
  Flux: { draw: 'POST /api/v1/flux/text-to-image', look: 'GET /api/v1/flux/task/x' },
  ComfyUI: { draw: 'POST /generate', look: 'GET /image/x' },
  'Web UI': { draw: 'POST /api/generate', look: 'GET /api/history/x' },
} as const

type Name = keyof typeof families
const names = Object.keys(families) as Name[]

/** Code of an error. Errors of the ComfyUI family have a message only. */
function codeOf(name: Name, body: { error: { code: string }; code: string; details?: unknown }): string | undefined {
  if (name === 'ComfyUI') return Array.isArray(body.details) ? undefined : 'no details'
  return name === 'Web UI' ? body.code : body.error.code
}

const cat = { prompt: 'a cat' }
const async = { prefer: 'respond-async' }
const draw = (name: Name, key: string, { body = cat, headers }: Sent = {}) =>
  ask(families[name].draw, { key, body, headers: { ...async, ...headers } })

/** Name → sends requests and resolves to the last response. */
const requests = {
  'accepted for later': async (name: Name) => draw(name, await service.keyWith(5)),
  'without a key': (name: Name) => ask(families[name].draw, { body: cat }),
  'with a wrong key': (name: Name) => draw(name, 'fb_wrong'),
  'by a key for another model': async (name: Name) =>
    draw(name, await service.keyWith(5, ['sketch']), { body: { ...cat, model: 'flux-pro' } }),
  'by a banned account': async (name: Name) => {
    const key = await service.keyWith(5)
    const its = sql`select user_id from api_keys order by id desc limit 1`
    await service.test.core.database.rows(sql`update users set banned = true where id in (${its})`)
    return draw(name, key)
  },
  'by an empty account': async (name: Name) => draw(name, await service.keyWith(0)),
  'for an unknown model': async (name: Name) =>
    draw(name, await service.keyWith(5), { body: { ...cat, model: 'nothing' } }),
  'without a prompt': async (name: Name) => draw(name, await service.keyWith(5), { body: { prompt: ' ' } }),
  'with a prompt of another type': async (name: Name) => draw(name, await service.keyWith(5), { body: { prompt: 7 } }),
  'above the limit of concurrent ones': async (name: Name) => {
    const key = await service.keyWith(5)
    for (let at = 0; at < 2; at++) await draw(name, key)
    return draw(name, key)
  },
  'with the idempotency key of a different one': async (name: Name) => {
    const key = await service.keyWith(5)
    const headers = { 'idempotency-key': 'one' }
    await draw(name, key, { headers })
    return draw(name, key, { headers, body: { prompt: 'a dog' } })
  },
  'for an unknown task': async (name: Name) => ask(families[name].look, { key: await service.keyWith(0) }),
}

type Row = Record<Name, readonly [status: number, code?: string]>

/** A row for families that use the same code. */
const alike = (status: number, code: string, openai: readonly [number, string] = [status, code]): Row => ({
  OpenAI: openai,
  Flux: [status, code],
  ComfyUI: [status],
  'Web UI': [status, code],
})

const table: Record<keyof typeof requests, Row> = {
  'accepted for later': { OpenAI: [202], Flux: [200], ComfyUI: [202], 'Web UI': [202] },
  'without a key': alike(401, 'key_missing', [401, 'invalid_api_key']),
  'with a wrong key': alike(401, 'key_wrong', [401, 'invalid_api_key']),
  // OpenAI's API does not reveal that the model exists
  'by a key for another model': alike(403, 'model_not_allowed', [404, 'model_not_found']),
  'by a banned account': alike(403, 'banned', [403, 'account_deactivated']),
  'by an empty account': alike(402, 'no_credits', [429, 'insufficient_quota']),
  'for an unknown model': alike(400, 'unknown_model', [404, 'model_not_found']),
  'without a prompt': alike(400, 'empty_prompt', [400, 'missing_required_parameter']),
  'with a prompt of another type': alike(400, 'bad_request', [400, 'invalid_type']),
  'above the limit of concurrent ones': alike(429, 'too_many_in_flight', [429, 'rate_limit_exceeded']),
  'with the idempotency key of a different one': alike(422, 'idempotency_reused', [422, 'idempotency_key_reused']),
  'for an unknown task': alike(404, 'unknown_request', [404, 'job_not_found']),
}

describe.each(names)('%s', (name) => {
  it.each(Object.keys(table) as (keyof typeof table)[])('a request %s', async (what) => {
    const { status, headers, body } = await requests[what](name)
    const [expected, code] = table[what][name]
    expect(status, JSON.stringify(body)).toBe(expected)
    if (status >= 400) expect(codeOf(name, body), JSON.stringify(body)).toBe(code)
    if (status === 401) expect(headers['www-authenticate']).toBe('Bearer')
    if (what === 'above the limit of concurrent ones') expect(Number(headers['retry-after'])).toBeGreaterThan(0)
    if (status === 202) expect(headers.location).toMatch(/^\//)
  })

  it('requires a key on every route that is not open', async () => {
    const own = service.contract.operations.filter(({ tags, security }) => tags?.includes(name) && !security)
    expect(own.length).toBeGreaterThan(2)
    for (const { method, path } of own) {
      expect((await ask(`${method} ${path.replace(/\{\w+\}/g, 'x')}`)).status, path).toBe(401)
    }
  })

  it('answers every GET route that requires only a key', async () => {
    const routes = service.contract.operations.filter(
      ({ tags, method, path }) => tags?.includes(name) && method === 'GET' && !path.includes('{'),
    )
    expect(routes.length).toBeGreaterThan(1)
    for (const { path } of routes) {
      expect((await ask(`GET ${path}`, { key: service.operatorKey })).status, path).toBe(200)
    }
  })
})

it.each([
  'GET /api/config',
  'POST /api/config',
  'POST /api/config/test',
  'PUT /api/config/x',
  'DELETE /api/config/x',
  'GET /api/config/packs',
  'POST /api/config/packs',
  'DELETE /api/config/packs/x',
])('%s is for administrators', async (what) => {
  const { status, body } = await ask(what, { key: await service.keyWith(1) })
  expect([status, body.code]).toEqual([403, 'admins_only'])
})

it('finishes every accepted request', async () => {
  await service.test.work()
  const under = sql`select id from generations where ended_at is null`
  await expect.poll(() => service.test.core.database.rows(under)).toEqual([])
})
