import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { browserMissing, launch, shoot, watch } from '../../helpers/browser.ts'
import { freePort } from '../../helpers/ports.ts'
import { openEverything, type Service } from './service.ts'

const missing = browserMissing('The documentation page')

let browser: Browser
let service: Service
let page: Page
/** Errors and warnings of the browser, and requests to other servers. */
const complaints: string[] = []

describe.skipIf(missing)('the documentation page', () => {
  beforeAll(async () => {
    const port = await freePort()
    service = await openEverything({ publicUrl: `http://127.0.0.1:${port}` })
    await service.app.listen({ port, host: '127.0.0.1' })
    browser = await launch()
    page = await visit(`${service.publicUrl}/docs`)
  })
  afterAll(async () => {
    await browser?.close()
    expect(await service.close()).toEqual([])
    // swagger-ui works without the component of this name
    const known = 'Could not find component: JsonSchema_string_binary'
    expect(complaints.filter((each) => each !== known)).toEqual([])
  })

  it('shows every operation under the tag of its family', async () => {
    for (const { name } of service.document.tags) {
      const own = service.contract.operations.filter(({ tags }) => tags?.includes(name))
      const section = page.locator('.opblock-tag-section', { has: page.locator(`[data-tag="${name}"]`) })
      const shown = await section
        .locator('.opblock-summary')
        .evaluateAll((rows: Row[]) =>
          rows.map(
            (row) =>
              `${row.querySelector('.opblock-summary-method')?.textContent} ${row.querySelector('[data-path]')?.getAttribute('data-path')}`,
          ),
        )
      expect(shown.sort(), name).toEqual(own.map(({ method, path }) => `${method} ${path}`).sort())
    }
    expect(await page.title()).toBe('fluxbot API')
  })

  it('takes a key, and sends a request with it', async () => {
    const key = await service.keyWith(0)
    await page.getByRole('button', { name: 'Authorize' }).first().click()
    const dialog = page.locator('.dialog-ux')
    await dialog.getByLabel('auth-bearer-value').fill(key)
    await dialog.getByRole('button', { name: 'Apply credentials' }).first().click()
    await dialog.getByRole('button', { name: 'Close' }).first().click()
    const operation = page.locator('#operations-OpenAI-listModels')
    await operation.locator('.opblock-summary-control').click()
    await operation.getByRole('button', { name: 'Try it out' }).click()
    await operation.getByRole('button', { name: 'Execute' }).click()
    const answer = operation.locator('.live-responses-table .response .highlight-code')
    await expect.poll(() => answer.first().textContent()).toContain('"sketch"')
    await operation.locator('.opblock-summary-control').click()
  })

  it('shows the fields of a form, with an input for files', async () => {
    const operation = page.locator('#operations-OpenAI-createImageEdit')
    await operation.locator('.opblock-summary-control').click()
    await operation.getByRole('button', { name: 'Try it out' }).click()
    await operation
      .locator('input[type=file], button:has-text("Add string item"), button:has-text("Add item")')
      .first()
      .waitFor()
    await operation.locator('.opblock-summary-control').click()
  })
})

type Row = {
  querySelector(selector: string): { textContent: string | null; getAttribute(name: string): string | null } | null
}

async function visit(address: string): Promise<Page> {
  const context = await browser.newContext({ viewport: { width: 1200, height: 2_000 } })
  const opened = await context.newPage()
  watch(opened, `${service.publicUrl}/`, complaints)
  await opened.goto(address)
  await opened.locator('.opblock').first().waitFor()
  await shoot(opened, 'docs', { fullPage: true })
  return opened
}
