import { describe, expect, it } from 'vitest'
import { ticketOf } from '../../src/providers/fal/addresses.ts'
import { faultError, faultIn, isFinal } from '../../src/providers/fal/errors.ts'
import { parseExactly } from '../../src/providers/fal/exact.ts'

describe('the addresses that fal hands out', () => {
  const requestId = '764cabcf-b745-4b3e-ae38-1200304cf45b'
  const ruled = `/fal-ai/flux-pro/requests/${requestId}`
  const statusAt = (statusUrl: string | undefined, baseUrl = 'https://relay.example/v1') =>
    ticketOf({ requestId, statusUrl }, { endpoint: 'fal-ai/flux-pro/kontext/max/multi', baseUrl }).statusPath

  it.each([
    ['of its own host', `https://queue.fal.run/other/app/requests/${requestId}/status`],
    ['of its second host', `https://queue.falrun.com/other/app/requests/${requestId}/status`],
    ['of the relay', `https://relay.example/v1/other/app/requests/${requestId}/status`],
    ['of the relay without its path', `https://relay.example/other/app/requests/${requestId}/status`],
  ])('%s are kept as paths', (_, address) => {
    expect(statusAt(address)).toBe(`/other/app/requests/${requestId}/status`)
  })

  it.each([
    ['absent', undefined],
    ['of a stranger', `https://evil.example/other/app/requests/${requestId}/status`],
    ['of a host that only sounds like it', `https://queue.notfal.run/other/app/requests/${requestId}/status`],
    ['about another request', 'https://queue.fal.run/other/app/requests/11111111/status'],
    ['of something else', `https://queue.fal.run/admin?x=/requests/${requestId}/status`],
    ['climbing', `https://queue.fal.run/../../requests/${requestId}/status`],
    ['without sense', 'status'],
  ])('%s give way to the rule', (_, address) => {
    expect(statusAt(address)).toBe(`${ruled}/status`)
  })

  it('follow the rule: owner and app, and a namespace before them', () => {
    const paths = (endpoint: string) => ticketOf({ requestId }, { endpoint, baseUrl: 'https://queue.fal.run' })
    expect(paths('fal-ai/flux-1/dev/redux')).toEqual({
      requestId,
      statusPath: `/fal-ai/flux-1/requests/${requestId}/status`,
      resultPath: `/fal-ai/flux-1/requests/${requestId}`,
      cancelPath: `/fal-ai/flux-1/requests/${requestId}/cancel`,
    })
    expect(paths('workflows/somebody/something/else').resultPath).toBe(
      `/workflows/somebody/something/requests/${requestId}`,
    )
  })
})

