/**
 * `npm run demo`: runs the built service in a process of its own with both bots connected to the emulated chats, plays
 * the same evening on each, prints the transcript, and writes the pictures and a page for each chat to demo-output/.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import sharp from 'sharp'
import { chatOnDiscord, chatOnTelegram } from '../emulators/chat.ts'
import { startDiscord } from '../emulators/discord/index.ts'
import { startLlm } from '../emulators/llm/index.ts'
import { startTelegram } from '../emulators/telegram/index.ts'
import { writePages } from './page.ts'
import { admin, type Exchange, evening, welcomeCredits } from './script.ts'

const root = fileURLToPath(new URL('../../', import.meta.url))
const output = 'demo-output'
const readyMs = 150_000

export interface DemoLine extends Omit<Exchange, 'picture'> {
  surface: string
  picture?: { file: string; width: number; height: number }
}

export async function playDemo(say: (line: DemoLine) => void): Promise<DemoLine[]> {
  const [discord, telegram, llm] = await Promise.all([startDiscord(), startTelegram(), startLlm()])
  const stages = [
    { chat: chatOnDiscord(discord), place: 'group' as const },
    { chat: chatOnTelegram(telegram), place: 'private' as const },
  ]
  const dataDir = await mkdtemp(join(tmpdir(), 'fluxbot-demo-'))
  const service = startService({
    DATA_DIR: dataDir,
    PORT: '0',
    WELCOME_CREDITS: String(welcomeCredits),
    PROVIDER_CONCURRENCY: '1', // so that a second request waits in the queue
    LOG_LEVEL: 'silent',
    ADMIN_IDS: stages.map(({ chat }) => chat.person(admin).identity).join(),
    DISCORD_TOKEN: discord.token,
    DISCORD_API_URL: discord.apiUrl,
    TELEGRAM_TOKEN: telegram.token,
    TELEGRAM_API_URL: telegram.apiUrl,
    EXTERNAL_API_BASE: llm.baseUrl,
    EXTERNAL_MODEL: llm.model,
    EXTERNAL_API_KEY: llm.key,
  })
  const lines: DemoLine[] = []
  try {
    await service.ready
    await mkdir(output, { recursive: true })
    for (const { chat, place } of stages) {
      for await (const { picture, ...exchange } of evening(chat, place)) {
        const line: DemoLine = { surface: chat.name, ...exchange }
        if (picture) line.picture = await save(picture, `${chat.name}-${lines.length + 1}.png`)
        lines.push(line)
        say(line)
      }
    }
    const violations = stages.flatMap(({ chat }) => chat.violations())
    if (violations.length > 0)
      throw new Error(`violations of the platforms' API descriptions:\n${violations.join('\n')}`)
    return lines
  } finally {
    await service.stop()
    await Promise.all([discord.stop(), telegram.stop(), llm.stop()])
    await rm(dataDir, { recursive: true, force: true })
  }
}

async function save(picture: Buffer, name: string): Promise<NonNullable<DemoLine['picture']>> {
  const file = join(output, name)
  await writeFile(file, picture)
  const { width, height } = await sharp(picture).metadata()
  return { file, width, height }
}

function startService(settings: Record<string, string>): { ready: Promise<void>; stop(): Promise<void> } {
  const { PATH, HOME } = process.env
  const child = spawn(process.execPath, [join(root, 'dist/main.js')], {
    cwd: tmpdir(),
    env: { PATH, HOME, ...settings },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  return {
    ready: untilReady(child),
    stop: async () => {
      child.kill('SIGTERM')
      await ended
    },
  }
}

function untilReady(child: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`not ready after ${readyMs} ms`)), readyMs)
    child.stdout?.on('data', (text: Buffer) => {
      if (!text.includes('fluxbot is ready')) return
      clearTimeout(timer)
      resolve()
    })
    child.once('exit', (code) => reject(new Error(`the service ended with ${code}`)))
  })
}

function print({ surface, who, did, said, answer, picture, buttons, seenBy }: DemoLine): void {
  const lines = [
    `[${surface}] ${who} ${did}: ${said}`,
    ...(seenBy ? [`(seen by ${seenBy})`] : []),
    ...answer.split('\n'),
    ...(picture ? [`🖼 ${picture.width}×${picture.height} ${picture.file}`] : []),
    ...buttons.map((row) => row.map(({ label }) => `[${label}]`).join(' ')),
  ]
  process.stdout.write(`\n${lines.join('\n  ')}\n`)
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const files = await writePages(await playDemo(print), output)
  process.stdout.write(`\nThe pictures are in ${output}, and the chats are in ${files.join(', ')}\n`)
}
