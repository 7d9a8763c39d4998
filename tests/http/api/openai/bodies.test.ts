import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { AppError, errorKinds } from '../../../../src/core/errors.ts'
import { answerTo, OpenAiError } from '../../../../src/http/api/openai/errors.ts'
import { responsesBody } from '../../../../src/http/api/openai/responses-api/schemas.ts'
import { chatBody, editsBody, generationsBody } from '../../../../src/http/api/openai/schemas.ts'
import { closeService, openService, type Service } from './service.ts'

let service: Service
/** Without credits, so that valid requests are refused as well. */
beforeAll(async () => {
  service = await openService({ limits: { welcome: 0 } })
})
afterAll(async () => {
  expect(await closeService(service)).toEqual([])
})

const post = async (path: string, payload: string | Buffer, type = 'application/json') =>
  service.app.inject({
    method: 'POST',
    url: `/v1${path}`,
    headers: { authorization: `Bearer ${service.key}`, 'content-type': type, prefer: 'respond-async' },
    payload,
  })

/** Each field gets a fourth of them in the usual run, and all in the long one. */
const oddValues = [null, true, -1, 1e308, 0.5, '', 'x', '\u0000', '\ud800', '𝕏', [], [null], [[[]]], {}, { a: 1 }, '９']
const fields: Record<string, readonly string[]> = {
  '/images/generations': [...Object.keys(generationsBody.shape), '__proto__', 'constructor'],
  '/images/edits': [...Object.keys(editsBody.shape), 'mask', '__proto__'],
  '/chat/completions': [...Object.keys(chatBody.shape), 'tools', '__proto__'],
  '/responses': [...Object.keys(responsesBody.shape), 'previous_response_id', 'prompt', 'background', 'n', '__proto__'],
}
const validBodies: Record<string, object> = {
  '/images/generations': { prompt: 'a cat' },
  '/images/edits': { prompt: 'a cat', image: 'data:image/png;base64,AAAA' },
  '/chat/completions': { messages: [{ role: 'user', content: 'a cat' }] },
  '/responses': { input: 'a cat' },
}

describe('the OpenAI routes', () => {
  it.each(Object.keys(fields))('respond with a 4xx error to odd values in any field, at %s', async (path) => {
    const failures: string[] = []
    for (const [at, field] of (fields[path] ?? []).entries()) {
      for (const value of oddValues.filter((_, index) => process.env.LONG || (index + at) % 4 === 0)) {
        const payload = `${JSON.stringify(validBodies[path]).slice(0, -1)},${JSON.stringify(field)}:${JSON.stringify(value)}}`
        const answer = await post(path, payload)
        const { error } = answer.json()
        const isComplete =
          typeof error?.message === 'string' && typeof error.type === 'string' && !/undefined/.test(error.message)
        if (answer.statusCode < 400 || answer.statusCode >= 500 || !isComplete)
          failures.push(`${payload} ${answer.body}`)
      }
    }
    expect(failures).toEqual([])
    expect(await service.generations()).toEqual([])
  })

  it.each<[string, string, string, number]>([
    ['truncated JSON', '{"prompt":', 'application/json', 400],
    ['empty', '', 'application/json', 400],
    ['a list', '[]', 'application/json', 400],
    ['a number', '7', 'application/json', 400],
    ['URL-encoded', 'prompt=a', 'application/x-www-form-urlencoded', 415],
    ['too large', `{"prompt":"${'x'.repeat(2 ** 21)}"}`, 'application/json', 413],
    ['nested too deeply', `{"prompt":${'['.repeat(50_000)}${']'.repeat(50_000)}}`, 'application/json', 400],
    ['a form', '--x--\r\n', 'multipart/form-data; boundary=x', 415],
    ['plain text', '{"prompt":"a cat"}', 'text/plain', 415],
  ])('refuse a body that is %s, in OpenAI’s format', async (_name, payload, type, status) => {
    const answer = await post('/images/generations', payload, type)
    expect(answer.statusCode).toBe(status)
    const { error } = answer.json()
    expect(error).toMatchObject({ message: expect.any(String), type: 'invalid_request_error' })
    expect(error.param).toBe(payload.includes('[[[') ? 'prompt' : null)
  })

  it.each([
    ['no boundary', 'x', 'multipart/form-data'],
    [
      'no closing boundary',
      '--x\r\ncontent-disposition: form-data; name="image"; filename="a.png"\r\n\r\nabc',
      undefined,
    ],
    ['a malformed part header', '--x\r\ngarbage\r\n\r\nabc\r\n--x--', undefined],
    [
      'a file field of another name',
      '--x\r\ncontent-disposition: form-data; name="data"; filename="a"\r\n\r\nabc\r\n--x--',
      undefined,
    ],
    [
      'a field named __proto__',
      '--x\r\ncontent-disposition: form-data; name="__proto__"\r\n\r\nabc\r\n--x--',
      undefined,
    ],
    ['too many fields', '--x\r\ncontent-disposition: form-data; name="a"\r\n\r\n1\r\n'.repeat(200), undefined],
  ])('refuse a form with %s', async (_name, payload, type = 'multipart/form-data; boundary=x') => {
    const answer = await post('/images/edits', payload, type)
    expect([400, 415]).toContain(answer.statusCode)
    expect(answer.json().error.type).toBe('invalid_request_error')
  })
})

describe('error responses', () => {
  const kinds = errorKinds.filter((kind) => kind !== 'internal')

  it.each(kinds)('for %s have a type, a message and a retry hint', (kind) => {
    const answer = answerTo(
      new AppError(kind, { name: 'n', value: 9, expected: '1–4', model: 'm', limit: 1, available: ['a'] }),
    )
    const { status = 0, headers, body } = answer ?? {}
    const types = ['invalid_request_error', 'authentication_error', 'permission_error', 'insufficient_quota']
    types.push('rate_limit_error', 'server_error', 'image_generation_user_error')
    expect(types).toContain(body?.error.type)
    expect(body?.error.code).toMatch(/^[a-z_]+$/)
    expect(status >= 500).toBe(body?.error.type === 'server_error')
    const retryableKinds = [
      'too_fast',
      'too_many_wrong_keys',
      'too_many_in_flight',
      'provider_busy',
      'overloaded',
      'idempotency_in_flight',
    ]
    const retryable = retryableKinds.includes(kind)
    if (status >= 500 || status === 429 || status === 409) expect(headers?.['x-should-retry']).toBe(String(retryable))
    expect(headers?.['retry-after'] !== undefined).toBe(retryable)
  })

  it('reveal nothing about defects', () => {
    expect(answerTo(new Error('secret'))).toBeUndefined()
    expect(answerTo(new AppError('internal'))).toBeUndefined()
    expect(answerTo(new OpenAiError('no'))?.status).toBe(400)
  })
})

it('the request schemas become JSON Schema with ids and descriptions', () => {
  for (const schema of [generationsBody, editsBody, chatBody, responsesBody]) {
    const { id = '' } = schema.meta() ?? {}
    const { $defs = {} } = z.toJSONSchema(schema, { target: 'draft-2020-12', io: 'input' })
    expect($defs[id]).toMatchObject({ type: 'object', description: expect.any(String) })
    expect($defs[id]).toHaveProperty('properties.model.description')
  }
})
