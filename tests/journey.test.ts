/**
 * The whole service in this process, with emulated image services, chats and object store: a request in a chat reaches the right
 * endpoint with the right parameters, and its picture is stored and posted.
 */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import sharp from 'sharp'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { allSurfaces } from '../src/bots/index.ts'
import { startBots } from '../src/bots/start.ts'
import { compose } from '../src/compose.ts'
import { readConfig } from '../src/config.ts'
import type { Core } from '../src/core/core.ts'
import { findModel } from '../src/core/request/choose-model.ts'
import { startWorker } from '../src/core/worker/worker.ts'
import { comfyuiModels } from '../src/models/comfyui.ts'
import { startArk } from './emulators/ark/index.ts'
import { startCloudflare } from './emulators/cloudflare/index.ts'
import { startComfyui } from './emulators/comfyui/index.ts'
import { startCos } from './emulators/cos/index.ts'
import { startDashscope } from './emulators/dashscope/index.ts'
import { startDiscord } from './emulators/discord/index.ts'
import { startFal } from './emulators/fal/index.ts'
import { startLlm } from './emulators/llm/index.ts'
import { startOpenAiImages } from './emulators/openai-images/index.ts'
import type { Received } from './emulators/server.ts'
import { startTelegram } from './emulators/telegram/index.ts'
import { pngOf } from './helpers/core.ts'
import { violations } from './helpers/invariants.ts'

const open = async () => {
  const [discord, telegram, cos, fal, cloudflare, comfyui, ark, dashscope, openai, llm] = await Promise.all([
    startDiscord(),
    startTelegram(),
    startCos(),
    startFal(),
    startCloudflare(),
    startComfyui(),
    startArk(),
    startDashscope(),
    startOpenAiImages(),
    startLlm({ reply: () => 'A very fluffy cat in the evening sun' }),
  ])
  return { discord, telegram, cos, fal, cloudflare, comfyui, ark, dashscope, openai, llm }
}
type World = Awaited<ReturnType<typeof open>>