describe('the words of fal', () => {
  const read = (status: number, body: unknown, headers: Record<string, string> = {}, key?: string) => {
    const fault = faultIn(body, { status, headers })
    if (!fault) throw new Error('not understood')
    return { ...faultError(fault, { key, submitted: true }), final: isFinal(fault) }
  }
  const item = (type: string) => ({ loc: ['body', 'prompt'], msg: 'It is wrong', type, input: 'secret' })

  it('of the three shapes are all understood', () => {
    expect(read(422, { detail: [item('missing')] })).toMatchObject({
      kind: 'provider_refused',
      data: { reason: 'prompt: It is wrong' },
      final: true,
    })
    expect(read(503, { detail: 'Runner is gone', error_type: 'runner_disconnected' })).toMatchObject({
      kind: 'provider_busy',
      final: true,
    })
    expect(read(403, { detail: 'User is locked. Reason: Exhausted balance.' }).kind).toBe('provider_account')
    expect(faultIn({ hello: 1 }, { status: 500, headers: {} })).toBeUndefined()
    expect(faultIn(undefined, { status: 502, headers: {} })).toBeUndefined()
  })

  it('about content are a refusal of content, whatever the message', () => {
    expect(read(422, { detail: [item('missing'), item('content_policy_violation')] }).kind).toBe('moderated')
  })

  it.each([
    ['a time-out', 504, 'request_timeout', 'provider_timeout'],
    ['a time-out of the model', 500, 'generation_timeout', 'provider_timeout'],
    ['a cancellation', 499, 'client_cancelled', 'cancelled'],
    ['a runner that failed', 500, 'runner_server_error', 'provider_failed'],
    ['a bad request', 400, 'bad_request', 'provider_refused'],
  ])('about %s', (_, status, type, kind) => {
    expect(read(status, { detail: 'x', error_type: type })).toMatchObject({ kind, final: true })
    expect(read(status, { detail: 'x' }, { 'x-fal-error-type': type })).toMatchObject({ kind, final: true })
  })

  it.each(['x-fal-retryable', 'x-fal-needs-retry'])('in %s are heeded', (header) => {
    const body = { detail: 'It did not work' }
    expect(read(500, body)).toMatchObject({ kind: 'provider_failed', final: false })
    expect(read(500, body, { [header]: 'false' })).toMatchObject({ kind: 'provider_refused', final: true })
    expect(read(400, body)).toMatchObject({ kind: 'provider_refused' })
    expect(read(400, body, { [header]: 'true' })).toMatchObject({ kind: 'provider_failed' })
  })

  it('about a deadline of the caller forbid another try', () => {
    const body = { detail: 'Request timed out', error_type: 'request_timeout' }
    expect(read(504, body).neverRan).toBe(true)
    expect(read(504, body, { 'x-fal-request-timeout-type': 'user' }).neverRan).toBe(false)
  })

  it('are shown without keys and addresses', () => {
    const { data } = read(400, { detail: 'Key abc:def at https://queue.fal.run/x?sig=1 is odd' }, {}, 'abc:def')
    expect(data.reason).not.toMatch(/abc:def|sig=/)
    expect(data.reason).toContain('is odd')
  })
})

describe('JSON with large numbers', () => {
  it.each([
    ['{"seed":17454220438242315174}', { seed: '17454220438242315174' }],
    ['{"seed":9007199254740993}', { seed: '9007199254740993' }],
    ['{"seed":123,"x":-4.5e3}', { seed: 123, x: -4500 }],
    ['{"x":0.12345678901234567890}', { x: 0.12345678901234568 }],
    ['{"prompt":"\\"seed\\":17454220438242315174"}', { prompt: '"seed":17454220438242315174' }],
    ['{"a":"\\\\","seed":17454220438242315174}', { a: '\\', seed: '17454220438242315174' }],
    ['[17454220438242315174,"17454220438242315174"]', ['17454220438242315174', '17454220438242315174']],
  ])('%s', (text, expected) => {
    expect(parseExactly(text)).toEqual(expected)
  })

  it('may carry pictures of many megabytes', () => {
    const url = `data:image/png;base64,${'Ab1/'.repeat(6_000_000)}`
    const before = performance.now()
    expect(parseExactly(`{"images":[{"url":"${url}"}],"seed":17454220438242315174}`)).toMatchObject({
      seed: '17454220438242315174',
    })
    expect(performance.now() - before).toBeLessThan(2_000)
  })

  it.each(['', '{', '{"a":1', 'hello', '{"a":"'])('that is none throws: %j', (text) => {
    expect(() => parseExactly(text)).toThrow(SyntaxError)
  })
})

describe('a key that is refused', () => {
  it.each([401, 402, 403])('with %i at the result says nothing of the work, retryable or not', (status) => {
    for (const headers of [{}, { 'x-fal-retryable': 'false' }, { 'x-fal-needs-retry': '1' }]) {
      const fault = faultIn({ detail: 'User is locked' }, { status, headers: headers as Record<string, string> })
      expect(fault && isFinal(fault)).toBe(false)
    }
  })

  it('is not meant where the model itself refuses with 403', () => {
    const fault = faultIn({ detail: [{ type: 'feature_not_supported', msg: 'no' }] }, { status: 403, headers: {} })
    expect(fault && isFinal(fault)).toBe(true)
  })
})
