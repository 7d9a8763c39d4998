/** The examples of the document "Flux-API-Worker", against the emulators of Cloudflare and of an LLM. */
import { randomUUID } from 'node:crypto'
import { afterEach, describe, expect, it } from 'vitest'
import { models } from '../../../src/models/index.ts'
import { cloudflare } from '../../../src/providers/cloudflare/cloudflare.ts'
import { createEnhancer } from '../../../src/providers/enhancer.ts'
import { startCloudflare } from '../../emulators/cloudflare/index.ts'
import { startLlm } from '../../emulators/llm/index.ts'
import { createPlain, pngOf, type TestCoreOptions } from '../../helpers/core.ts'
import { keepLog } from '../../helpers/log.ts'
import { isInBucket } from '../../helpers/store.ts'
import { closeService, openService, type Service } from '../api/openai/service.ts'

const closing: (() => unknown)[] = []
let service: Service
afterEach(async () => {
  expect(await closeService(service)).toEqual([])
  for (const close of closing.splice(0).reverse()) await close()
})

const schnell = '@cf/black-forest-labs/flux-1-schnell'

/** A service with nothing set up but Cloudflare, as the document has it. */
async function open(options: TestCoreOptions = {}) {
  const emulator = await startCloudflare()
  const settings = { baseUrl: emulator.baseUrl, key: emulator.token, timeoutMs: 60_000, concurrency: 5, steps: 4 }
  const provider = cloudflare.create(settings, { log: keepLog() })
  closing.push(emulator.stop, () => provider.close?.())
  const ours = models.filter(({ routes }) => routes.some((route) => route.provider === 'cloudflare'))
  service = await openService({ providers: [provider], models: ours, ...options })
  await service.test.work()
  return emulator
}

// biome-ignore lint/suspicious/noExplicitAny: the answer of a server, which the tests compare
type Answer = Omit<Response, 'json'> & { json(): Promise<any> }

