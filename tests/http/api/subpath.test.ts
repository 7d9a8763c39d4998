/** The service below a path of its public address, behind a proxy that removes the path and behind one that does not. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ownPaths } from '../../../src/setting-values.ts'
import { isInBucket } from '../../helpers/store.ts'
import { openEverything, type Service } from './service.ts'

const publicUrl = 'https://pictures.example.org/flux'
let service: Service
let key: string
beforeAll(async () => {
  service = await openEverything({ publicUrl, limits: { inFlight: 20 } })
  await service.test.work()
  key = await service.keyWith(100)
})
afterAll(async () => {
  expect(await service.close()).toEqual([])
})

type Answer = Awaited<ReturnType<Service['app']['inject']>>

describe.each(['', '/flux'])('requests that arrive with the path %j', (prefix) => {
  const ask = (path: string, body?: object, headers: Record<string, string> = {}): Promise<Answer> =>
    service.app.inject({
      method: body ? 'POST' : 'GET',
      url: prefix + path,
      headers: { authorization: `Bearer ${key}`, ...headers },
      payload: body,
    })
  const local = (address: unknown) => String(address).replace(/^(https:\/\/pictures\.example\.org)?\/flux/, '')

  it.each([
    ['/v1/images/generations', { prompt: 'a cat', size: '64x64' }],
    ['/api/generate', { prompt: 'a cat', aspect: '1:1' }],
    ['/generate', { prompt: 'a cat', width: 64, height: 64 }],
    ['/api/v1/flux/text-to-image', { prompt: 'a cat' }],
    ['/api/flux/text-to-image', { prompt: 'a cat' }],
  ])('to %s get a location below it', async (path, body) => {
    const answer = await ask(path, body, { prefer: 'respond-async' })
    expect([200, 202]).toContain(answer.statusCode)
    expect(answer.headers.location).toMatch(/^\/flux\/(v1|api|image)\//)
    expect((await ask(local(answer.headers.location))).statusCode).not.toBe(404)
  })

  it.skipIf(isInBucket)('get links to pictures below it, which work', async () => {
    const { data } = (await ask('/v1/images/generations', { prompt: 'a cat', size: '64x64' })).json()
    expect(data[0].url).toMatch(/^https:\/\/pictures\.example\.org\/flux\/image\//)
    expect((await ask(local(data[0].url))).headers['content-type']).toBe('image/png')
    const again = await ask('/v1/images/edits', { prompt: 'at night', images: [{ image_url: data[0].url }] })
    expect(again.statusCode).toBe(200)
  })

  it('get the address of the job in the stream', async () => {
    const answer = await ask('/v1/images/generations', { prompt: 'a cat', size: '64x64', stream: true })
    expect(answer.headers['content-location']).toMatch(/^\/flux\/v1\/images\/jobs\//)
  })

  it('get the page, its files, the documentation and the description', async () => {
    const html = (await ask('/', undefined, { accept: 'text/html' })).body
    const files = [...html.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, file]) => file)
    expect(files.length).toBeGreaterThan(3)
    for (const file of files) {
      expect(file).toMatch(/^\/flux\/web\/assets\//)
      expect((await ask(local(file))).statusCode).toBe(200)
    }
    const described = (await ask('/', undefined, { accept: 'application/json' })).json()
    expect(described).toMatchObject({ docs: `${publicUrl}/docs`, openapi: '/flux/openapi.json' })
    const docs = await ask('/docs')
    const page = docs.statusCode === 302 ? await ask(local(docs.headers.location)) : docs
    const parts = [...page.body.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, file]) => file)
    expect(parts.length).toBeGreaterThan(3)
    for (const part of parts) {
      const { pathname } = new URL(part ?? '', `${publicUrl}/docs/`)
      expect(pathname).toMatch(/^\/flux\/docs\//)
      expect((await ask(local(pathname))).statusCode).toBe(200)
    }
    expect((await ask('/openapi.json')).json()).toMatchObject({ servers: [{ url: publicUrl }] })
  })
})

it('the path itself is the page, and a longer name is not below it', async () => {
  const headers = { accept: 'text/html' }
  expect((await service.app.inject({ url: '/flux', headers })).body).toContain('<!doctype html>')
  expect((await service.app.inject({ url: '/fluxbot/v1/models', headers })).statusCode).toBe(404)
})

it('a path of the public address cannot be one of the routes', () => {
  const first = service.routes.map((route) => route.split('/')[1] ?? '').filter((name) => !/^[:*]?$/.test(name))
  expect([...new Set(first)].filter((name) => !ownPaths.includes(name))).toEqual([])
})
