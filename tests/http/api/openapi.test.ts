import { readdirSync, readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Operation, type Schema, walk } from './contract.ts'
import { openEverything, type Service } from './service.ts'

let service: Service
beforeAll(async () => {
  service = await openEverything()
})
afterAll(async () => {
  expect(await service.close()).toEqual([])
})

const named = ({ method, path }: Operation) => `${method} ${path}`

/** Routes that are not for programs. */
const undocumented = /^\/(web|hooks|docs|exports)\/|^\/docs$|^\/openapi\.json$/

describe('a slash at the end of a path', () => {
  it.each([
    ['/v1/models', 'application/json'],
    ['/v1/models/sketch', 'application/json'],
    ['/api/v1/flux/models', 'application/json'],
    ['/api/history', 'application/json'],
    ['/queue', 'application/json'],
    ['/healthz', 'application/json'],
    ['/docs', 'text/html'],
    ['/web/assets/app.css', 'text/css'],
  ])('makes no difference to %s', async (path, type) => {
    const headers = { authorization: `Bearer ${service.operatorKey}` }
    const responses = [path, `${path}/`].map((url) => service.app.inject({ url, headers }))
    const [without, slashed] = await Promise.all(responses)
    expect([without?.statusCode, slashed?.statusCode]).toEqual([200, 200])
    expect(slashed?.headers['content-type']).toContain(type)
  })

  it('does not affect the root and the files of pages', async () => {
    for (const url of ['/docs/static/index.css', '/web/assets/app.css']) {
      expect((await service.app.inject(url)).statusCode).toBe(200)
    }
    const page = await service.app.inject({ url: '/', headers: { accept: 'text/html' } })
    expect([page.statusCode, page.headers['content-type']]).toEqual([200, 'text/html; charset=utf-8'])
    expect((await service.app.inject('/')).json()).toMatchObject({ service: 'fluxbot' })
  })
})

