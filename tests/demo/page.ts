/** Shows the demo's transcript as a page, and photographs it where this machine has Chromium. */
import { existsSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { chromium } from 'playwright-core'
import type { DemoLine } from './demo.ts'

const executablePath = process.env.CHROMIUM ?? '/usr/bin/chromium'

/** Writes demo.html, and demo.jpg if Chromium is installed, into the folder. Returns the files. */
export async function writePage(lines: readonly DemoLine[], folder: string): Promise<string[]> {
  const page = join(folder, 'demo.html')
  await writeFile(page, await pageOf(lines))
  if (!existsSync(executablePath)) return [page]
  const screenshot = join(folder, 'demo.jpg')
  // Chromium refuses its sandbox to root
  const browser = await chromium.launch({ executablePath, chromiumSandbox: process.getuid?.() !== 0 })
  try {
    const tab = await browser.newPage({ viewport: { width: 1080, height: 870 } })
    await tab.goto(pathToFileURL(page).href)
    await tab.screenshot({ path: screenshot, quality: 85 })
  } finally {
    await browser.close()
  }
  return [page, screenshot]
}

async function pageOf(lines: readonly DemoLine[]): Promise<string> {
  const surfaces = [...new Set(lines.map(({ surface }) => surface))]
  const columns = surfaces.map(async (surface) => {
    const messages = await Promise.all(lines.filter((line) => line.surface === surface).map(exchangeOf))
    return `<section class="${surface}"><h2>${surface}</h2>${messages.join('')}</section>`
  })
  return `<!doctype html><meta charset="utf-8"><title>fluxbot demo</title><style>${style}</style>
<main>${(await Promise.all(columns)).join('')}</main>\n`
}

async function exchangeOf({ who, said, answer, picture }: DemoLine): Promise<string> {
  const drawn = picture
    ? `<img alt="" width="${picture.width}" height="${picture.height}" src="data:image/png;base64,${(await readFile(picture.file)).toString('base64')}">`
    : ''
  return `<p class="person"><b>${escaped(who)}</b>${escaped(said)}</p><div class="bot"><b>fluxbot</b>${drawn}<span>${escaped(answer)}</span></div>`
}

const escaped = (text: string) => text.replace(/[&<>"]/g, (char) => `&#${char.charCodeAt(0)};`)

const style = `
body { margin: 0; font: 15px/1.4 system-ui, sans-serif; background: #fff }
main { display: grid; grid-template-columns: 1fr 1fr }
section { padding: 16px 24px }
h2 { margin: 0 0 12px; font-size: 15px; text-transform: capitalize; opacity: .6 }
p, .bot { margin: 0 0 10px; padding: 8px 12px; border-radius: 12px; width: fit-content; max-width: 80% }
b { display: block; font-size: 13px }
img { display: block; margin: 6px 0; width: auto; height: auto; max-width: 100%; max-height: 220px; border-radius: 8px }
span { white-space: pre-line }
.discord { background: #313338; color: #dbdee1 }
.discord p, .discord .bot { padding-left: 0 }
.discord .bot b { color: #949cf7 }
.telegram { background: #d5e3cf; color: #111 }
.telegram p { margin-left: auto; background: #effdde }
.telegram .bot { background: #fff }
.telegram .bot b { color: #3a8fd9 }
`
