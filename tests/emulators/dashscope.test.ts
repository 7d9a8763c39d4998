import sharp from 'sharp'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type Dashscope, startDashscope } from './dashscope/index.ts'

let dashscope: Dashscope
beforeEach(async () => {
  dashscope = await startDashscope()
})
afterEach(() => dashscope.stop())

const paths = {
  old: '/services/aigc/text2image/image-synthesis',
  sync: '/services/aigc/multimodal-generation/generation',
  fresh: '/services/aigc/image-generation/generation',
}

interface DashscopeResponse {
  status: number
  body: {
    code?: string
    message?: string
    request_id?: string
    output?: {
      task_id?: string
      task_status?: string
      results?: { url?: string; code?: string }[]
      choices?: { message: { content: { image: string; type?: string }[] } }[]
      code?: string
    }
    usage?: object
    data?: { task_id: string; status: string }[]
  }
}

async function call(
  method: string,
  path: string,
  body?: object,
  headers: Record<string, string> = {},
): Promise<DashscopeResponse> {
  const all = { authorization: `Bearer ${dashscope.key}`, 'content-type': 'application/json', ...headers }
  const response = await fetch(dashscope.baseUrl + path, { method, headers: all, body: body && JSON.stringify(body) })
  return { status: response.status, body: (await response.json()) as DashscopeResponse['body'] }
}

const task = (path: string, body: object) => call('POST', path, body, { 'x-dashscope-async': 'enable' })
const content = (text: string, ...images: string[]) => ({
  messages: [{ role: 'user', content: [...images.map((image) => ({ image })), { text }] }],
})
const qwen = (parameters: object = {}, input: object = content('a cat')) =>
  call('POST', paths.sync, { model: 'qwen-image-plus', input, parameters })