const complete = (body: object): Promise<Answer> =>
  fetch(`${service.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${service.key}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })

const example = { messages: [{ role: 'user', content: '一只可爱的猫咪 3:2' }] }

describe('a completion', () => {
  it('answers the documented request with the documented lines', async () => {
    await open()
    const response = await complete({ ...example, stream: false })
    expect(response.status).toBe(200)
    const body = await response.json()
    expect(body).toMatchObject({
      id: expect.stringMatching(/^chatcmpl-/),
      created: expect.any(Number),
      model: expect.stringMatching(/^@cf\//),
      object: 'chat.completion',
      choices: [{ index: 0, message: { role: 'assistant' }, finish_reason: 'stop' }],
      usage: {
        prompt_tokens: expect.any(Number),
        completion_tokens: expect.any(Number),
        total_tokens: expect.any(Number),
      },
    })
    expect(body.choices[0].message.content.replace(/\(http\S+\)/, '(url)')).toBe(
      '🎨 原始提示词：一只可爱的猫咪 3:2\n💬 提示词生成模型：Original Prompt\n🌐 优化后的提示词：一只可爱的猫咪\n' +
        '📐 图像规格：768x512\n🌟 图像生成成功！\n以下是结果：\n\n![生成的图像](url)',
    )
  })

  it.each([
    ['1:1', '1024x1024'],
    ['1:2', '512x1024'],
    ['3:2', '768x512'],
    ['3:4', '768x1024'],
    ['16:9', '1024x576'],
    ['9:16', '576x1024'],
  ])('draws the documented ratio %s', async (ratio, size) => {
    await open()
    const body = await (await complete({ messages: [{ role: 'user', content: `一只可爱的猫咪 ${ratio}` }] })).json()
    expect(body.choices[0].message.content).toContain(`📐 图像规格：${size}\n`)
  })

  it('draws 1:1 with the documented model where no ratio is given', async () => {
    const emulator = await open()
    const messages = [
      { role: 'system', content: 'ignored' },
      { role: 'user', content: 'a cat' },
    ]
    const body = await (await complete({ messages })).json()
    expect(body.model).toBe(schnell)
    expect(body.choices[0].message.content).toContain('📐 Image size: 1024x1024\n')
    expect(emulator.requests.at(-1)?.path).toContain(schnell)
  })

  it.each([['/v1'], ['']])('has its prompt optimized by an LLM at a base that ends in "%s"', async (end) => {
    const llm = await startLlm({ reply: () => 'a splendid cat' })
    const baseUrl = new URL(llm.baseUrl).origin + end
    const enhancer = createEnhancer({ baseUrl, model: llm.model, key: llm.key })
    await open({ enhancer })
    closing.push(llm.stop, () => enhancer.close())
    const messages = [{ role: 'user', content: '一只猫 16:9 --enhance' }]
    const body = await (await complete({ messages })).json()
    expect(body.choices[0].message.content).toContain(
      `💬 提示词生成模型：${llm.model}\n🌐 优化后的提示词：a splendid cat\n`,
    )
  })

  it.skipIf(isInBucket)('links to the picture, which any browser can open', async () => {
    await open()
    const body = await (await complete(example)).json()
    const link = /!\[生成的图像\]\((http\S+)\)$/.exec(body.choices[0].message.content)?.[1] ?? ''
    expect(new URL(link).pathname).toMatch(/^\/image\//)
  })

  it('can be asked for by pages of any origin, and not without the key', async () => {
    await open()
    const origin = { origin: 'https://chat.example' }
    const asked = {
      'access-control-request-method': 'POST',
      'access-control-request-headers': 'authorization, content-type',
    }
    const preflight = await fetch(`${service.url}/v1/chat/completions`, {
      method: 'OPTIONS',
      headers: { ...origin, ...asked },
    })
    expect([preflight.status, preflight.headers.get('access-control-allow-headers')]).toEqual([
      204,
      'authorization, content-type',
    ])
    const refused = await fetch(`${service.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { ...origin, authorization: 'Bearer wrong', 'content-type': 'application/json' },
      body: JSON.stringify(example),
    })
    expect([refused.status, refused.headers.get('access-control-allow-origin')]).toEqual([401, '*'])
  })

  it('knows Cloudflare’s ids of models', async () => {
    await open()
    const list = await service.client().models.list()
    expect(list.data.map(({ id }) => id)).toContain(schnell)
    const body = await (await complete({ model: schnell, messages: [{ role: 'user', content: 'a cat' }] })).json()
    expect(body.model).toBe(schnell)
  })
})

describe('a stream', () => {
  it('sends progress before the end, and the documented lines', async () => {
    let read = false
    const slow = createPlain({
      repeatable: false,
      start: async () => ({ state: 'pending', ticket: randomUUID(), waitMs: 20, percent: 45 }),
      check: async (ticket) =>
        read
          ? { state: 'done', images: [await pngOf(768, 512)] }
          : { state: 'pending', ticket, waitMs: 20, percent: 45 },
    })
    service = await openService({ providers: [slow] })
    await service.test.work()
    const response = await complete({ ...example, stream: true })
    expect(response.headers.get('content-type')).toContain('text/event-stream')
    let content = ''
    for await (const line of linesOf(response)) {
      if (!line.startsWith('data: {')) continue
      content += JSON.parse(line.slice(6)).choices[0]?.delta.content ?? ''
      // the picture is drawn only after the client has read the progress
      if (content.includes('45%')) read = true
    }
    expect(content).toMatch(
      /^🎨 原始提示词：一只可爱的猫咪 3:2\n⏳ 正在生成图像…… 45%\n💬 提示词生成模型：Original Prompt\n/,
    )
    expect(content).toMatch(/\n📐 图像规格：768x512\n🌟 图像生成成功！\n以下是结果：\n\n!\[生成的图像\]\(http\S+\)$/)
  })
})

async function* linesOf(response: Answer): AsyncGenerator<string> {
  let text = ''
  for await (const piece of response.body!.pipeThrough(new TextDecoderStream())) {
    const lines = (text + piece).split('\n')
    text = lines.pop() ?? ''
    yield* lines
  }
}
