import { sql } from 'drizzle-orm'
import type { FastifyInstance } from 'fastify'
import type { Browser, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { signInToken } from '../../src/bots/web/access.ts'
import { createWeb } from '../../src/bots/web/web.ts'
import { createPanelLink } from '../../src/core/accounts/sessions.ts'
import type { Reply } from '../../src/core/ports/chat.ts'
import type { Form } from '../../src/core/ports/forms.ts'
import { createApp } from '../../src/http/server/app.ts'
import { quickest } from '../helpers/backends.ts'
import { browserMissing, launch, shoot, watch } from '../helpers/browser.ts'
import { drawing, type FlatCall, flat, says } from '../helpers/chat.ts'
import { openTestCore, pngOf, type TestCore } from '../helpers/core.ts'
import { keepLog } from '../helpers/log.ts'

const missing = browserMissing('The page')
const secretKey = Buffer.from('a secret key for tests, 32 chars')
const attack = '<img src=x onerror="document.title=\'broken\'"><script>document.title="broken"</script>'

let browser: Browser
let test: TestCore
let web: ReturnType<typeof createWeb>
let app: FastifyInstance
let url: string
let page: Page
/** Errors and warnings of the browser. */
let complaints: string[]
let calls: FlatCall[]
/** Pictures of the calls. */
let loaded: Buffer[]

describe.skipIf(missing)('the page', () => {
  beforeAll(async () => {
    browser = await launch()
  })
  afterAll(() => browser?.close())

  beforeEach(async () => {
    test = await openTestCore(quickest)
    calls = []
    loaded = []
    await serve()
    page = await visit()
  })
  afterEach(async () => {
    await page.context().close()
    await close()
    await test.close()
    expect(complaints).toEqual([])
  })

  it('shows the progress, then the picture in its size', async () => {
    await page.getByRole('button', { name: 'a cute cat 16:9' }).click()
    const { address, text } = await nextCall()
    expect(text).toBe('a cute cat 16:9')
    await web.post(address, says('Waiting', 'waiting'))
    const bar = page.getByRole('progressbar')
    await bar.waitFor()
    expect(await bar.getAttribute('aria-valuenow')).toBeNull()
    await web.post(address, drawing('a cute cat', 50))
    await page.locator('[role=progressbar][aria-valuenow="50"]').waitFor()
    const filled = async () => (await widthOf('[role=progressbar] div')) / (await widthOf('[role=progressbar]'))
    // it grows smoothly
    await expect.poll(filled).toBeCloseTo(0.5, 1)
    await web.post(address, { ...done, pictures: [await picture(512, 288)] })
    const shown = page.getByRole('img', { name: 'a cute cat' })
    await shown.waitFor()
    await expect.poll(() => page.evaluate(`document.querySelector('.pictures img').complete`)).toBe(true)
    expect(await shown.evaluate((each: Sized) => [each.naturalWidth, each.naturalHeight])).toEqual([512, 288])
    const box = await shown.boundingBox()
    expect([box?.width, box?.height]).toEqual([512, 288])
    expect(await bar.count()).toBe(0)
    expect(await page.locator('#announce').textContent()).toBe('a cute cat · sketch · 16:9')
    expect(await page.locator('#empty').isVisible()).toBe(false)

    await page.reload()
    await shown.waitFor()
    expect(await page.locator('#messages li').count()).toBe(2)
  })

  it('fits a phone: a tall picture is visible in full, and nothing is wider than the screen', async () => {
    await page.setViewportSize({ width: 360, height: 640 })
    await write('a tower 9:16')
    await web.post((await nextCall()).address, { ...done, pictures: [await picture(576, 1024)] })
    const box = await page.getByRole('img', { name: 'a cute cat' }).boundingBox()
    expect((box?.height ?? 0) / (box?.width ?? 1)).toBeCloseTo(1024 / 576, 1)
    expect(box?.height).toBeLessThan(0.65 * 640)
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(360)
  })

  it('shows a form in the conversation, and sends it once', async () => {
    await write('a cat')
    const choices = [
      { value: '1:1', label: '1:1' },
      { value: '16:9', label: '16:9' },
    ]
    const form: Form = {
      id: '1:edit:one',
      title: 'Edit',
      fields: [
        { name: 'prompt', kind: 'text', label: 'Prompt', hint: 'What', value: attack, required: true, maxLength: 4000 },
        { name: 'aspect', kind: 'choice', label: 'Ratio', hint: 'Like the picture', choices },
        { name: 'model', kind: 'choice', label: 'Shape', value: '16:9', required: true, choices },
      ],
    }
    await web.post((await nextCall()).address, { ...done, form })
    const prompt = page.getByRole('textbox', { name: 'Prompt' })
    expect(await prompt.inputValue()).toBe(attack)
    await page.reload()
    await prompt.fill('')
    const send = page.locator('.form').getByRole('button', { name: 'Send' })
    await send.click()
    const valid = (each: { validity: { valid: boolean } }) => each.validity.valid
    expect(await prompt.evaluate(valid)).toBe(false)
    await prompt.fill('a dog')
    await page.getByRole('combobox', { name: 'Ratio' }).selectOption('16:9')
    await send.dblclick()
    const { act } = await nextCall()
    expect(act).toEqual({ kind: 'form', form: form.id, fields: { prompt: 'a dog', aspect: '16:9', model: '16:9' } })
    await prompt.waitFor({ state: 'detached' })
    await page.reload()
    await page.locator('#messages li').nth(1).waitFor()
    expect(await prompt.count()).toBe(0)
    expect(calls).toEqual([])
  })

  it('sends pictures with a form: chosen, pasted into it and dropped on it', async () => {
    await write('a cat')
    const form: Form = {
      id: '1:edit:one',
      title: 'Edit',
      fields: [
        { name: 'prompt', kind: 'text', label: 'Prompt', value: 'a hat' },
        { name: 'pictures', kind: 'files', label: 'More pictures' },
      ],
    }
    await web.post((await nextCall()).address, { ...done, form })
    const png = await pngOf(40, 30)
    const chosen = { name: 'one.png', mimeType: 'image/png', buffer: png }
    await page.getByLabel('More pictures').setInputFiles([chosen])
    for (const how of ['paste', 'drop'] as const)
      await give(how, `${how}.png`, 'image/png', png, "document.querySelector('.form textarea')")
    expect(await page.locator('.chip').count()).toBe(0)
    await page.locator('.form').getByRole('button', { name: 'Send' }).click()
    const { act, images } = await nextCall()
    expect(act).toEqual({ kind: 'form', form: form.id, fields: { prompt: 'a hat' } })
    expect(images.map(({ name }) => name)).toEqual(['one.png', 'paste.png', 'drop.png'])
    expect(loaded).toEqual([png, png, png])
  })

  it('sends the price that it shows for the words, and none for words whose price it does not show', async () => {
    await page.route('**/web/quote', (route) => {
      const { text } = JSON.parse(route.request().postData() ?? '{}') as { text: string }
      return route.fulfill({ json: { price: 3, summary: `for ${text}`, balance: '' } })
    })
    await page.locator('#text').fill('a cat')
    await page.locator('#price').getByText('for a cat').waitFor()
    await page.locator('#text').press('Enter')
    expect((await nextCall()).shownPrice).toBe(3)
    await write('a dog')
    const { text, shownPrice } = await nextCall()
    expect([text, shownPrice]).toEqual(['a dog', undefined])
  })

  it('shows a form once, and closes it for good', async () => {
    await write('a cat')
    const fields = [{ name: 'prompt', kind: 'text', label: 'Prompt' }] as const
    const form: Form = { id: '1:edit:one', title: 'Edit', fields }
    const { address } = await nextCall()
    await web.post(address, { ...says('First', 'info'), form })
    await page.locator('.message').getByText('First').waitFor()
    await web.post(`${address}-again`, { ...says('Second', 'info'), form })
    await page.locator('.message').getByText('Second').waitFor()
    await page.locator('.message').getByText('First').waitFor({ state: 'detached' })
    expect(await page.locator('.form').count()).toBe(1)
    await page.locator('.form').getByRole('button', { name: 'Close' }).click()
    await page.locator('.message').getByText('Second').waitFor({ state: 'detached' })
    await page.reload()
    await page.locator('.message.person').waitFor()
    expect(await page.locator('.form').count()).toBe(0)
  })

  it('says that a sign-in link is wrong', async () => {
    // the open page would ask again without its session
    await page.goto('about:blank')
    await page.context().clearCookies()
    await page.goto(`${url}/?token=bad`)
    await page.getByRole('alert').getByText('This link is not valid.').waitFor()
    expect(page.url()).toBe(`${url}/`)
    await page.reload()
    await page.getByLabel('API key, from /apikey').waitFor()
    expect(await page.getByRole('alert').isVisible()).toBe(false)
  })

  it('lays out the buttons of a result within its message, at each width', async () => {
    const labels = [
      ['🎲 Again · 1 credit', '🔀 Vary · 1 credit', '✏️ Edit · 1 credit', '🔁 Other model', '🔍 Upscale · 2 credits'],
      ['💾 Original', '⭐', '👍', '👎'],
      ['🚩 Report', '🗑 Delete'],
    ]
    const row = (names: string[]) => names.map((action) => ({ id: `1:edit:${action}` as const, action }))
    await write('a cat')
    const { address } = await nextCall()
    await web.post(address, { ...done, pictures: [await picture(1024, 576)], buttons: labels.map(row) })
    await page.locator('.message.bot .buttons').nth(2).waitFor()
    for (const width of [360, 390, 1280]) {
      await page.setViewportSize({ width, height: 844 })
      const message = await page.locator('.message.bot').boundingBox()
      const boxes = await Promise.all((await page.locator('.buttons button').all()).map((each) => each.boundingBox()))
      expect(boxes).toHaveLength(11)
      for (const box of boxes) {
        expect(box?.x).toBeGreaterThanOrEqual(message?.x ?? 0)
        expect((box?.x ?? 0) + (box?.width ?? 0)).toBeLessThanOrEqual((message?.x ?? 0) + (message?.width ?? 0))
        expect(box?.height).toBeGreaterThanOrEqual(30)
      }
      expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(width)
      await shoot(page, `page-buttons-${width}`)
    }
  })

  it('shows what a press did as a toast, which is no part of the conversation', async () => {
    await write('a cat')
    const { address } = await nextCall()
    await web.post(address, { ...done, buttons: [[{ id: '1:edit:one', action: 'edit' }]] })
    await page.locator('.buttons').getByRole('button', { name: 'Edit' }).click()
    const press = await nextCall()
    await web.post(press.address, says('Saved.', 'info', { private: true, toast: true }))
    await page.locator('.toast').getByText('Saved.').waitFor()
    await page.locator('.toast').getByRole('button', { name: 'Close' }).click()
    await page.locator('.toast').waitFor({ state: 'detached' })
    const refused = { kind: 'refusal', error: 'already_ended', data: {} } as const
    await page.locator('.buttons').getByRole('button', { name: 'Edit' }).click()
    await web.post((await nextCall()).address, { locale: 'en', state: 'failed', content: refused, private: true })
    await page.locator('.toast.trouble').getByText('This request has ended already.').waitFor()
    expect(await page.locator('#messages li.message').count()).toBe(2)
    await page.reload()
    await page.locator('#messages li.message').nth(1).waitFor()
    expect(await page.locator('.toast').count()).toBe(0)
  })

  it('keeps the words that are being written into a form when its message changes', async () => {
    await write('a cat')
    const { address } = await nextCall()
    const fields = [{ name: 'prompt', kind: 'text', label: 'Prompt', value: 'a cat' }] as const
    const form: Form = { id: '1:edit:one', title: 'Edit', fields }
    await web.post(address, { ...done, form })
    await page.getByRole('textbox', { name: 'Prompt' }).fill('a dog')
    await web.post(address, { ...says('Something else', 'done'), form })
    await page.locator('.message').getByText('Something else').waitFor()
    expect(await page.getByRole('textbox', { name: 'Prompt' }).inputValue()).toBe('a dog')
    expect(await page.evaluate('document.activeElement.name')).toBe('prompt')
  })

  it('supports both languages, and calls carry the language', async () => {
    await page.getByRole('button', { name: '中文' }).click()
    await page.getByRole('heading', { name: '想看到什么？' }).waitFor()
    expect(await page.evaluate('document.documentElement.lang')).toBe('zh-CN')
    await page.getByRole('button', { name: '查看全部功能' }).click()
    expect(await nextCall()).toMatchObject({ command: 'help', locale: 'zh' })
    await page.reload()
    await page.getByRole('button', { name: 'English' }).click()
    await page.getByRole('textbox', { name: 'What do you want to see?' }).waitFor()
  })

  it('shows all text as text, never as HTML', async () => {
    await write(attack)
    const pictures = [{ ...(await picture(8, 8)), alt: attack, name: attack }]
    await web.post((await nextCall()).address, says(attack, 'done', { pictures }))
    await page.locator('.message.bot').waitFor()
    expect(await page.locator('.message p').allTextContents()).toEqual([attack, attack])
    expect(await page.title()).toBe('fluxbot')
    expect(await page.locator('.message script, .message [src=x]').count()).toBe(0)
  })

  it('attaches pictures by button, paste and drop, and removes them again', async () => {
    const png = await pngOf(40, 30)
    const files = ['one.png', 'two.png'].map((name) => ({ name, mimeType: 'image/png', buffer: png }))
    await page.locator('#files').setInputFiles(files)
    await give('paste', 'pasted.png', 'image/png', png)
    await give('drop', 'dropped.png', 'image/png', png)
    expect(await page.locator('.chip').count()).toBe(4)
    await page.getByRole('button', { name: 'Remove two.png' }).click()
    await give('drop', 'notes.txt', 'text/plain', Buffer.from('x'))
    expect(await page.getByRole('alert').textContent()).toBe('Only PNG, JPEG and WebP pictures can be used.')
    await write('make it night')
    const call = await nextCall()
    expect(call.images.map(({ name }) => name)).toEqual(['one.png', 'pasted.png', 'dropped.png'])
    expect(loaded).toEqual([png, png, png])
    await page.getByText('📎 one.png, pasted.png, dropped.png').waitFor()
    expect(await page.locator('.chip').count()).toBe(0)
    expect(await page.getByRole('alert').isVisible()).toBe(false)
  })

  it('reports a lost connection, keeps the written text, and resumes afterwards', async () => {
    await write('first')
    const { address } = await nextCall()
    await page.getByText('first').waitFor()
    await close()
    await page.getByText('The connection was lost.').waitFor()
    await write('second')
    await page.getByText('The message could not be sent.').waitFor()
    expect(await page.locator('#text').inputValue()).toBe('second')
    complaints = complaints.filter((each) => !/ERR_CONNECTION_REFUSED|503/.test(each))
    await serve()
    await web.post(address, says('while you were away', 'info'))
    await page.locator('#messages').getByText('while you were away').waitFor()
    complaints = complaints.filter((each) => !/ERR_CONNECTION_REFUSED|503/.test(each))
    await page.locator('#text').press('Enter')
    expect((await nextCall()).text).toBe('second')
    await page.locator('#messages').getByText('second').waitFor()
    expect(await page.getByRole('alert').isVisible()).toBe(false)
    const shown = await page.locator('.message p').allTextContents()
    expect(shown).toEqual(['first', 'while you were away', 'second'])
  })

  it('can be used with the keyboard alone, and Shift+Enter starts a new line', async () => {
    await page.locator('#text').focus()
    await page.keyboard.type('one')
    await page.keyboard.press('Shift+Enter')
    await page.keyboard.type('two')
    await page.keyboard.press('Enter')
    expect((await nextCall()).text).toBe('one\ntwo')
    await page.locator('.message.person').waitFor()
    expect(await page.evaluate('document.activeElement.id')).toBe('text')
  })

  it('asks a browser that did not open the sign-in link for the key', async () => {
    await page.goto('about:blank')
    await page.context().clearCookies()
    await close()
    await serve({ apiKey: 'the-key' })
    await page.goto(url)
    const key = page.getByLabel('API key, from /apikey')
    await key.fill('wrong')
    await key.press('Enter')
    await page.getByText('That key is wrong.').waitFor()
    complaints = complaints.filter((each) => !each.includes('401'))
    await key.fill('the-key')
    await key.press('Enter')
    await page.locator('#who').getByText('Signed in as administrator').waitFor()
    expect(await key.isVisible()).toBe(false)
  })

  it('signs in with a link from /panel once its button is pressed, and out again', async () => {
    await test.core.database.rows(sql`
      with account as (insert into users (id, name) values (gen_random_uuid(), 'Ann') returning id)
      insert into identities (id, user_id, name) select 'telegram:1', id, 'Ann' from account`)
    const link = async () =>
      `${url}/#panel=${await createPanelLink({ database: test.core.database, secretKey }, 'telegram:1', crypto.randomUUID())}`
    const first = await link()
    await page.goto(first)
    await page.getByText('The link from your chat').waitFor()
    expect(page.url()).toBe(`${url}/`)
    expect(await page.locator('#composer').isVisible()).toBe(false)
    await page.getByRole('button', { name: 'Sign in' }).click()
    await page.getByText('Signed in as Ann').waitFor()
    await write('a cat')
    expect((await nextCall()).from).toMatchObject({ id: 'telegram:1', name: 'Ann' })
    await page.getByText('a cat').waitFor()

    await page.getByRole('button', { name: 'Sign out' }).click()
    await page.getByLabel('API key, from /apikey').waitFor()
    expect(await page.getByText('a cat').count()).toBe(0)
    await page.goto(first)
    await page.getByRole('button', { name: 'Sign in' }).click()
    await page.getByText('That link has already been used').waitFor()
    complaints = complaints.filter((each) => !each.includes('401'))
    await page.goto(await link())
    await page.getByRole('button', { name: 'Sign in' }).click()
    await page.getByText('Signed in as Ann').waitFor()
  })

  it('works below a path of the public address, with and without a slash at its end', async () => {
    await page.goto('about:blank')
    await close()
    await serve({ path: '/flux' })
    await page.context().clearCookies()
    await page.goto(`${url}?token=${signInToken(secretKey)}`)
    await page.locator('#composer').waitFor()
    expect(page.url()).toBe(`${url}/`)
    await page.goto(url)
    await write('a cat')
    await web.post((await nextCall()).address, { ...done, pictures: [await picture(64, 32)] })
    await page.getByRole('img', { name: 'a cute cat' }).waitFor()
    await expect.poll(() => page.evaluate(`document.querySelector('.pictures img').naturalWidth`)).toBe(64)
    const original = await page.locator('.pictures a').getAttribute('href')
    expect(original).toMatch(/^\/flux\/web\/pictures\//)
    expect((await page.request.get(new URL(original ?? '', url).href)).headers()['content-type']).toBe('image/png')
  })
})

// ── Helpers ──

/** A picture as the browser has decoded it. */
type Sized = { naturalWidth: number; naturalHeight: number }

const done: Reply = says('a cute cat · sketch · 16:9', 'done')
const stored = new Map<string, Buffer>()

async function picture(width: number, height: number) {
  const data = await pngOf(width, height)
  const key = `image/${width}x${height}.png`
  stored.set(key, data)
  return { file: { data, type: 'image/png' as const, width, height }, key, name: 'cat.png', alt: 'a cute cat' }
}

/** Starts the server on the port of the first start, so that the page can reconnect. */
async function serve({ path = '', ...over }: { apiKey?: string; path?: string } = {}): Promise<void> {
  const port = url === undefined ? 0 : Number(new URL(url).port)
  const log = keepLog()
  app = createApp({
    log,
    basePath: path,
    plugins: [
      async (each) => {
        each.get<{ Params: { '*': string } }>('/image/*', async (request, reply) =>
          reply.type('image/png').send(stored.get(request.params['*'])),
        )
      },
      async (each) => each.register(web.plugin),
    ],
  })
  const publicUrl = (port === 0 ? await freeUrl() : new URL(url).origin) + path
  web = createWeb({
    core: () => test.core,
    database: test.core.database,
    secretKey,
    publicUrl,
    link: async (key) => `${publicUrl}/image/${key}`,
    log,
    ...over,
  })
  await web.start(async (call) => {
    for (const image of call.images) loaded.push(await image.load(1_000_000))
    calls.push(flat(call))
  })
  await app.listen({ port: Number(new URL(publicUrl).port), host: '127.0.0.1' })
  url = publicUrl
}

async function freeUrl(): Promise<string> {
  const probe = createApp({ log: keepLog(), plugins: [] })
  const found = await probe.listen({ port: 0, host: '127.0.0.1' })
  await probe.close()
  return found
}

async function close(): Promise<void> {
  await app.close()
  await web.stop()
}

async function visit(): Promise<Page> {
  complaints = []
  const context = await browser.newContext({ viewport: { width: 1100, height: 760 }, locale: 'en-GB' })
  const opened = await context.newPage()
  watch(opened, url, complaints)
  await opened.goto(`${url}/?token=${signInToken(secretKey)}`)
  await opened.locator('#composer').waitFor()
  return opened
}

async function write(text: string): Promise<void> {
  await page.locator('#text').fill(text)
  await page.locator('#text').press('Enter')
}

/** Simulates a file from the clipboard or another window. */
async function give(how: 'paste' | 'drop', name: string, type: string, data: Buffer, on = 'document'): Promise<void> {
  const kind = how === 'paste' ? 'ClipboardEvent' : 'DragEvent'
  const field = how === 'paste' ? 'clipboardData' : 'dataTransfer'
  await page.evaluate(`{
    const carried = new DataTransfer()
    const bytes = new Uint8Array(${JSON.stringify([...data])})
    carried.items.add(new File([bytes], ${JSON.stringify(name)}, { type: ${JSON.stringify(type)} }))
    ${on}.dispatchEvent(new ${kind}('${how}', { bubbles: true, cancelable: true, ${field}: carried }))
  }`)
}

async function widthOf(selector: string): Promise<number> {
  return (await page.locator(selector).boundingBox())?.width ?? 0
}

async function nextCall(): Promise<FlatCall> {
  await expect.poll(() => calls.length).toBeGreaterThan(0)
  return calls.shift() as FlatCall
}
