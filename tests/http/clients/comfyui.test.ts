/** The examples of the document "FLUX.1 DEV API": a client on the same machine, without a key, in front of ComfyUI. */
import { request as httpRequest } from 'node:http'
import sharp from 'sharp'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createPlain } from '../../helpers/core.ts'
import { openService, type Service } from '../api/comfyui/service.ts'

let service: Service

beforeAll(async () => {
  const limits = { perMinute: 10_000, welcome: 1, inFlight: 20 }
  service = await openService({ others: [createPlain()], limits, anonymousApi: ['comfyui'] })
  await service.test.work()
})
afterAll(async () => {
  expect(await service.close()).toEqual([])
})

const get = (path: string) => service.call(path, { key: null })
const generate = (body: object) => service.generate(body, { key: null })

describe('a client without a key', () => {
  it('reads the status, the models and the queue', async () => {
    const body = {
      status: 'running',
      comfyui_status: true,
      version: expect.any(String),
      supported_models: expect.arrayContaining(['FLUX.1-dev', 'comfy-dev']),
      max_resolution: { width: 2048, height: 2048 },
      max_steps: 50,
    }
    // ComfyUI counts as away when it answers too late
    await expect.poll(() => get('/status')).toMatchObject({ status: 200, body })
    const models = { unet: expect.any(Array), vae: ['ae.safetensors'], clip: expect.any(Array) }
    expect(await get('/models')).toMatchObject({ status: 200, body: { models } })
    expect(await get('/queue')).toMatchObject({ status: 200, body: { queue_running: [], queue_pending: [] } })
  })

  it('draws the documented request, and downloads the picture by the id of its task', async () => {
    const asked = {
      prompt: 'a majestic dragon flying over a medieval castle, fantasy art, detailed',
      width: 1024,
      height: 1024,
      steps: 20,
      guidance_scale: 3.5,
    }
    const { status, body } = await generate(asked)
    expect(status).toBe(200)
    expect(body).toMatchObject({
      task_id: expect.stringMatching(/^[0-9a-f-]{36}$/),
      status: 'completed',
      image_url: expect.stringContaining(`/image/${body.task_id}`),
      parameters: { ...asked, seed: expect.any(Number) },
      generation_time: expect.any(Number),
    })
    const picture = await get(`/image/${body.task_id}`)
    expect([picture.status, picture.headers.get('content-type')]).toEqual([200, 'image/png'])
    expect(await sharp(picture.bytes).metadata()).toMatchObject({ format: 'png', width: 1024, height: 1024 })
  })

  it('draws with the documented model, and gets the picture in the answer', async () => {
    const { status, body } = await generate({
      prompt: 'a cat',
      model: 'FLUX.1-dev',
      width: 64,
      height: 64,
      return_base64: true,
    })
    expect([status, body.parameters.model]).toEqual([200, 'comfy-dev'])
    expect(await sharp(Buffer.from(body.image_base64, 'base64')).metadata()).toMatchObject({ format: 'png', width: 64 })
  })

  it('gets a prompt that is too long cut, and the response says so', async () => {
    const prompt = 'a cat and a dog in the rain, '.repeat(300)
    const { status, body } = await generate({ prompt, width: 64, height: 64 })
    expect([status, body.prompt_truncated]).toEqual([200, true])
    expect(body.parameters.prompt.length).toBeLessThanOrEqual(4000)
    expect(body.parameters.prompt.length).toBeGreaterThan(3900)
    expect(prompt.startsWith(`${body.parameters.prompt} `)).toBe(true)
    const short = await generate({ prompt: 'a cat', width: 64, height: 64 })
    expect(short.body).not.toHaveProperty('prompt_truncated')
  })

  it('sees the documented defaults in the parameters', async () => {
    const { body } = await generate({ prompt: 'a beautiful landscape' })
    expect(body.parameters).toMatchObject({ width: 1024, height: 1024, steps: 20, guidance_scale: 3.5 })
    expect(body.parameters.seed).toBeGreaterThanOrEqual(0)
    // a distilled model takes no guidance, and has a number of steps of its own
    const { parameters } = (await generate({ prompt: 'a cat', model: 'comfy-schnell', width: 64, height: 64 })).body
    expect(parameters).toMatchObject({ steps: null, guidance_scale: null })
  })

  it('draws for as long as it likes, because the machine is the operator’s own', async () => {
    for (let n = 0; n < 3; n++) {
      expect((await generate({ prompt: 'a cat', width: 64, height: 64, steps: 1, seed: -1 })).status).toBe(200)
    }
  })

  it('gets errors in the documented form', async () => {
    const { status, body } = await generate({ prompt: 'a cat', steps: 51, width: 10 })
    expect([status, body.error, body.details.length]).toEqual([400, expect.any(String), 2])
    const missing = await get('/image/550e8400-e29b-41d4-a716-446655440000')
    expect([missing.status, missing.body.error]).toEqual([404, expect.any(String)])
  })

  it('does not see what others asked for', async () => {
    const { body } = await service.generate({ prompt: 'mine', model: 'sketch' })
    expect((await get(`/image/${body.task_id}`)).status).toBe(404)
  })
})

describe('what is not anonymous', () => {
  it('a page from elsewhere that a browser on this machine shows', async () => {
    const evil = await service.call('/status', { key: null, headers: { origin: 'https://evil.example' } })
    expect(evil.status).toBe(401)
    const own = await service.call('/status', { key: null, headers: { origin: 'http://localhost:3000' } })
    expect(own.status).toBe(200)
  })

  it('a name of another machine that leads here', async () => {
    const status = await new Promise((resolve, reject) => {
      const request = httpRequest(`${service.url}/status`, { headers: { host: 'evil.example' } }, (response) => {
        response.resume()
        resolve(response.statusCode)
      })
      request.on('error', reject).end()
    })
    expect(status).toBe(401)
  })

  it('a wrong key', async () => {
    expect((await service.call('/status', { key: 'fb_wrong' })).status).toBe(401)
  })

  it('a family that the setting does not name', async () => {
    const closed = await openService({ others: [createPlain()], withComfyui: false })
    expect((await closed.call('/status', { key: null })).status).toBe(401)
    expect(await closed.close()).toEqual([])
  })
})
