import sharp from 'sharp'
import { describe, expect, it } from 'vitest'
import type { ImageFile } from '../../../src/core/ports/images.ts'
import type { ImageProvider, Task } from '../../../src/core/ports/providers.ts'
import { failure } from '../../contracts/provider.ts'
import type { CloudflareOptions } from '../../emulators/cloudflare/index.ts'
import { picture, wrongPictures } from '../../emulators/pictures.ts'
import { type CloudflareSettings, cloudflareFixture, cloudflareTask } from '../../helpers/providers/cloudflare.ts'

const fixture = cloudflareFixture()
const { create } = fixture
const never = new AbortController().signal
const fox = () => cloudflareTask('cf-schnell', { prompt: 'a fox' })

async function open(options: CloudflareOptions = {}, settings: CloudflareSettings = {}) {
  const opened = await fixture.open(options, settings)
  return { ...opened, start: (task: Task) => start(opened.provider, task) }
}

/** Runs the task; returns size and format of its only picture. */
async function start(provider: ImageProvider, task: Task): Promise<string> {
  const progress = await provider.start(task, never)
  if (progress.state !== 'done') throw new Error(progress.state)
  expect(progress.images).toHaveLength(1)
  const { width, height, format } = await sharp(progress.images[0]).metadata()
  return `${width}x${height} ${format}`
}

async function input(width: number, height: number, type: 'png' | 'jpeg' | 'webp'): Promise<ImageFile> {
  return { data: await picture(width, height, type), type: `image/${type}`, width, height }
}

describe('a run of a Cloudflare model', () => {
  it('sends schnell only prompt and steps, with the key in the header', async () => {
    const { emulator, start } = await open()
    const task = { ...fox(), input: { prompt: 'a fox', steps: 2, seed: 7, width: 512 } }
    expect(await start(task)).toBe('1024x1024 jpeg')
    expect(emulator.requests).toHaveLength(1)
    const [{ headers, path, body }] = emulator.requests as [(typeof emulator.requests)[number]]
    expect(path).toBe(`/client/v4/accounts/${emulator.account}/ai/run/@cf/black-forest-labs/flux-1-schnell`)
    expect(headers.authorization).toBe(`Bearer ${emulator.token}`)
    expect(headers).not.toHaveProperty('cf-aig-authorization')
    expect(JSON.parse(body.toString())).toEqual({ prompt: 'a fox', steps: 2 })
  })

  it.each([
    [undefined, undefined, undefined],
    [6, undefined, 6],
    [6, 1, 1],
    [20, undefined, 8],
  ])('with %s configured and %s requested steps sends schnell %s', async (configured, requested, sent) => {
    const { emulator, start } = await open({}, { steps: configured })
    await start(cloudflareTask('cf-schnell', { prompt: 'a fox', steps: requested }))
    expect(emulator.inputs[0]?.input.steps).toBe(sent)
  })

  it('sends the configured steps to no other model', async () => {
    const { emulator, start } = await open({}, { steps: 6 })
    await start(cloudflareTask('cf-lucid', { prompt: 'a fox' }))
    await start(cloudflareTask('cf-flux-2-dev', { prompt: 'a fox' }))
    expect(emulator.inputs.map((each) => each.input)).toEqual([
      { prompt: 'a fox', width: 1024, height: 1024 },
      { prompt: 'a fox', width: 1024, height: 1024 },
    ])
  })

  it('sends FLUX.2 a form, also without pictures', async () => {
    const { emulator, start } = await open()
    const params = {
      prompt: 'a "fox"\r\nin snow 狐',
      width: 1344,
      height: 576,
      steps: 12,
      guidance: 3.5,
      seed: '4294967295',
    }
    expect(await start(cloudflareTask('cf-flux-2-dev', params))).toBe('1344x576 png')
    expect(emulator.requests[0]?.headers['content-type']).toMatch(/^multipart\/form-data; boundary=/)
    expect(emulator.inputs[0]?.input).toEqual({ ...params, seed: 4294967295 })
  })

  it('sends input pictures in order, shrunk to at most 512 pixels a side and never enlarged', async () => {
    const { emulator, start } = await open()
    const images = [await input(2048, 1024, 'jpeg'), await input(300, 200, 'webp'), await input(512, 1536, 'png')]
    expect(await start(cloudflareTask('cf-flux-2-klein', { prompt: 'all of them' }, images))).toBe('1024x1024 jpeg')
    const { prompt, width, height, ...files } = emulator.inputs[0]?.input ?? {}
    expect([prompt, width, height]).toEqual(['all of them', 1024, 1024])
    const sizes = await Promise.all(
      Object.entries(files).map(async ([name, bytes]) => {
        const { width, height, format } = await sharp(bytes as Buffer).metadata()
        return `${name} ${width}x${height} ${format}`
      }),
    )
    expect(sizes).toEqual(['input_image_0 512x256 png', 'input_image_1 300x200 png', 'input_image_2 171x512 png'])
  })

  it('sends nothing when an input picture cannot be read', async () => {
    const { emulator, provider } = await open()
    const broken = { ...(await input(600, 600, 'png')), data: await wrongPictures.text() }
    const task = cloudflareTask('cf-flux-2-klein', { prompt: 'at night' }, [broken])
    expect(await failure(provider.start(task, never))).toMatchObject({ kind: 'image_unreadable', neverRan: true })
    expect(emulator.requests).toHaveLength(0)
  })

  it.each(['', '/run'])('sends the key in two headers to a gateway at /workers-ai%s', async (end) => {
    const { emulator } = await open({ gatewayToken: 'cf-gateway-key-91', token: 'cf-gateway-key-91' })
    const provider = create({ baseUrl: emulator.gatewayUrl + end, key: emulator.token })
    expect(await start(provider, fox())).toBe('1024x1024 jpeg')
    expect(emulator.requests[0]?.path).toBe(
      `/v1/${emulator.account}/pictures/workers-ai${end}/@cf/black-forest-labs/flux-1-schnell`,
    )
  })
})

describe('the picture in a response', () => {
  it.each(['result', 'nested', 'data URL'] as const)('is found in the form %s', async (imageIn) => {
    const { start } = await open({ imageIn })
    expect(await start(fox())).toBe('1024x1024 jpeg')
  })

  it('is the body when a model returns bytes', async () => {
    const { start } = await open()
    expect(await start(cloudflareTask('cf-phoenix', { prompt: 'a fox', width: 768, height: 512 }))).toBe('768x512 jpeg')
  })

  it.each(['application/json', 'application/octet-stream', 'image/png'])(
    'is recognized by its first bytes when the type is %s',
    async (type) => {
      const { emulator, start } = await open()
      emulator.faults.add({ kind: 'replace', type, body: await picture(64, 32, 'webp') })
      expect(await start(fox())).toBe('64x32 webp')
    },
  )

  it.each(['svg', 'text', 'empty'] as const)('is a bad result when it is %s', async (kind) => {
    for (const model of ['cf-schnell', 'cf-phoenix']) {
      const { provider } = await open({ picture: wrongPictures[kind] })
      const error = await failure(provider.start(cloudflareTask(model, { prompt: 'a fox' }), never))
      expect(error).toMatchObject({ kind: 'bad_result', neverRan: false })
    }
  })
})