describe('a request in a chat', () => {
  let world: World
  let core: Core
  let dataDir: string
  const stops: (() => Promise<unknown>)[] = []

  beforeAll(async () => {
    world = await open()
    const { discord, telegram, cos, fal, cloudflare, comfyui, ark, dashscope, openai, llm } = world
    dataDir = await mkdtemp(join(tmpdir(), 'fluxbot-journey-'))
    const config = readConfig({
      DATA_DIR: dataDir,
      LOG_LEVEL: 'silent',
      WELCOME_CREDITS: '1000',
      DISCORD_TOKEN: discord.token,
      DISCORD_API_URL: discord.apiUrl,
      TELEGRAM_TOKEN: telegram.token,
      TELEGRAM_API_URL: telegram.apiUrl,
      FAL_KEY: fal.key,
      FAL_QUEUE_URL: fal.url,
      CF_ACCOUNT_ID: cloudflare.account,
      CF_API_TOKEN: cloudflare.token,
      CF_API_URL: cloudflare.baseUrl.replace(/\/accounts.*/, ''),
      COMFYUI_URL: comfyui.url,
      DOUBAO_API_KEY: ark.key,
      DOUBAO_API_URL: ark.baseUrl,
      QWEN_API_KEY: dashscope.key,
      QWEN_API_URL: dashscope.baseUrl,
      OPENAI_IMAGE_KEY: openai.key,
      OPENAI_IMAGE_BASE: openai.url,
      EXTERNAL_API_BASE: llm.baseUrl,
      EXTERNAL_API_KEY: llm.key,
      EXTERNAL_MODEL: llm.model,
      COS_SECRET_ID: cos.secretId,
      COS_SECRET_KEY: cos.secretKey,
      COS_BUCKET: cos.bucket,
      COS_REGION: cos.region,
      COS_DOMAIN: cos.domain,
    })
    const surfaces = allSurfaces(config)
    const composed = await compose(config, { surfaces: surfaces.create })
    core = composed.core
    stops.push(() => composed.close())
    const worker = await startWorker(core)
    stops.push(() => worker.stop(2_000))
    const bots = startBots(core, config.roles)
    await bots.started
    stops.push(() => bots.stop())
  })
  afterAll(async () => {
    for (const stop of stops.reverse()) await stop()
    await Promise.all(Object.values(world).map((emulator) => emulator.stop()))
    await rm(dataDir, { recursive: true, force: true })
  })

  /** Key of the stored object with these bytes. */
  const keyOf = (data: Buffer | undefined) => {
    const found = [...world.cos.objects].find(([, object]) => data && object.data.equals(data))
    return found?.[0] ?? 'not in the store'
  }
  const bodiesOf = (service: { requests: Received[] }, path: RegExp) =>
    service.requests.filter((request) => path.test(request.path)).map((request) => request.body.toString('latin1'))

  type Name = 'fal' | 'cloudflare' | 'comfyui' | 'ark' | 'dashscope' | 'openai'
  const cases: [Name, string, RegExp, RegExp][] = [
    ['fal', 'flux-dev', /^\/fal-ai\/flux-1\/dev$/, /"image_size":\{"width":1024,"height":576\}/],
    ['cloudflare', 'cf-flux-2-klein', /flux-2-klein-4b$/, /name="width"\r\n\r\n1024\r\n/],
    ['comfyui', 'comfy-dev', /^\/prompt$/, /"width":1024,"height":576/],
    ['ark', 'seedream', /\/images\/generations$/, /"watermark":false/],
    ['dashscope', 'qwen', /\/multimodal-generation\/generation$/, /"size":"1664\*928"/],
    ['openai', 'gpt-image', /\/images\/generations$/, /"size":"1536x864"/],
    ['fal', 'z-image', /^\/fal-ai\/z-image\/turbo$/, /"image_size":\{"width":1280,"height":720\}/],
  ]

  it.each(cases)('on Discord is drawn by %s with %s', async (name, model, path, parameters) => {
    const prompt = `a cute cat for ${name} 16:9`
    const shown = await world.discord
      .slash('flux', { prompt, model: findModel(core.models.all(), model).id })
      .waitForReply((message) => message.attachments.length > 0 && !/^[⏳🎨]/u.test(message.content))
    expect(shown.content).toContain(`a cute cat for ${name}`)
    expect(shown.content).toContain(core.providers.get(name)!.title)
    const bodies = bodiesOf(world[name], path)
    expect(bodies.at(-1)).toMatch(parameters)
    expect(bodies.at(-1)).toContain(`a cute cat for ${name}`)
    expect(keyOf(shown.attachments[0]?.data)).toMatch(/^image\//)
  })

  const photos: [Name, string, RegExp, RegExp][] = [
    ['fal', 'flux-dev', /^\/fal-ai\/flux-1\/dev\/image-to-image$/, /"image_url":"(data:image\/png;base64,|http)/],
    ['cloudflare', 'cf-flux-2-dev', /flux-2-dev$/, /name="input_image_0"/],
    ['comfyui', 'comfy-kontext', /^\/prompt$/, /"class_type":"LoadImage"/],
    ['ark', 'seedream', /\/images\/generations$/, /"image":/],
    ['dashscope', 'qwen-image', /\/multimodal-generation\/generation$/, /"image":"(data:|http)/],
    ['openai', 'gpt-image', /\/images\/edits$/, /name="image\[\]"; filename="image-1\.png"/],
    ['fal', 'nano-banana', /^\/fal-ai\/nano-banana\/edit$/, /"image_urls":\["(data:|http)/],
  ]

  it.each(photos)('with a photo on Telegram is drawn by %s with %s', async (name, model, path, parameters) => {
    const data = await pngOf(640, 480)
    const sent = world.telegram.sendPhoto({ data, caption: `make it night for ${name} --model ${model}` })
    const shown = await world.telegram.waitFor(
      sent.chatId,
      (message) =>
        message.fromBot &&
        message.replyTo === sent.messageId &&
        message.photo !== undefined &&
        !/^[⏳🎨]/u.test(message.text),
      60_000,
    )
    expect(shown.text).toContain(`make it night for ${name}`)
    expect(bodiesOf(world[name], path).at(-1)).toMatch(parameters)
    expect(keyOf(shown.photo)).toMatch(/^image\//)
    const inputs = [...world.cos.objects.keys()].filter((key) => key.startsWith('input/'))
    expect(inputs.length).toBeGreaterThan(0)
  })

  const albums: [Name, string, RegExp, RegExp, number][] = [
    ['fal', 'flux-pro', /^\/fal-ai\/flux-pro\/kontext\/multi$/, /"image_urls":\["[^"]+","[^"]+","[^"]+"\]/, 3],
    ['cloudflare', 'cf-flux-2-klein', /flux-2-klein-4b$/, /name="input_image_2"/, 3],
    ['comfyui', 'comfy-kontext', /^\/prompt$/, /"class_type":"ImageStitch"/, 2],
    ['ark', 'seedream', /\/images\/generations$/, /"image":\["[^"]+","[^"]+","[^"]+"\]/, 3],
    ['dashscope', 'qwen-image', /\/multimodal-generation\/generation$/, /("image":"[^"]+".*){3}/, 3],
  ]

  it.each(albums)('with an album on Telegram is drawn by %s with %s', async (name, model, path, parameters, count) => {
    const colours = ['#aa3333', '#33aa33', '#3333aa'].slice(0, count)
    const data = await Promise.all(colours.map((colour) => pngOf(320, 320, colour)))
    const items = data.map((each, at) => ({
      data: each,
      ...(at === 0 && { caption: `all together for ${name} --model ${model}` }),
    }))
    const [first] = world.telegram.sendAlbum(items)
    const shown = await world.telegram.waitFor(
      first!.chatId,
      (message) =>
        message.fromBot &&
        message.photo !== undefined &&
        message.text.includes(`all together for ${name}`) &&
        !/^[⏳🎨]/u.test(message.text),
      60_000,
    )
    expect(bodiesOf(world[name], path).at(-1)).toMatch(parameters)
    expect(keyOf(shown.photo)).toMatch(/^image\//)
  })

  it('uses a workflow that was added to the folder while the service runs', async () => {
    const route = comfyuiModels[0]!.routes[0]!
    const request = { prompt: 'x', model: 'x', aspect: '1:1', width: 512, height: 512, count: 1, images: 0 }
    const graph = structuredClone(route.input(request, [])) as Record<
      string,
      { class_type: string; inputs: Record<string, unknown> }
    >
    const encoder = Object.entries(graph).find(([, node]) => node.class_type === 'CLIPTextEncodeFlux')!
    Object.assign(encoder[1].inputs, { clip_l: '', t5xxl: '' })
    for (const node of Object.values(graph)) {
      for (const [name, value] of Object.entries(node.inputs)) {
        if (typeof value === 'object' && value && '$seed' in value) node.inputs[name] = 1
      }
    }
    const inputs = [`${encoder[0]}.clip_l`, `${encoder[0]}.t5xxl`]
    const manifest = { id: 'anime', title: 'Anime (our own)', price: 2, nodes: { prompt: inputs } }
    await mkdir(join(dataDir, 'workflows'), { recursive: true })
    await writeFile(join(dataDir, 'workflows', 'anime.json'), JSON.stringify({ manifest, graph }))
    await expect.poll(() => core.models.all().some(({ id }) => id === 'anime')).toBe(true)
    const sent = world.telegram.say('a heron --model anime')
    const shown = await world.telegram.waitFor(
      sent.chatId,
      (message) => message.fromBot && message.replyTo === sent.messageId && !/^[⏳🎨]/u.test(message.text),
      60_000,
    )
    expect(shown.text).toContain('Anime (our own)')
    expect(bodiesOf(world.comfyui, /^\/prompt$/).at(-1)).toContain('a heron')
  })

  it('with an enhanced prompt shows both prompts', async () => {
    const shown = await world.discord
      .slash('flux', { prompt: 'eine Katze --enhance', model: 'flux-schnell' })
      .waitForReply((message) => message.attachments.length > 0 && !/^[⏳🎨]/u.test(message.content))
    expect(shown.content).toContain('eine Katze\n✨ A very fluffy cat in the evening sun')
    expect(bodiesOf(world.fal, /schnell$/).at(-1)).toContain('A very fluffy cat in the evening sun')
  })

  it('with LoRAs names them by an option of Discord, and in the words on Telegram', async () => {
    const path = 'https://huggingface.co/ann/ink/resolve/main/ink.safetensors'
    const shown = await world.discord
      .slash('flux', { prompt: 'a heron', lora: `${path}:0.8` })
      .waitForReply((message) => message.attachments.length > 0 && !/^[⏳🎨]/u.test(message.content))
    expect(shown.content).toContain('LoRA ink:0.8')
    const sent = world.telegram.say(`a heron --lora ${path}:0.8`)
    const answer = await world.telegram.waitFor(
      sent.chatId,
      (message) => message.fromBot && message.replyTo === sent.messageId && !/^[⏳🎨]/u.test(message.text),
      60_000,
    )
    expect(answer.text).toContain('LoRA ink:0.8')
    const bodies = bodiesOf(world.fal, /^\/fal-ai\/flux-lora$/)
    expect(bodies.map((body) => JSON.parse(body).loras)).toEqual(Array(2).fill([{ path, scale: 0.8 }]))
  })

  it('keeps the invariants and violates no API description', async () => {
    // the picture is posted before its row is updated
    await expect.poll(() => violations(core.database)).toEqual([])
    expect(world.discord.violations).toEqual([])
    expect(world.telegram.violations).toEqual([])
    const pictures = [...world.cos.objects].filter(([key]) => key.startsWith('image/'))
    for (const [, object] of pictures)
      expect(await sharp(object.data).metadata()).toMatchObject({ width: expect.any(Number) })
  })
})
