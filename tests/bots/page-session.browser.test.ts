/** A whole session on the page, with the real service behind it and the built-in model drawing. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Browser, BrowserContextOptions, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { allSurfaces } from '../../src/bots/index.ts'
import { startBots } from '../../src/bots/start.ts'
import { signInToken } from '../../src/bots/web/access.ts'
import { compose } from '../../src/compose.ts'
import { readConfig } from '../../src/config.ts'
import type { Core } from '../../src/core/core.ts'
import { verifyLink } from '../../src/core/media/links.ts'
import { startWorker } from '../../src/core/worker/worker.ts'
import { pictures } from '../../src/http/pictures/pictures.ts'
import { createStoredPictures } from '../../src/http/pictures/stored.ts'
import { createApp } from '../../src/http/server/app.ts'
import { openTestDatabase, quickest } from '../helpers/backends.ts'
import { browserMissing, launch, shoot, watch } from '../helpers/browser.ts'
import { pngOf } from '../helpers/core.ts'
import { violations } from '../helpers/invariants.ts'
import { freePort } from '../helpers/ports.ts'

const missing = browserMissing('The page')
const timeout = 120_000
const stops: (() => unknown)[] = []
let browser: Browser
let core: Core
let url: string
let page: Page
let complaints: string[]

describe.skipIf(missing)('a session on the page', () => {
  beforeAll(async () => {
    const port = await freePort()
    const dataDir = await mkdtemp(join(tmpdir(), 'fluxbot-page-'))
    const test = await openTestDatabase(quickest)
    // fal is never asked: its models are there to choose from
    const settings = { DATA_DIR: dataDir, PORT: String(port), LOG_LEVEL: 'silent', FAL_KEY: 'no-key' }
    const config = readConfig({ ...settings, WELCOME_CREDITS: '100' })
    const surfaces = allSurfaces(config)
    const composed = await compose(config, { database: test.database, surfaces: surfaces.create })
    core = composed.core
    const worker = await startWorker(core)
    const bots = startBots(core, config.roles)
    await bots.started
    const stored = pictures({ ...createStoredPictures(core), verify: (link) => verifyLink(core.secretKey, link) })
    const app = createApp({ log: core.log, closeMs: 100, plugins: [...surfaces.plugins(), stored] })
    await app.listen({ port, host: '127.0.0.1' })
    url = `http://127.0.0.1:${port}`
    browser = await launch()
    stops.push(
      () => browser.close(),
      () => app.close(),
      () => bots.stop(),
      () => worker.stop(2_000),
      composed.close,
      () => test.drop(),
      () => rm(dataDir, { recursive: true, force: true }),
    )
  }, timeout)

  afterAll(async () => {
    const wrong = await violations(core.database)
    for (const stop of stops) await stop()
    expect(wrong).toEqual([])
  })

  afterEach(async () => {
    await page.context().close()
    expect(complaints).toEqual([])
  })

  const looks = [
    { name: '390-light', width: 390, height: 844, colorScheme: 'light' },
    { name: '390-dark', width: 390, height: 844, colorScheme: 'dark' },
    { name: '1280-light', width: 1280, height: 800, colorScheme: 'light' },
    { name: '1280-dark', width: 1280, height: 800, colorScheme: 'dark' },
  ] as const

  it.each(looks)(
    'goes from the first words to the history at $name',
    async ({ name, width, height, colorScheme }) => {
      await visit({ viewport: { width, height }, colorScheme })
      const isNarrow = width < 1040
      await shown(`${name}-1-start`)

      // the options of a model, and the price of what is composed
      if (isNarrow) await page.getByRole('button', { name: 'Options' }).click()
      await page.getByRole('combobox', { name: 'Model' }).selectOption('sketch')
      await page.locator('.choice', { hasText: '16:9' }).click()
      await page.getByRole('slider', { name: 'Pictures' }).fill('2')
      await page.getByRole('textbox', { name: 'Seed' }).fill('7')
      await page.getByRole('textbox', { name: 'Avoid' }).fill('clouds')
      await page.locator('#text').fill('a fox in a forest [slow 20s]')
      await page.locator('#price').getByText('Sketch (built in) · 2 credits').waitFor()
      expect(await page.locator('#balance').textContent()).toBe('100 credits left')
      await shown(`${name}-2-composed`)
      if (isNarrow) await page.getByRole('button', { name: /^Options/ }).click()

      // waiting, and cancelled
      await page.getByRole('button', { name: 'Send' }).click()
      await page.locator('[role=progressbar][aria-valuenow]').waitFor()
      await page.locator('#balance').getByText('98 credits left').waitFor()
      await shown(`${name}-3-waiting`)
      await page.getByRole('button', { name: 'Cancel' }).click()
      await page.locator('.message.failed').getByText('2 credits given back').waitFor()
      await page.locator('.toast').getByText('Cancelled.').waitFor()
      await page.locator('#balance').getByText('100 credits left').waitFor()
      await shown(`${name}-4-cancelled`)

      // a result
      await write('a fox in a forest at sunset')
      const result = page.locator('.message.done').last()
      await result.getByRole('img').nth(1).waitFor()
      await isTrue(`[...document.querySelectorAll('.pictures img')].every((each) => each.complete)`)
      expect(await result.locator('.facts').textContent()).toContain('seed 7')
      await page.locator('#balance').getByText('98 credits left').waitFor()
      await shown(`${name}-5-result`)

      // in full size
      await result.getByRole('link').first().click()
      const box = page.getByRole('dialog')
      await isTrue(`document.querySelector('#lightbox img').naturalWidth === 1024`)
      expect(await box.locator('.place').textContent()).toBe('1 / 2')
      const [file] = await Promise.all([
        page.waitForEvent('download'),
        box.getByRole('link', { name: 'Download' }).click(),
      ])
      expect(file.suggestedFilename()).toMatch(/\.(png|jpg|webp)$/)
      await shown(`${name}-6-lightbox`)
      await box.getByRole('button', { name: 'Next picture' }).click()
      expect(await box.locator('.place').textContent()).toBe('2 / 2')
      await box.getByRole('button', { name: 'Close' }).click()
      expect(await box.isVisible()).toBe(false)

      // a form, from the picture
      await result.getByRole('button', { name: /Edit/ }).click()
      const form = page.locator('.form')
      await form.getByRole('textbox', { name: 'Prompt' }).fill('the same forest in winter')
      await form.getByRole('combobox', { name: 'Model' }).selectOption('sketch')
      await shown(`${name}-7-form`)
      await form.getByRole('button', { name: 'Send' }).click()
      await page.locator('.message.done').getByText('the same forest in winter').waitFor()
      expect(await form.count()).toBe(0)

      // buttons whose effect shows in the message, or passes as a toast
      const edited = page.locator('.message.done', { hasText: 'the same forest in winter' })
      await edited.getByRole('button', { name: '⭐' }).click()
      await page.locator('.toast').getByText('Added to your favourites').waitFor()
      await edited.getByRole('button', { name: 'Delete' }).click()
      await edited.getByRole('button', { name: 'Delete for good' }).click()
      await edited.waitFor({ state: 'detached' })

      // a picture of the person's own, which can be departed from
      await page
        .locator('#files')
        .setInputFiles([{ name: 'blue.png', mimeType: 'image/png', buffer: await pngOf(640, 360) }])
      if (isNarrow) await page.getByRole('button', { name: /^Options/ }).click()
      await page.getByRole('slider', { name: 'Change' }).fill('0.4')
      await shown(`${name}-8-attached`)
      if (isNarrow) await page.getByRole('button', { name: /^Options/ }).click()
      await write('make it night')
      await page.getByText('Change: 0.4').waitFor()
      await page.locator('.message.done').getByText('make it night').waitFor()

      // what the menu sends
      await page.getByRole('navigation').getByRole('button', { name: 'History' }).click()
      await page.locator('.message.bot').getByText('Your requests').waitFor()
      await isTrue(`[...document.querySelectorAll('.pictures img')].every((each) => each.complete)`)
      await shown(`${name}-9-history`)
      for (const [command, text] of [
        ['Settings', 'Your settings'],
        ['Models', '🎨 Models'],
      ] as const) {
        const before = await page.locator('.message.bot').count()
        await page.getByRole('navigation').getByRole('button', { name: command }).click()
        await page.locator('.message.bot').nth(before).getByText(text).first().waitFor()
        await shown(`${name}-9-${command.toLowerCase()}`)
      }
      const settings = page.locator('.message.bot', { hasText: 'Your settings' }).first()
      await settings.getByRole('button').first().click()
      await page.locator('.form').waitFor()
      await shown(`${name}-9-settings-form`)
      await page.locator('.form').getByRole('button', { name: 'Close' }).click()
      await page.locator('.form').waitFor({ state: 'detached' })

      // a refusal before anything is sent
      await page.locator('#text').fill('a fox --steps 999')
      await page.locator('#trouble').getByText('does not fit --steps').waitFor()
      expect(await page.locator('#price').textContent()).toBe('')
      await shown(`${name}-10-refused`)
      expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(width)
      // a conversation that can be moved sideways slips away under the finger
      expect(await page.evaluate(`document.querySelector('#scroll').scrollWidth`)).toBeLessThanOrEqual(width)
    },
    timeout,
  )

  it(
    'can be played with the keyboard alone',
    async () => {
      await visit({ viewport: { width: 1280, height: 800 }, reducedMotion: 'reduce' })
      await page.keyboard.type('a cute cat [slow 20s]')
      // from the text over the send button to the model
      await tabTo('#option-model')
      await page.keyboard.type('Sketch')
      await tabTo('[name=option-aspect]')
      await page.keyboard.press('ArrowRight')
      await tabTo('#option-count')
      await page.keyboard.press('ArrowRight')
      await page.locator('#price').getByText('2 credits').waitFor()
      await tabTo('#text', 'Shift+Tab')
      await page.keyboard.press('Enter')
      await page.locator('[role=progressbar][aria-valuenow]').waitFor()

      // the waiting message changes several times a second, and its button keeps the focus
      await tabTo('.message .danger', 'Shift+Tab')
      const percent = () => page.locator('[role=progressbar]').getAttribute('aria-valuenow')
      const before = await percent()
      await expect.poll(percent).not.toBe(before)
      expect(await page.evaluate(`document.activeElement.matches('.message .danger')`)).toBe(true)
      await page.keyboard.press('Enter')
      await page.locator('.message.failed').waitFor()
      // the button is gone, and the focus stays at its message
      expect(await page.evaluate(`document.activeElement.className`)).toContain('failed')

      await tabTo('#text')
      await page.keyboard.type('a cute cat')
      await page.keyboard.press('Enter')
      const result = page.locator('.message.done')
      await result.getByRole('img').nth(1).waitFor()
      await tabTo('.pictures a:nth-of-type(2)', 'Shift+Tab')
      await page.keyboard.press('Enter')
      const box = page.getByRole('dialog')
      await box.waitFor()
      expect(await box.locator('.place').textContent()).toBe('2 / 2')
      await page.keyboard.press('ArrowLeft')
      expect(await box.locator('.place').textContent()).toBe('1 / 2')
      // the focus cannot leave the dialog for the page behind it
      for (let times = 0; times < 8; times++) {
        await page.keyboard.press('Tab')
        const where = `document.activeElement === document.body || document.activeElement.closest('#lightbox') !== null`
        expect(await page.evaluate(where)).toBe(true)
      }
      await shown('keyboard-1-lightbox')
      await page.keyboard.press('Escape')
      expect(await box.isVisible()).toBe(false)
      expect(await page.evaluate(`document.activeElement.matches('.pictures a:first-of-type')`)).toBe(true)

      await tabTo('.buttons button', 'Tab', 'Edit')
      await page.keyboard.press('Enter')
      await page.locator('.form').waitFor()
      await tabTo('.form textarea')
      await shown('keyboard-2-form')
      await page.keyboard.press('Control+A')
      await page.keyboard.type('a cute dog')
      await tabTo('.form select[name=model]')
      await page.keyboard.type('Sketch')
      await tabTo('.form button')
      await page.keyboard.press('Enter')
      await page.locator('.message.done').getByText('a cute dog').waitFor()

      await tabTo('#menu button', 'Shift+Tab', 'History')
      await page.keyboard.press('Enter')
      await page.locator('.message.bot').getByText('Your requests').waitFor()
    },
    timeout,
  )
})

// ── Helpers ──

/** A person of its own for each test. */
async function visit(options: BrowserContextOptions): Promise<void> {
  complaints = []
  const context = await browser.newContext({ locale: 'en-GB', deviceScaleFactor: 1, ...options })
  page = await context.newPage()
  watch(page, url, complaints)
  await page.goto(`${url}/?token=${signInToken(core.secretKey)}`)
  await page.locator('#balance').getByText('100 credits left').waitFor()
}

