/** Unknown paths and methods: each family responds to those below its prefix, in its own format. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openEverything, type Service } from './service.ts'

let service: Service
beforeAll(async () => {
  service = await openEverything()
})
afterAll(async () => {
  expect(await service.close()).toEqual([])
})

const text = expect.stringMatching(/\w/)
/** Code → the error in the format of each family. */
const shapes = {
  openai: (code: string) => ({ error: { message: text, type: 'invalid_request_error', param: null, code } }),
  flux: (code: string) => ({ success: false, error: { code, message: text }, detail: text }),
  comfyui: () => ({ error: text, details: [] }),
  webui: (code: string) => ({ success: false, error: text, code }),
}

const ask = (what: string, headers = {}) => {
  const [method = '', url = ''] = what.split(' ')
  const payload = method === 'POST' || method === 'PUT' ? { headers, payload: 'x' } : { headers }
  return service.app.inject({ method: method as 'GET', url, ...payload })
}

/** No key is needed, and pages of any origin may read the response. */
const common = { 'access-control-allow-origin': '*', 'x-request-id': expect.stringMatching(/^[0-9a-f-]{36}$/) }

describe('a path with another method', () => {
  it.each<[string, object, string]>([
    ['GET /v1/images/generations', shapes.openai('method_not_supported'), 'OPTIONS, POST'],
    ['HEAD /v1/images/generations', {}, 'OPTIONS, POST'],
    ['POST /v1/models/sketch', shapes.openai('method_not_supported'), 'GET, HEAD, OPTIONS'],
    ['PUT /v1/images/jobs/x', shapes.openai('method_not_supported'), 'DELETE, GET, HEAD, OPTIONS'],
    ['GET /api/v1/flux/text-to-image', shapes.flux('wrong_method'), 'OPTIONS, POST'],
    ['DELETE /api/v1/images/unified-history', shapes.flux('wrong_method'), 'GET, HEAD, OPTIONS'],
    ['PATCH /generate', shapes.comfyui(), 'OPTIONS, POST'],
    ['POST /status', shapes.comfyui(), 'GET, HEAD, OPTIONS'],
    ['DELETE /image/x', shapes.comfyui(), 'GET, HEAD, OPTIONS'],
    ['PUT /api/history', shapes.webui('wrong_method'), 'DELETE, GET, HEAD, OPTIONS'],
    ['GET /api/config/x', shapes.webui('wrong_method'), 'DELETE, OPTIONS, PUT'],
    ['GET /api/config/test/', shapes.webui('wrong_method'), 'OPTIONS, POST'],
    ['POST /health', shapes.webui('wrong_method'), 'GET, HEAD, OPTIONS'],
  ])('%s', async (what, body, allow) => {
    const answer = await ask(what, { 'content-type': 'text/strange' })
    expect(answer.statusCode).toBe(405)
    expect(answer.headers).toMatchObject({ ...common, allow })
    if (!what.startsWith('HEAD')) expect(answer.json()).toEqual(body)
  })

  it('names the allowed methods, in the language of the request', async () => {
    expect((await ask('PUT /api/history')).json().error).toBe('This path does not take PUT: use DELETE, GET.')
    expect((await ask('PUT /api/history', { 'accept-language': 'zh' })).json().error).toMatch(/\p{Script=Han}.*GET/u)
  })

  it('is not documented, and HEAD and OPTIONS still work', async () => {
    expect(Object.keys(service.document.paths['/generate'] ?? {})).toEqual(['post'])
    expect((await ask('HEAD /v1/models', { 'x-api-key': service.operatorKey })).statusCode).toBe(200)
    expect((await ask('OPTIONS /generate')).statusCode).toBe(204)
  })
})

describe('an unknown path', () => {
  it.each<[string, object]>([
    ['GET /v1/nothing', shapes.openai('unknown_url')],
    ['POST /api/v1/flux/nothing', shapes.flux('unknown_path')],
    ['GET /api/v1/nothing', shapes.flux('unknown_path')],
    ['GET /api/x', shapes.webui('unknown_path')],
    ['DELETE /api/history/x/y', shapes.webui('unknown_path')],
  ])('%s', async (what, body) => {
    const answer = await ask(what, { 'content-type': 'application/json' })
    expect([answer.statusCode, answer.json()]).toEqual([404, body])
    expect(answer.headers).toMatchObject(common)
    expect((await ask(what.replace(/^\w+/, 'OPTIONS'))).statusCode).toBe(204)
  })

  it('at the root belongs to no family', async () => {
    expect((await ask('GET /nothing')).json()).toEqual({ error: { kind: 'not_found', message: text } })
  })
})
