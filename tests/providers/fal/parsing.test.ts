import { describe, expect, it } from 'vitest'
import { faultError, faultIn, isFinal } from '../../../src/providers/fal/errors.ts'
import { parseExactly } from '../../../src/providers/fal/responses.ts'
import { ticketFor } from '../../../src/providers/fal/ticket.ts'

describe('the ticket for a submission', () => {
  const requestId = '764cabcf-b745-4b3e-ae38-1200304cf45b'
  const documented = `/fal-ai/flux-pro/requests/${requestId}`
  const statusPath = (statusUrl: string | undefined, baseUrl = 'https://relay.example/v1') =>
    ticketFor({ requestId, statusUrl }, { endpoint: 'fal-ai/flux-pro/kontext/max/multi', baseUrl }).statusPath

  it.each([
    ["fal's host", `https://queue.fal.run/other/app/requests/${requestId}/status`],
    ["fal's second host", `https://queue.falrun.com/other/app/requests/${requestId}/status`],
    ['the relay', `https://relay.example/v1/other/app/requests/${requestId}/status`],
    ['the relay without its path', `https://relay.example/other/app/requests/${requestId}/status`],
  ])('keeps the path of an address at %s', (_, address) => {
    expect(statusPath(address)).toBe(`/other/app/requests/${requestId}/status`)
  })

  it.each([
    ['is missing', undefined],
    ['is at another host', `https://evil.example/other/app/requests/${requestId}/status`],
    ['is at a host with a similar name', `https://queue.notfal.run/other/app/requests/${requestId}/status`],
    ['names another request', 'https://queue.fal.run/other/app/requests/11111111/status'],
    ['has the path in its query', `https://queue.fal.run/admin?x=/requests/${requestId}/status`],
    ['climbs out of the path', `https://queue.fal.run/../../requests/${requestId}/status`],
    ['is no URL', 'status'],
  ])('uses the documented path when the address %s', (_, address) => {
    expect(statusPath(address)).toBe(`${documented}/status`)
  })

  it('builds documented paths of owner and app, after a namespace if there is one', () => {
    const paths = (endpoint: string) => ticketFor({ requestId }, { endpoint, baseUrl: 'https://queue.fal.run' })
    expect(paths('fal-ai/flux-1/dev/redux')).toEqual({
      requestId,
      statusPath: `/fal-ai/flux-1/requests/${requestId}/status`,
      resultPath: `/fal-ai/flux-1/requests/${requestId}`,
      cancelPath: `/fal-ai/flux-1/requests/${requestId}/cancel`,
    })
    expect(paths('workflows/owner/app/else').resultPath).toBe(`/workflows/owner/app/requests/${requestId}`)
  })
})

