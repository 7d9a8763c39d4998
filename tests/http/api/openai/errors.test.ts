import OpenAI from 'openai'
import { afterEach, describe, expect, it } from 'vitest'
import { AppError } from '../../../../src/core/errors.ts'
import { createPlain, type TestCoreOptions } from '../../../helpers/core.ts'
import { closeService, openService, operatorKey, type Service } from './service.ts'

let service: Service
afterEach(async () => {
  expect(await closeService(service)).toEqual([])
})

async function open(options: TestCoreOptions = {}): Promise<OpenAI> {
  service = await openService(options)
  await service.test.work()
  return service.client()
}

describe('errors', () => {
  it('a wrong or missing key is an authentication error', async () => {
    await open()
    const wrong = await service
      .client({ apiKey: 'fb_wrong' })
      .models.list()
      .catch((error: unknown) => error)
    expect(wrong).toBeInstanceOf(OpenAI.AuthenticationError)
    expect(wrong).toMatchObject({ code: 'invalid_api_key', requestID: expect.stringMatching(/^[0-9a-f-]{36}$/) })
    const none = await fetch(`${service.url}/v1/images/generations`, { method: 'POST', body: '{' })
    expect(none.status).toBe(401)
  })

  it('an invalid value names the parameter', async () => {
    const client = await open()
    const bodies: [object, string][] = [
      [{}, 'prompt'],
      [{ prompt: '' }, 'prompt'],
      [{ prompt: 'a cat', n: 0 }, 'n'],
      [{ prompt: 'a cat', n: 5 }, 'n'],
      [{ prompt: 'a cat', n: '2' }, 'n'],
      [{ prompt: 'a cat', steps: 900 }, 'steps'],
      [{ prompt: 'a cat', seed: 1.5 }, 'seed'],
      [{ prompt: 'a cat', response_format: 'png' }, 'response_format'],
      [{ prompt: 'a cat', enhance: true }, 'enhance'],
      [{ prompt: 'x'.repeat(5_000) }, 'prompt'],
      [{ prompt: 'a cat', negative_prompt: 'x'.repeat(5_000) }, 'negative_prompt'],
    ]
    for (const [body, param] of bodies) {
      const error = await client.post('/images/generations', { body }).catch((thrown: unknown) => thrown)
      expect(error).toBeInstanceOf(OpenAI.BadRequestError)
      expect(error).toMatchObject({ type: 'invalid_request_error', param })
    }
    expect(await service.generations()).toEqual([])
  })

  it('a lack of credits is not retried by the client', async () => {
    const client = await open({ limits: { welcome: 0 } })
    const error = await client.images.generate({ prompt: 'a cat' }).catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(OpenAI.RateLimitError)
    expect(error).toMatchObject({ status: 429, code: 'insufficient_quota', type: 'insufficient_quota' })
    expect(service.requests).toEqual(['POST /v1/images/generations 429'])
  })

  it('the rate limit says when to retry, and every response says how many requests are left', async () => {
    await open({ limits: { perMinute: 2 } })
    const client = service.client({ maxRetries: 0 })
    const left: (string | null)[] = []
    for (let each = 0; each < 2; each++) {
      const { response } = await client.images.generate({ prompt: 'a cat' }).withResponse()
      left.push(response.headers.get('x-ratelimit-remaining-requests'))
    }
    expect(left).toEqual(['1', '0'])
    const error = await client.images.generate({ prompt: 'a cat' }).catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(OpenAI.RateLimitError)
    const { headers, code } = error as InstanceType<typeof OpenAI.RateLimitError>
    expect(code).toBe('rate_limit_exceeded')
    expect(Number(headers.get('retry-after'))).toBeGreaterThan(0)
    expect(headers.get('x-ratelimit-limit-requests')).toBe('2')
  })

  it('the rate limit of the operator’s key is higher', async () => {
    await open({ limits: { perMinute: 1 } })
    const client = service.client({ apiKey: operatorKey })
    await client.images.generate({ prompt: 'a cat' })
    const { response } = await client.images.generate({ prompt: 'a cat' }).withResponse()
    expect(response.headers.get('x-ratelimit-limit-requests')).toBe('6000')
    expect(Number(response.headers.get('x-ratelimit-remaining-requests'))).toBeGreaterThan(5_900)
  })

  it('a failed request is neither retried by the client nor charged', async () => {
    const provider = createPlain({
      repeatable: false,
      start: async () => {
        throw new AppError('provider_refused', { reason: 'no' })
      },
    })
    const client = await open({ providers: [provider] })
    const error = await client.images.generate({ prompt: 'a cat' }).catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(OpenAI.InternalServerError)
    expect(error).toMatchObject({ type: 'server_error', code: 'provider_refused' })
    expect(service.requests).toEqual(['POST /v1/images/generations 502'])
    expect(await service.balance()).toBe(20)
  })
})