async function write(text: string): Promise<void> {
  await page.locator('#text').fill(text)
  await page.locator('#text').press('Enter')
}

async function shown(name: string): Promise<void> {
  await shoot(page, `page-${name}`)
}

/** `waitForFunction` evaluates in the page, which its policy forbids. */
const isTrue = (script: string) => expect.poll(() => page.evaluate(script)).toBe(true)

const mostTabs = 90

/** Presses Tab until the focus is there. Fails if it never arrives, or if it is not visible. */
async function tabTo(selector: string, key = 'Tab', label = ''): Promise<void> {
  const arrived = `{
    const { activeElement: focused } = document
    focused.matches(${JSON.stringify(selector)}) && focused.textContent.includes(${JSON.stringify(label)})
  }`
  for (let times = 0; times < mostTabs; times++) {
    await page.keyboard.press(key)
    if (!(await page.evaluate(arrived))) continue
    expect(await page.evaluate(isOutlined), `the focus on ${selector}`).toBe(true)
    return
  }
  throw new Error(`${key} does not lead to ${selector}`)
}

/** The focused element, its label or the box around it has an outline or the colour of the focus. */
const isOutlined = `{
  const { activeElement: focused } = document
  const candidates = [focused, focused.closest('.choice'), focused.closest('#box')].filter(Boolean)
  candidates.some((each) => {
    const { outlineStyle, borderColor } = getComputedStyle(each)
    return outlineStyle !== 'none' || (each.id === 'box' && borderColor !== 'rgb(220, 220, 232)')
  })
}`