describe('an error of fal', () => {
  const errorOf = (status: number, body: unknown, headers: Record<string, string> = {}, key?: string) => {
    const fault = faultIn(body, { status, headers })
    if (!fault) throw new Error('expected a body that faultIn can parse')
    return { ...faultError(fault, { key, submitted: true }), final: isFinal(fault) }
  }
  const item = (type: string) => ({ loc: ['body', 'prompt'], msg: 'It is wrong', type, input: 'secret' })

  it('is parsed in each of its three forms', () => {
    expect(errorOf(422, { detail: [item('missing')] })).toMatchObject({
      kind: 'provider_refused',
      data: { reason: 'prompt: It is wrong' },
      final: true,
    })
    expect(errorOf(503, { detail: 'Runner is gone', error_type: 'runner_disconnected' })).toMatchObject({
      kind: 'provider_busy',
      final: true,
    })
    expect(errorOf(403, { detail: 'User is locked. Reason: Exhausted balance.' }).kind).toBe('provider_account')
    expect(faultIn({ hello: 1 }, { status: 500, headers: {} })).toBeUndefined()
    expect(faultIn(undefined, { status: 502, headers: {} })).toBeUndefined()
  })

  it('about content is moderated, also beside other errors', () => {
    expect(errorOf(422, { detail: [item('missing'), item('content_policy_violation')] }).kind).toBe('moderated')
  })

  it.each([
    [504, 'request_timeout', 'provider_timeout'],
    [500, 'generation_timeout', 'provider_timeout'],
    [499, 'client_cancelled', 'cancelled'],
    [500, 'runner_server_error', 'provider_failed'],
    [400, 'bad_request', 'provider_refused'],
  ])('with status %i and type %s is %s', (status, type, kind) => {
    expect(errorOf(status, { detail: 'x', error_type: type })).toMatchObject({ kind, final: true })
    expect(errorOf(status, { detail: 'x' }, { 'x-fal-error-type': type })).toMatchObject({ kind, final: true })
  })

  it.each(['x-fal-retryable', 'x-fal-needs-retry'])('is retried or not as the header %s says', (header) => {
    const body = { detail: 'It did not work' }
    expect(errorOf(500, body)).toMatchObject({ kind: 'provider_failed', final: false })
    expect(errorOf(500, body, { [header]: 'false' })).toMatchObject({ kind: 'provider_refused', final: true })
    expect(errorOf(400, body)).toMatchObject({ kind: 'provider_refused' })
    expect(errorOf(400, body, { [header]: 'true' })).toMatchObject({ kind: 'provider_failed' })
  })

  it('about a time limit that we set may have run', () => {
    const body = { detail: 'Request timed out', error_type: 'request_timeout' }
    expect(errorOf(504, body).neverRan).toBe(true)
    expect(errorOf(504, body, { 'x-fal-request-timeout-type': 'user' }).neverRan).toBe(false)
  })

  it('has a reason without keys and addresses', () => {
    const { data } = errorOf(400, { detail: 'Key abc:def at https://queue.fal.run/x?sig=1 is odd' }, {}, 'abc:def')
    expect(data.reason).not.toMatch(/abc:def|sig=/)
    expect(data.reason).toContain('is odd')
  })
})

describe('parseExactly', () => {
  it.each([
    ['{"seed":17454220438242315174}', { seed: '17454220438242315174' }],
    ['{"seed":9007199254740993}', { seed: '9007199254740993' }],
    ['{"seed":123,"x":-4.5e3}', { seed: 123, x: -4500 }],
    ['{"x":0.12345678901234567890}', { x: 0.12345678901234568 }],
    ['{"prompt":"\\"seed\\":17454220438242315174"}', { prompt: '"seed":17454220438242315174' }],
    ['{"a":"\\\\","seed":17454220438242315174}', { a: '\\', seed: '17454220438242315174' }],
    ['[17454220438242315174,"17454220438242315174"]', ['17454220438242315174', '17454220438242315174']],
  ])('parses %s', (text, expected) => {
    expect(parseExactly(text)).toEqual(expected)
  })

  it('parses a picture of many megabytes in less than two seconds', () => {
    const url = `data:image/png;base64,${'Ab1/'.repeat(6_000_000)}`
    const before = performance.now()
    expect(parseExactly(`{"images":[{"url":"${url}"}],"seed":17454220438242315174}`)).toMatchObject({
      seed: '17454220438242315174',
    })
    expect(performance.now() - before).toBeLessThan(2_000)
  })

  it.each(['', '{', '{"a":1', 'hello', '{"a":"'])('throws SyntaxError for %j', (text) => {
    expect(() => parseExactly(text)).toThrow(SyntaxError)
  })
})

describe('a refused key', () => {
  it.each([401, 402, 403])(
    'is not a final error of the request: status %i, with and without retry headers',
    (status) => {
      for (const headers of [{}, { 'x-fal-retryable': 'false' }, { 'x-fal-needs-retry': '1' }]) {
        const fault = faultIn({ detail: 'User is locked' }, { status, headers: headers as Record<string, string> })
        expect(fault && isFinal(fault)).toBe(false)
      }
    },
  )

  it('is not to be confused with a model that refuses with status 403', () => {
    const fault = faultIn({ detail: [{ type: 'feature_not_supported', msg: 'no' }] }, { status: 403, headers: {} })
    expect(fault && isFinal(fault)).toBe(true)
  })
})
