/**
 * `npm run demo`: runs the built service in a process of its own with both bots connected to the emulated chats. It plays the same
 * evening on each, which it prints, and then the scenes of each chat. Transcripts, pictures and pages go to demo-output/.
 */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import sharp from 'sharp'
import { chatOnDiscord, chatOnTelegram } from '../emulators/chat.ts'
import { startDiscord } from '../emulators/discord/index.ts'
import { startLlm } from '../emulators/llm/index.ts'
import { startTelegram } from '../emulators/telegram/index.ts'
import { playEvenings } from './evenings.ts'
import { writePages } from './page.ts'
import { admin, type Exchange, evening, welcomeCredits } from './script.ts'
import { startService } from './service.ts'
import type { Scene } from './stage.ts'
import { sceneOf, writeTranscripts } from './transcript.ts'

const output = 'demo-output'

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
  const service = await startService({
    WELCOME_CREDITS: String(welcomeCredits),
    PROVIDER_CONCURRENCY: '1', // so that a second request waits in the queue
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
  }
}

async function save(picture: Buffer, name: string): Promise<NonNullable<DemoLine['picture']>> {
  const file = join(output, name)
  await writeFile(file, picture)
  const { width, height } = await sharp(picture).metadata()
  return { file, width, height }
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

/** Plays all of it, and writes it down. `say` gets the first evening line by line. */
export async function playAll(say: (line: DemoLine) => void): Promise<{ scenes: Scene[]; files: string[] }> {
  const lines = await playDemo(say)
  const surfaces = [...new Set(lines.map(({ surface }) => surface))]
  const evenings = await playEvenings(output)
  const scenes = surfaces.flatMap((surface) => [
    sceneOf(surface, lines, output),
    ...evenings.filter((scene) => scene.surface === surface),
  ])
  return { scenes, files: [...(await writeTranscripts(scenes, output)), ...(await writePages(lines, output))] }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { files } = await playAll(print)
  process.stdout.write(`\nThe pictures are in ${output}, and all that was said is in ${files.join(', ')}\n`)
}
