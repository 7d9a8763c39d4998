/** Shows the evening as pages, and photographs them where this machine has Chromium. */
import { existsSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { chromium } from 'playwright-core'
import sharp from 'sharp'
import type { DemoLine } from './demo.ts'

const executablePath = process.env.CHROMIUM ?? '/usr/bin/chromium'
/** Pixels; pages are as high as the evening is long. */
const viewport = { width: 1200, height: 300 }
/** Twice as large as a picture is shown. */
const pictureEdge = 520

interface Page {
  name: string
  /** Side by side. */
  columns: number
  lines: readonly DemoLine[]
}

/**
 * Writes pages into the folder: demo.html with the highlights of both chats side by side, and one with the whole evening of
 * each chat. With Chromium there is a .jpg of each. Returns the files.
 */
export async function writePages(lines: readonly DemoLine[], folder: string): Promise<string[]> {
  const surfaces = [...new Set(lines.map(({ surface }) => surface))]
  const pages: Page[] = [
    { name: 'demo', columns: 1, lines: lines.filter(({ highlight }) => highlight) },
    ...surfaces.map((surface) => ({
      name: `demo-${surface}`,
      columns: 3,
      lines: lines.filter((line) => line.surface === surface),
    })),
  ]
  const files: string[] = []
  for (const page of pages) {
    const file = join(folder, `${page.name}.html`)
    await writeFile(file, await htmlOf(page))
    files.push(file)
  }
  return existsSync(executablePath) ? [...files, ...(await photograph(files))] : files
}

async function photograph(pages: readonly string[]): Promise<string[]> {
  // Chromium refuses its sandbox to root
  const browser = await chromium.launch({ executablePath, chromiumSandbox: process.getuid?.() !== 0 })
  try {
    const tab = await browser.newPage({ viewport })
    const screenshots: string[] = []
    for (const page of pages) {
      const path = page.replace(/html$/, 'jpg')
      await tab.goto(pathToFileURL(page).href)
      await tab.screenshot({ path, quality: 62, fullPage: true })
      screenshots.push(path)
    }
    return screenshots
  } finally {
    await browser.close()
  }
}

async function htmlOf({ name, columns, lines }: Page): Promise<string> {
  const surfaces = [...new Set(lines.map(({ surface }) => surface))]
  const chats = surfaces.map(async (surface) => {
    const articles: string[] = []
    const drawn = new Set<string>()
    for (const line of lines.filter((each) => each.surface === surface)) {
      articles.push(await articleOf(line, drawn.has(labelsOf(line))))
      if (line.buttons.length > 1) drawn.add(labelsOf(line))
    }
    return `<section class="${surface}"><h2>${surface}</h2><div>${articles.join('\n')}</div></section>`
  })
  return `<!doctype html><meta charset="utf-8"><title>fluxbot: ${name}</title>
<style>${style} section > div { columns: ${columns} }</style><main>${(await Promise.all(chats)).join('')}</main>\n`
}

/** `isRepeated`: an earlier message has the same rows of buttons, which are drawn once. */
async function articleOf(line: DemoLine, isRepeated: boolean): Promise<string> {
  const { answer, picture, buttons, seenBy } = line
  const drawn = picture ? await imageOf(picture.file) : ''
  const rows = buttons.map((row) => `<div>${row.map(({ label }) => `<kbd>${escaped(label)}</kbd>`).join('')}</div>`)
  const below = isRepeated ? '<small>… and the buttons of other results</small>' : rows.join('')
  const seen =
    seenBy && `<small>${seenBy === 'the private chat' ? '🔒 in the private chat' : '👁 Only you can see this'}</small>`
  return `<article>${actOf(line)}<div class="bot"><b>fluxbot</b>${quoteOf(line)}${drawn}<span>${escaped(answer)}</span>
${below}${seen ?? ''}</div></article>`
}

const labelsOf = ({ buttons }: DemoLine) =>
  buttons
    .flat()
    .map(({ label }) => label)
    .join()

/** What the person did. On Discord it stands above the answer, on Telegram it is a message of its own. */
function actOf({ surface, who, did, said }: DemoLine): string {
  if (did === 'received') return ''
  if (did !== 'wrote') return `<p class="press">${escaped(who)} ${did} <kbd>${escaped(said)}</kbd></p>`
  if (surface === 'discord') return ''
  return `<p class="person"><b>${escaped(who)}</b><span>${escaped(said)}</span></p>`
}

function quoteOf({ surface, who, did, said }: DemoLine): string {
  if (did === 'pressed' || did === 'filled in') return ''
  if (surface === 'telegram') return `<q>${escaped(who)}: ${escaped(said)}</q>`
  return `<q>${escaped(who)} used ${escaped(said.startsWith('/') ? said : `/flux ${said}`)}</q>`
}

async function imageOf(file: string): Promise<string> {
  const small = sharp(file).resize({ width: pictureEdge, height: pictureEdge, fit: 'inside' }).webp({ quality: 90 })
  return `<img alt="" src="data:image/webp;base64,${(await small.toBuffer()).toString('base64')}">`
}

const escaped = (text: string) => text.replace(/[&<>"]/g, (char) => `&#${char.charCodeAt(0)};`)

const style = `
body { margin: 0; font: 14px/1.4 system-ui, sans-serif }
main { display: grid; grid-auto-flow: column; grid-auto-columns: 1fr }
section { padding: 16px 24px }
section > div { column-gap: 28px }
h2 { margin: 0 0 12px; font-size: 15px; text-transform: capitalize; opacity: .6 }
article { break-inside: avoid; padding-bottom: 6px }
p, .bot { margin: 0 0 8px; padding: 7px 11px; border-radius: 12px; width: fit-content; max-width: 92%; box-sizing: border-box }
b { display: block; font-size: 13px }
q { display: block; margin: 2px 0; padding-left: 6px; border-left: 3px solid; font-size: 12px; opacity: .65; quotes: none }
img { display: block; margin: 5px 0; max-width: 100%; max-height: 160px; border-radius: 8px }
span { white-space: pre-line; overflow-wrap: anywhere }
small { display: block; margin-top: 3px; font-size: 12px; opacity: .7 }
.bot div { display: flex; flex-wrap: wrap; gap: 4px; margin-top: 4px }
kbd { padding: 2px 8px; border-radius: 6px; font: 12px/1.5 system-ui, sans-serif; white-space: nowrap }
.press { padding-block: 0; font-size: 13px }
.discord { background: #313338; color: #dbdee1 }
.discord p, .discord .bot { padding-left: 0 }
.discord .bot b { color: #949cf7 }
.discord kbd { background: #4e5058; color: #fff }
.telegram { background: #d5e3cf; color: #111 }
.telegram p { margin-left: auto }
.telegram .person { background: #effdde }
.telegram .bot { background: #fff }
.telegram .bot b, .telegram q { color: #3a8fd9 }
.telegram kbd { background: #5f8f6e; color: #fff }
`
