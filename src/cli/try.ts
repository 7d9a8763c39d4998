/**
 * `npm run try -- "a cute cat 16:9"`: sends one request through the whole pipeline, without a server and with an
 * embedded database of its own. Prints progress to standard error and one JSON line to standard output.
 * Exit codes: 0 delivered, 1 accepted but failed, 2 refused.
 */

import { join } from 'node:path'
import { sql } from 'drizzle-orm'
import { allActions } from '../bots/actions/index.ts'
import { allCommands } from '../bots/commands/index.ts'
import { createDispatch } from '../bots/dispatch.ts'
import { plainText } from '../bots/layout.ts'
import { compose } from '../compose.ts'
import { loadConfig } from '../config.ts'
import { accountOf, readAccount } from '../core/accounts/accounts.ts'
import { grant } from '../core/billing/ledger.ts'
import type { Core } from '../core/core.ts'
import type { Call, ChatSurface, Reply } from '../core/ports/chat.ts'
import { startWorker } from '../core/worker/worker.ts'
import { columnsOf, readRows, typed } from '../db/columns.ts'
import { generations } from '../db/schema/generations.ts'
import { localeOf } from '../locales/index.ts'

const from = { id: 'cli:local', name: 'command line' }
/** More than any single request costs. */
const enoughCredits = 1000

interface Outcome {
  reply: Reply
}

async function main(text: string): Promise<number> {
  if (text.trim() === '') {
    process.stderr.write('Write what to draw, for example: npm run try -- "a cute cat 16:9"\n')
    return 2
  }
  const config = loadConfig()
  const dataDir = join(config.dataDir, 'try')
  let settle: (outcome: Outcome) => void = () => undefined
  const outcome = new Promise<Outcome>((resolve) => {
    settle = resolve
  })
  const terminal = terminalSurface(settle)
  const { core, close } = await compose(
    {
      ...config,
      dataDir,
      databaseUrl: undefined,
      redisUrl: undefined,
      cos: undefined,
      s3: undefined,
      logLevel: 'silent',
    },
    { surfaces: () => [terminal], report: (line) => process.stderr.write(`${line}\n`) },
  )
  try {
    await topUp(core)
    const worker = await startWorker(core)
    const key = `cli:${process.pid}:${Date.now()}`
    const call: Call = {
      key,
      surface: 'cli',
      address: 'cli:local',
      from,
      locale: localeOf(Intl.DateTimeFormat().resolvedOptions().locale),
      place: { channel: 'local', nsfw: false, manager: false, roles: [] },
      act: { kind: 'message', text },
      images: [],
    }
    await createDispatch(core, { commands: allCommands, actions: allActions })(call)
    const { reply } = await outcome
    const ended = await waitForRow(core, key)
    await worker.stop(1_000)
    return report({ reply, ended, imagesFolder: join(dataDir, 'images') })
  } finally {
    await close()
  }
}

const rowColumns = columnsOf({
  id: generations.id,
  state: generations.state,
  model: generations.model,
  charged: typed<number>(sql`coalesce((select -sum(amount)::int from ledger where generation_id = generations.id), 0)`),
})

type Row = NonNullable<(typeof rowColumns)['row']>

/** Waits for the row to end, which happens just after the picture is shown. undefined: the request was not accepted. */
async function waitForRow(core: Core, key: string): Promise<Row | undefined> {
  for (;;) {
    const [row] = await readRows(
      core.database,
      rowColumns,
      (list) => sql`select ${list} from generations where key = ${key}`,
    )
    if (!row || ['delivered', 'failed', 'cancelled'].includes(row.state)) return row
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}

interface Result {
  reply: Reply
  /** Absent: the request was not accepted. */
  ended?: Row
  imagesFolder: string
}

/** Prints the result and returns the exit code. */
function report({ reply, ended, imagesFolder }: Result): number {
  if (!ended) {
    process.stderr.write(`${plainText(reply)}\n`)
    return 2
  }
  const pictures = reply.pictures ?? []
  const [picture] = pictures
  if (!picture) process.stderr.write(`${plainText(reply)}\n`)
  const { width = null, height = null } = picture?.file ?? {}
  const files = pictures.map(({ key }) => join(imagesFolder, key))
  const { id, state: status, model, charged: credits } = ended
  process.stdout.write(
    `${JSON.stringify({ id, status, model, width, height, credits, file: files[0] ?? null, files })}\n`,
  )
  return status === 'delivered' ? 0 : 1
}

/** Keeps enough credits in the account of the command line, whose user operates this machine. */
async function topUp(core: Core): Promise<void> {
  const userId = await accountOf(core, from)
  const { balance } = await readAccount(core, userId)
  if (balance >= enoughCredits) return
  const key = `cli:${process.pid}:${Date.now()}:top-up`
  await grant(core, { userId, amount: enoughCredits, source: 'admin', reason: 'command line', actor: from.id, key })
}

function terminalSurface(settle: (outcome: Outcome) => void): ChatSurface {
  const show = async (reply: Reply) => {
    if (reply.state === 'waiting') progressBar(reply)
    else settle({ reply })
    return 'cli:local' as const
  }
  return {
    name: 'cli',
    start: async () => undefined,
    stop: async () => undefined,
    notReady: () => undefined,
    post: (_address, reply) => show(reply),
    edit: (_posted, reply) => show(reply),
    changeButtons: async () => undefined,
    remove: async () => undefined,
  }
}

const barWidth = 30

function progressBar(reply: Reply): void {
  const percent = (reply.content.kind === 'drawing' && reply.content.percent) || 0
  const done = Math.round((percent / 100) * barWidth)
  process.stderr.write(`[${'█'.repeat(done)}${'░'.repeat(barWidth - done)}] ${plainText(reply)}\n`)
}

process.exitCode = await main(process.argv.slice(2).join(' ')).catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
  return 1
})