describe('the document', () => {
  it('describes every route for programs, and no other', () => {
    const served = service.routes.filter((route) => /^(GET|POST|PUT|PATCH|DELETE) /.test(route))
    const documented = served.filter((route) => !undocumented.test(route.split(' ')[1] ?? ''))
    const written = documented.map((route) => route.replace(/\/:(\w+)/g, '/{$1}').replace('/*', '/{model}'))
    expect(service.contract.operations.map(named).sort()).toEqual([...new Set(written)].sort())
  })

  it('is OpenAPI 3.1 with the address, the version and the ways to authenticate', () => {
    const { openapi, info, servers, components } = service.document
    const { version } = JSON.parse(readFileSync('package.json', 'utf8'))
    expect(openapi).toBe('3.1.0')
    expect(info).toMatchObject({ title: 'fluxbot', version, description: expect.stringContaining('Idempotency-Key') })
    expect(servers).toEqual([{ url: service.publicUrl }])
    expect(components.securitySchemes).toMatchObject({
      bearer: { type: 'http', scheme: 'bearer' },
      key: { type: 'apiKey', in: 'header', name: 'x-api-key' },
    })
  })

  it('has a unique id, a summary and a tag for each operation', () => {
    const { operations } = service.contract
    const names = operations.map(({ operationId }) => operationId)
    expect(new Set(names).size).toBe(names.length)
    expect(names.filter((name) => !/^[a-z]\w+$/.test(name))).toEqual([])
    expect(operations.filter(({ summary = '' }) => !/^\p{Lu}.+\.$/u.test(summary)).map(named)).toEqual([])
    const declared = service.document.tags.map(({ name }) => name)
    expect(operations.filter(({ tags }) => tags?.length !== 1 || !declared.includes(tags[0] ?? '')).map(named)).toEqual(
      [],
    )
    expect(service.document.tags.filter(({ description }) => !description)).toEqual([])
  })

  it('declares the parameters of each path, and no others', () => {
    for (const each of service.contract.operations) {
      const inPath = [...each.path.matchAll(/\{(.+?)\}/g)].map(([, name]) => name)
      const declared = (each.parameters ?? []).filter((parameter) => parameter.in === 'path')
      expect(declared.map(({ name }) => name).sort(), named(each)).toEqual(inPath.sort())
      expect(declared.every(({ required }) => required)).toBe(true)
      const all = (each.parameters ?? []).map((parameter) => `${parameter.in} ${parameter.name}`)
      expect(new Set(all).size).toBe(all.length)
      const wrong = each.parameters?.filter(({ in: where }) => !['query', 'path', 'header'].includes(where))
      expect(wrong ?? []).toEqual([])
    }
  })

  it('describes success and error responses of every operation', () => {
    for (const each of service.contract.operations) {
      const { responses, security } = each
      const statuses = Object.keys(responses)
      expect(statuses.filter((status) => !/^([1-5]\d\d|[1-5]XX)$/.test(status))).toEqual([])
      expect(
        statuses.some((status) => /^2/.test(status)),
        named(each),
      ).toBe(true)
      if (security === undefined) expect(statuses, named(each)).toEqual(expect.arrayContaining(['4XX', '5XX']))
      for (const { description, headers, content } of Object.values(responses)) {
        expect(description, named(each)).toBeTruthy()
        expect(headers).toHaveProperty('x-request-id')
        if (content?.['text/event-stream']) expect(headers).toHaveProperty('content-location')
        for (const media of Object.values(content ?? {})) expect(media.schema, named(each)).toBeTruthy()
      }
    }
  })

  it('requires a key for exactly the operations that need one', async () => {
    for (const { method, path, security } of service.contract.operations) {
      const answer = await service.app.inject({
        method: method as 'GET',
        url: path.replace(/\{\w+\}/g, 'x'),
        ...(method !== 'GET' && method !== 'DELETE' && { payload: {} }),
      })
      expect(answer.statusCode === 401, `${method} ${path} ${answer.statusCode}`).toBe(security?.length !== 0)
    }
  })

  it('has valid schemas, and no broken references', () => {
    expect(service.contract.compileAll()).toBeGreaterThan(30)
    const lost: string[] = []
    walk(service.document, [], ({ $ref }: Schema) => {
      const at = $ref?.replace('#/', '').split('/') ?? []
      const found = at.reduce<unknown>(
        (value, step) => (value as Record<string, unknown> | undefined)?.[step],
        service.document,
      )
      if (found === undefined) lost.push(String($ref))
    })
    expect(lost).toEqual([])
    const used = JSON.stringify(service.document)
    const names = Object.keys(service.document.components.schemas)
    expect(names.filter((name) => !used.includes(`"#/components/schemas/${name}"`))).toEqual([])
    expect(names.filter((name) => !/^[A-Z]\w+$/.test(name))).toEqual([])
  })

  it('has no two schemas with the same name', () => {
    const files = readdirSync('src/http', { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ts'))
    const ids = files.flatMap((name) =>
      [...readFileSync(`src/http/${name}`, 'utf8').matchAll(/\.meta\(\{\s*id: '(\w+)'/g)].map(([, id]) => id),
    )
    expect(ids.filter((id, at) => ids.indexOf(id) !== at)).toEqual([])
    expect(ids.length).toBeGreaterThan(10)
  })

  it('shows fields as clients send them, before they are transformed', () => {
    const { CreateImageRequest, CreateImageEditForm } = service.document.components.schemas
    expect(CreateImageRequest?.required).toEqual(['prompt'])
    expect(CreateImageRequest?.properties?.n).toMatchObject({
      anyOf: [{ type: 'integer', maximum: 10 }, { type: 'null' }],
    })
    expect(CreateImageEditForm?.properties?.image).toMatchObject({ items: { type: 'string', format: 'binary' } })
    const { content } = service.document.paths['/v1/images/edits']?.post?.requestBody ?? {}
    expect(Object.keys(content ?? {})).toEqual(['multipart/form-data', 'application/json'])
  })

  it('is readable for pages of any origin, and can be cached', async () => {
    const first = await service.app.inject({ url: '/openapi.json', headers: { origin: 'https://pages.example' } })
    expect(first.headers).toMatchObject({
      'access-control-allow-origin': '*',
      'content-type': 'application/json; charset=utf-8',
      'cache-control': 'public, max-age=300',
    })
    const headers = { 'if-none-match': String(first.headers.etag) }
    const again = await service.app.inject({ url: '/openapi.json', headers })
    expect([again.statusCode, again.body]).toEqual([304, ''])
    expect((await service.app.inject({ method: 'OPTIONS', url: '/openapi.json' })).statusCode).toBe(204)
  })
})

describe('the page', () => {
  it.each(['/docs', '/docs/', '/docs/static/swagger-initializer.js', '/docs/json'])(
    '%s may run only its own scripts',
    async (url) => {
      const { statusCode, headers } = await service.app.inject(url)
      expect(statusCode).toBe(200)
      const policy = String(headers['content-security-policy'])
      expect(policy).toContain("default-src 'none'; script-src 'self'; style-src 'self';")
      expect(policy).toContain(`connect-src 'self' ${service.publicUrl};`)
      expect(policy).not.toMatch(/unsafe|https:|\*/)
      expect(headers).toMatchObject({ 'x-content-type-options': 'nosniff', 'x-frame-options': 'DENY' })
    },
  )

  it('serves no other files', async () => {
    for (const name of ['..%2f..%2fpackage.json', '%2e%2e/package.json', '..\\package.json', '../../../package.json']) {
      const { statusCode, body } = await service.app.inject(`/docs/static/${name}`)
      expect([400, 403, 404], name).toContain(statusCode)
      expect(body).not.toMatch(/"dependencies"|node_modules/)
    }
  })
})

describe('GET /', () => {
  const get = (accept?: string, method: 'GET' | 'HEAD' = 'GET') =>
    service.app.inject({ method, url: '/', headers: { ...(accept !== undefined && { accept }) } })

  it.each([undefined, '*/*', 'application/json', 'text/plain', 'application/json, text/html;q=0.5'])(
    'with accept: %s describes the service',
    async (accept) => {
      const { headers, statusCode, ...answer } = await get(accept)
      expect(answer.json()).toEqual({
        service: 'fluxbot',
        version: expect.stringMatching(/^\d+\.\d+\.\d+/),
        status: 'running',
        docs: `${service.publicUrl}/docs`,
        openapi: '/openapi.json',
      })
      expect(headers.vary).toBe('accept')
      const operation = service.contract.find('GET', '/')
      expect(
        operation && service.contract.problems(operation, { status: statusCode, headers, body: answer.body }),
      ).toEqual([])
      const head = await get(accept, 'HEAD')
      expect([head.statusCode, head.body, head.headers['content-type']]).toEqual([200, '', headers['content-type']])
    },
  )

  it('serves the playground to browsers', async () => {
    const accept = 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8'
    for (const method of ['GET', 'HEAD'] as const) {
      const { headers } = await get(accept, method)
      expect(headers).toMatchObject({ 'content-type': 'text/html; charset=utf-8', vary: 'accept' })
    }
  })
})

describe('examples', () => {
  it('exist for every JSON body, and succeed when they are sent unchanged', async () => {
    const admin = { authorization: `Bearer ${service.operatorKey}` }
    await service.test.work()
    const missing: string[] = []
    const answers: Record<string, number> = {}
    for (const operation of service.contract.operations) {
      const content = operation.requestBody?.content?.['application/json'] as { example?: object } | undefined
      if (!content) continue
      const { example } = content
      if (example === undefined) missing.push(named(operation))
      if (operation.method !== 'POST') continue
      const url = operation.path
      const { statusCode } = await service.app.inject({
        method: 'POST',
        url,
        payload: example,
        headers: admin,
      })
      answers[url] = statusCode
    }
    expect(missing).toEqual([])
    const { '/api/config': stored, ...others } = answers
    // this test has no fal provider
    expect(stored).toBe(400)
    expect(Object.entries(others).filter(([, status]) => status >= 300)).toEqual([])
    expect(Object.keys(others).length).toBeGreaterThan(7)
    await expect
      .poll(async () => (await service.app.inject({ url: '/api/status', headers: admin })).json().queue)
      .toEqual({ sketch: 0 })
  })
})