describe('the emulator of DashScope', () => {
  it('responds to a synchronous call as documented', async () => {
    const { status, body } = await qwen({ size: '1664*928', n: 1, prompt_extend: true, watermark: false })
    expect(status).toBe(200)
    expect(body).toEqual({
      output: {
        choices: [
          {
            finish_reason: 'stop',
            message: { role: 'assistant', content: [{ image: expect.stringContaining('Expires=') }] },
          },
        ],
      },
      usage: { image_count: 1, width: 1664, height: 928 },
      request_id: expect.any(String),
    })
    const url = body.output?.choices?.[0]?.message.content[0]?.image ?? ''
    const bytes = Buffer.from(await (await fetch(url)).arrayBuffer())
    expect(await sharp(bytes).metadata()).toMatchObject({ format: 'png', width: 1664, height: 928 })
    expect((await fetch(url.slice(0, url.lastIndexOf('&')))).status).toBe(403)
    expect((await fetch(url, { headers: { authorization: `Bearer ${dashscope.key}` } })).status).toBe(400)
  })

  it('takes a task of the oldest protocol from PENDING to RUNNING to SUCCEEDED', async () => {
    dashscope.tasks.hold = 'PENDING'
    const body = { model: 'wan2.2-t2i-flash', input: { prompt: 'a cat' }, parameters: { size: '1024*1024', n: 1 } }
    const created = await task(paths.old, body)
    expect(created.body).toEqual({
      output: { task_status: 'PENDING', task_id: expect.any(String) },
      request_id: expect.any(String),
    })
    const poll = () => call('GET', `/tasks/${created.body.output?.task_id}`)
    expect((await poll()).body.output).toMatchObject({
      task_status: 'PENDING',
      submit_time: expect.stringMatching(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}$/),
    })
    dashscope.tasks.hold = 'RUNNING'
    expect((await poll()).body.output).toMatchObject({ task_status: 'RUNNING', scheduled_time: expect.any(String) })
    dashscope.tasks.hold = undefined
    expect((await poll()).body).toMatchObject({
      output: {
        task_status: 'SUCCEEDED',
        results: [{ orig_prompt: 'a cat', url: expect.stringContaining('/dashscope-result/') }],
        task_metrics: { TOTAL: 1, SUCCEEDED: 1, FAILED: 0 },
      },
      usage: { image_count: 1 },
    })
  })

  it('returns the pictures of a task as choices, four by default', async () => {
    const { body } = await task(paths.fresh, { model: 'wan2.7-image', input: content('a cat'), parameters: {} })
    const result = await call('GET', `/tasks/${body.output?.task_id}`)
    expect(result.body.output?.choices).toHaveLength(4)
    expect(result.body.output?.choices?.[0]?.message.content[0]?.type).toBe('image')
    expect(dashscope.billed()).toBe(4)
  })

  it('reports failed tasks and failed pictures with status 200', async () => {
    const create = async (prompt: string) => {
      const { body } = await task(paths.old, { model: 'wan2.2-t2i-flash', input: { prompt }, parameters: { n: 2 } })
      return call('GET', `/tasks/${body.output?.task_id}`)
    }
    const failed = await create('nsfwout')
    expect(failed.status).toBe(200)
    expect(failed.body.output).toMatchObject({ task_status: 'FAILED', code: 'DataInspectionFailed' })
    const partly = await create('onefails')
    expect(partly.body.output?.results?.map(({ code }) => code)).toEqual([undefined, 'DataInspectionFailed'])
    expect([dashscope.accepted(), dashscope.billed()]).toEqual([1, 1])
  })

  it('requires the asynchronous header for tasks, and refuses it otherwise', async () => {
    const body = { model: 'wan2.2-t2i-flash', input: { prompt: 'a cat' }, parameters: {} }
    expect(await call('POST', paths.old, body)).toMatchObject({ status: 403, body: { code: 'AccessDenied' } })
    const messages = { model: 'qwen-image-plus', input: content('a cat') }
    expect(await task(paths.sync, messages)).toMatchObject({ status: 403, body: { code: 'AccessDenied' } })
    expect(await task(paths.fresh, messages)).toMatchObject({ status: 400, body: { code: 'InvalidParameter' } })
  })

  it.each<readonly [string, object, object | undefined]>([
    ['parameters.steps', { steps: 4 }, undefined],
    ['parameters.quality', { quality: 'hd' }, undefined],
    ['parameters.n', { n: 2 }, undefined],
    ['parameters.size', { size: '1024*1024' }, undefined],
    ['parameters.size', { size: '1328x1328' }, undefined],
    ['parameters.seed', { seed: 2 ** 31 }, undefined],
    ['parameters.negative_prompt', { negative_prompt: 'x'.repeat(501) }, undefined],
    ['input.messages', {}, { messages: [] }],
    ['input.messages', {}, content('x'.repeat(801))],
    ['input.messages', {}, content('a cat', 'https://a.example/1')],
    ['input.prompt', {}, { ...content('a cat'), prompt: 'a cat' }],
  ])('refuses an invalid %s by name', async (name, parameters, input) => {
    const { status, body } = await qwen(parameters, input ?? content('a cat'))
    expect([status, body.code]).toEqual([400, 'InvalidParameter'])
    expect(body.message).toContain(name)
    expect(dashscope.accepted()).toBe(0)
  })

  it('checks the input pictures of an edit', async () => {
    const edit = (...images: string[]) =>
      call('POST', paths.sync, { model: 'qwen-image-edit-plus', input: content('at night', ...images) })
    const link = 'https://a.example/1'
    expect((await edit(link, link, link)).status).toBe(200)
    expect((await edit(link, link, link, link)).status).toBe(400)
    expect((await edit()).status).toBe(400)
    expect((await edit('data:image/PNG;base64,AAAA')).status).toBe(400)
  })

  it('cancels only queued tasks, and lists all tasks', async () => {
    dashscope.tasks.hold = 'PENDING'
    const body = { model: 'wan2.7-image', input: content('a cat'), parameters: { n: 1 } }
    const ids = [await task(paths.fresh, body), await task(paths.fresh, body)].map((each) => each.body.output?.task_id)
    expect((await call('POST', `/tasks/${ids[0]}/cancel`)).status).toBe(200)
    dashscope.tasks.hold = 'RUNNING'
    expect(await call('POST', `/tasks/${ids[1]}/cancel`)).toMatchObject({ body: { code: 'UnsupportedOperation' } })
    const listed = await call('GET', '/tasks/?page_no=1')
    expect(listed.body.data?.map(({ task_id, status }) => [task_id, status])).toEqual([
      [ids[0], 'CANCELED'],
      [ids[1], 'RUNNING'],
    ])
    expect(dashscope.accepted()).toBe(1)
  })

  it('forgets tasks and links when they expire', async () => {
    const { body } = await task(paths.fresh, { model: 'wan2.7-image', input: content('a cat'), parameters: { n: 1 } })
    const poll = () => call('GET', `/tasks/${body.output?.task_id}`)
    const url = (await poll()).body.output?.choices?.[0]?.message.content[0]?.image ?? ''
    dashscope.expire()
    expect(await poll()).toMatchObject({ status: 200, body: { output: { task_status: 'UNKNOWN' } } })
    expect((await fetch(url)).status).toBe(403)
  })

  it('refuses a key of another region', async () => {
    const headers = { authorization: `Bearer ${dashscope.foreignKey}` }
    expect(await call('GET', '/tasks/1', undefined, headers)).toMatchObject({
      status: 401,
      body: { code: 'InvalidApiKey', message: 'Invalid API-key provided.' },
    })
  })
})
