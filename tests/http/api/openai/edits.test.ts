import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type OpenAI from 'openai'
import { toFile } from 'openai'
import { afterEach, describe, expect, it } from 'vitest'
import { accountOf } from '../../../../src/core/accounts/accounts.ts'
import { createApiKey } from '../../../../src/core/accounts/api-keys.ts'
import { storeUploads } from '../../../../src/core/media/uploads.ts'
import type { ImageFile } from '../../../../src/core/ports/images.ts'
import { createFetcher } from '../../../../src/http/api/fetcher.ts'
import { createPlain, pngOf, type TestCoreOptions } from '../../../helpers/core.ts'
import { closeService, createSeveral, openService, type Service } from './service.ts'

let service: Service
afterEach(async () => {
  expect(await closeService(service)).toEqual([])
})

async function open(options: TestCoreOptions = {}): Promise<OpenAI> {
  service = await openService(options)
  await service.test.work()
  return service.client()
}

describe('an image edit', () => {
  const recordInputs = () => {
    const images: (readonly ImageFile[])[] = []
    const provider = createPlain({
      start: async (task) => {
        images.push(task.images)
        return { state: 'done', images: [await pngOf(64, 64)] }
      },
    })
    return { provider, images }
  }

  it('accepts one file or several', async () => {
    const { provider, images } = recordInputs()
    const client = await open({ providers: [provider] })
    const file = async (edge: number) => toFile(await pngOf(edge, edge), `${edge}.png`, { type: 'image/png' })
    const one = await client.images.edit({ prompt: 'make it night', image: await file(30), n: 1 })
    await client.images.edit({ prompt: 'both', image: [await file(30), await file(40)], size: '1024x1024' })
    expect(one.data?.[0]?.b64_json).toMatch(/^iVBORw0KGgo/)
    expect(images.map((each) => each.map(({ width }) => width))).toEqual([[30], [30, 40]])
  })

  it('accepts numbered file fields, and image URLs in each of their JSON forms', async () => {
    const { provider, images } = recordInputs()
    await open({ providers: [provider] })
    const png = await pngOf(30, 30)
    const data = `data:image/png;base64,${png.toString('base64')}`
    const headers = { authorization: `Bearer ${service.key}` }
    const post = (body: FormData | object) => {
      const form = body instanceof FormData
      const all: Record<string, string> = form ? headers : { ...headers, 'content-type': 'application/json' }
      const init = { method: 'POST', headers: all, body: form ? body : JSON.stringify(body) }
      return fetch(`${service.url}/v1/images/edits`, init).then((answer) => answer.status)
    }
    const numbered = new FormData()
    numbered.set('prompt', 'night')
    numbered.set('image[0]', new Blob([new Uint8Array(png)]), 'a.png')
    numbered.set('image[1]', new Blob([new Uint8Array(png)]), 'b.png')
    const bodies = [
      numbered,
      { prompt: 'night', images: [{ image_url: data }, { image_url: { url: data } }] },
      { prompt: 'night', image: data },
      { prompt: 'night', image: [{ url: data }] },
    ]
    const statuses: number[] = []
    for (const body of bodies) statuses.push(await post(body))
    expect(statuses).toEqual([200, 200, 200, 200])
    expect(images.map((each) => each.length)).toEqual([2, 2, 1, 1])
  })

  it('refuses masks that do not fit, missing images, files that are not images, and private addresses', async () => {
    const client = await open()
    const image = await toFile(await pngOf(30, 30), 'a.png', { type: 'image/png' })
    const text = await toFile(Buffer.from('hello'), 'a.png', { type: 'image/png' })
    const loopback = { images: [{ image_url: 'https://127.0.0.1/a.png' }] } as unknown as { image: typeof image }
    const plainHttp = { images: [{ image_url: `${service.url}/healthz` }] } as unknown as { image: typeof image }
    const asking = [
      client.images.edit({ prompt: 'night', image, mask: await toFile(await pngOf(9, 9), 'a.png') }),
      client.images.edit({ prompt: 'night', image: [] }),
      client.images.edit({ prompt: 'night', image: text }),
      client.post('/images/edits', { body: { prompt: 'night', ...loopback } }),
      client.post('/images/edits', { body: { prompt: 'night', ...plainHttp } }),
    ]
    const errors = await Promise.all(asking.map((each) => Promise.resolve(each).catch((error: unknown) => error)))
    expect(errors.map((error) => (error as { param?: string }).param)).toEqual([
      'mask',
      'image',
      'image',
      'image',
      'image',
    ])
    expect(errors.map((error) => (error as { status?: number }).status)).toEqual([400, 400, 400, 400, 400])
    const large = await toFile(Buffer.alloc(11 * 1024 * 1024), 'a.png', { type: 'image/png' })
    for (const each of [text, large]) {
      const refused = { status: 400, code: 'invalid_image', param: 'image' }
      await expect(client.images.edit({ prompt: 'night', image: each })).rejects.toMatchObject(refused)
    }
    expect(await service.generations()).toEqual([])
  })

  it('accepts uploads and results of its own account by key and by link, and none of other accounts', async () => {
    const { provider, images } = recordInputs()
    const client = await open({ providers: [provider] })
    const { core } = service.test
    const ann = { userId: await accountOf(core, { id: 'test:ann', name: 'ann' }), keyId: null }
    const bob = await accountOf(core, { id: 'test:bob', name: 'bob' })
    const stranger = service.client({ apiKey: (await createApiKey(core, { userId: bob, name: 'mine' })).key })
    const [upload] = await storeUploads(core, ann, [await pngOf(40, 40)])
    const drawn = await client.images.generate({ prompt: 'a cat', model: 'sketch' })
    const key = upload?.key ?? ''
    // no server runs at the address of these links, so they must be read from the store
    const links = [await core.store.link(key, 600), drawn.data?.[0]?.url ?? '']
    const addresses = [key, ...links, ...links.map((link) => `${link.split('?')[0]}?expires=1&signature=x`)]
    images.length = 0
    const requestsWith = (sender: OpenAI, url: string) => [
      () => sender.post('/images/edits', { body: { prompt: 'night', image: url } }),
      () =>
        sender.chat.completions.create({
          model: 'sketch',
          messages: [
            {
              role: 'user',
              content: [
                { type: 'image_url', image_url: { url } },
                { type: 'text', text: 'night' },
              ],
            },
          ],
        }),
    ]
    for (const send of addresses.flatMap((address) => requestsWith(client, address))) await send()
    expect(images.flat().map(({ width }) => width)).toEqual([40, 40, 40, 40, 64, 64, 40, 40, 64, 64])
    for (const address of addresses) {
      const status = address === key ? 404 : 400
      for (const send of requestsWith(stranger, address))
        await expect(send()).rejects.toMatchObject({ status, param: 'image' })
    }
  })

  it('streams each image', async () => {
    const { provider } = createSeveral()
    const client = await open({ providers: [provider] })
    const image = await toFile(await pngOf(20, 20), 'a.png', { type: 'image/png' })
    const events: OpenAI.ImageEditStreamEvent[] = []
    for await (const event of await client.images.edit({ prompt: 'night', image, stream: true, n: 2 }))
      events.push(event)
    expect(events.map(({ type }) => type)).toEqual(['image_edit.completed', 'image_edit.completed'])
  })

  it('closes the connection to an image that does not arrive in time', async () => {
    const closed: Promise<unknown>[] = []
    const pictures = createServer((_request, response) => closed.push(once(response, 'close')))
    await once(pictures.listen(0, '127.0.0.1'), 'listening')
    const publicUrl = `http://127.0.0.1:${(pictures.address() as AddressInfo).port}`
    service = await openService({ publicUrl, limits: { fetchMs: 300 } })
    const image = [1, 2, 3].map((at) => `${publicUrl}/${at}.png`)
    await expect(service.client().post('/images/edits', { body: { prompt: 'night', image } })).rejects.toMatchObject({
      status: 400,
      param: 'image',
    })
    expect(closed).toHaveLength(1)
    await Promise.all(closed)
    await new Promise((resolve) => pictures.close(resolve))
  })

  it('fetches links to its own public URL even at a private address', async () => {
    await open()
    const fetcher = createFetcher({ publicUrl: service.url })
    expect((await fetcher.attachment(`${service.url}/healthz`).load(100)).toString()).toContain('ok')
    await expect(fetcher.attachment(`${service.url}/healthz`).load(5)).rejects.toMatchObject({ kind: 'image_too_big' })
    await expect(fetcher.attachment('http://localhost/healthz').load(100)).rejects.toMatchObject({
      kind: 'image_unreachable',
    })
    await fetcher.close()
  })
})
