/** A headless browser for tests of pages, and what it complains about. */
import { existsSync } from 'node:fs'
import { type Browser, chromium, type Page } from 'playwright-core'

const executablePath = process.env.CHROMIUM ?? '/usr/bin/chromium'

/** Whether to skip these tests, after saying so. In CI that is an error. */
export function browserMissing(what: string): boolean {
  if (existsSync(executablePath)) return false
  const cure = `No browser at ${executablePath}: apt-get install -y chromium, or set CHROMIUM to the path of one.`
  if (process.env.CI) throw new Error(cure)
  process.stderr.write(`${what} is not tested. ${cure}\n`)
  return true
}

const args = [
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

/** Chromium has no sandbox for root. */
export const launch = (): Promise<Browser> =>
  chromium.launch({ executablePath, args, chromiumSandbox: process.getuid?.() !== 0 })

/** Adds errors and warnings of the page, and requests that do not start with `home`, to the list. */
export function watch(page: Page, home: string, complaints: string[]): void {
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) complaints.push(message.text())
  })
  page.on('pageerror', (error) => complaints.push(String(error)))
  page.on('request', (request) => {
    const url = request.url()
    if (!url.startsWith(home) && !/^(blob|data|about):/.test(url)) complaints.push(url)
  })
}

/** Keeps a screenshot if SCREENSHOTS names a folder. */
export async function shoot(page: Page, name: string, { fullPage = false } = {}): Promise<void> {
  const folder = process.env.SCREENSHOTS
  if (folder !== undefined) await page.screenshot({ path: `${folder}/${name}.png`, fullPage })
}
