/**
 * A core on a real database, queue and store. Its chat and providers are replacements that tests control: a chat that keeps its
 * messages, and a provider that draws at once.
 */
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sql } from 'drizzle-orm'
import sharp from 'sharp'
import { allActions } from '../../src/bots/actions/index.ts'
import { allCommands } from '../../src/bots/commands/index.ts'
import { createDispatch } from '../../src/bots/dispatch.ts'
import { plainText } from '../../src/bots/layout.ts'
import { compose, type Parts } from '../../src/compose.ts'
import { readConfig } from '../../src/config.ts'
import { withTariff } from '../../src/core/billing/tariff.ts'
import type { Core } from '../../src/core/core.ts'
import type { Attachment, Call, ChatSurface, Posted, Reply, SentMessages } from '../../src/core/ports/chat.ts'
import type { Model } from '../../src/core/ports/models.ts'
import type { Enhancer, ImageProvider, ProviderKind, ProviderSettings } from '../../src/core/ports/providers.ts'
import { ask, type ProgramRequest } from '../../src/core/programs/ask.ts'
import { chooseModel } from '../../src/core/request/choose-model.ts'
import { startWorker, type Worker } from '../../src/core/worker/worker.ts'
import { createApiSurface } from '../../src/http/api/surface.ts'
import { sketch } from '../../src/models/sketch.ts'
import { createQueue } from '../../src/queue/bullmq.ts'
import type { RedisAddress } from '../../src/queue/redis.ts'
import { type Backend, openTestDatabase, type TestDatabase, testQueueBackend } from './backends.ts'
import type { Way } from './databases.ts'
import { storeSettings } from './store.ts'

/** `text`: what a surface without markup shows of it. */
export type ShownReply = Reply & { text: string }

export interface ShownMessage {
  id: Posted
  address: string
  history: ShownReply[]
}

/** Chat that keeps its messages. A post or edit rejects with the error that `refuse` returns. */
export interface TestChat extends ChatSurface {
  messages: ShownMessage[]
  refuse?: (reply: Reply) => Error | undefined
  last(address: string): ShownReply | undefined
}

export function createChat(options: { name?: string; postsAnew?: boolean } = {}): TestChat {
  const { name = 'test', postsAnew = false } = options
  const messages: ShownMessage[] = []
  let posts = 0
  const shown = (reply: Reply): ShownReply => ({ ...reply, text: plainText(reply) })
  const check = (reply: Reply) => {
    const error = chat.refuse?.(reply)
    if (error) throw error
  }
  const record = async (posted: Posted, { pictures = [], buttons }: Reply, sent?: SentMessages) => {
    if (pictures.length === 0) return
    await sent?.add({ posted, part: 0, fileIds: [], message: posted, buttons: buttons !== undefined })
  }
  const chat: TestChat = {
    name,
    postsAnew,
    messages,
    start: async () => undefined,
    stop: async () => undefined,
    notReady: () => undefined,
    post: async (address, given, sent) => {
      const reply = shown(given)
      check(reply)
      const known = postsAnew ? undefined : messages.find((message) => message.address === address)
      if (known) known.history.push(reply)
      else messages.push({ id: `${name}:${posts++}`, address, history: [reply] })
      const { id } = known ?? messages.at(-1) ?? { id: `${name}:0` as const }
      await record(id, reply, sent)
      return id
    },
    edit: async (posted, given, sent) => {
      const reply = shown(given)
      check(reply)
      const message = messages.find((each) => each.id === posted)
      if (!message) throw new Error(`no message ${posted}`)
      message.history.push(reply)
      await record(posted, reply, sent)
      return posted
    },
    changeButtons: async (posted, { buttons }) => {
      const message = messages.find((each) => each.id === posted)
      const reply = message?.history.at(-1)
      if (reply) message?.history.push({ ...reply, buttons })
    },
    remove: async (posted) => {
      const index = messages.findIndex((each) => each.id === posted)
      if (index >= 0) messages.splice(index, 1)
    },
    last: (address) => messages.findLast((message) => message.address === address)?.history.at(-1),
  }
  return chat
}

export const pngOf = (width: number, height: number, background = '#3366cc'): Promise<Buffer> =>
  sharp({ create: { width, height, channels: 3, background } })
    .png()
    .toBuffer()

/** A picture with six bytes for each pixel, which PNG makes no smaller. */
export function noiseOf(width: number, height: number): Promise<Buffer> {
  const samples = new Uint16Array(new Uint8Array(randomBytes(width * height * 6)).buffer)
  return sharp(samples, { raw: { width, height, channels: 3 } })
    .toColourspace('rgb16')
    .png({ compressionLevel: 0 })
    .toBuffer()
}

/** Provider that draws a plain picture at once. */
export function createPlain(over: Partial<ImageProvider> = {}): ImageProvider & { starts: string[] } {
  const starts: string[] = []
  return {
    name: 'sketch',
    repeatable: true,
    start: async (task) => {
      starts.push(task.id)
      return { state: 'done', images: [await pngOf(64, 64)], seed: '7' }
    },
    ...over,
    starts,
  }
}

export interface TestCore {
  core: Core
  chat: TestChat
  /** Handles a call as a surface does. */
  say(text: string, from?: Partial<Call> & { who?: string }): Promise<Call>
  /** Resolves with the final state of the call's generation. */
  ended(call: Call): Promise<string>
  work(): Promise<Worker>
  /** Removes everything that the queue has stored. */
  lose(): Promise<void>
  /** With which other processes open the database. Absent: pglite. */
  databaseUrl?: string
  close(): Promise<void>
}

export interface TestCoreOptions {
  /** A kind is set up with a context of the service. */
  providers?: readonly (ImageProvider | ProviderKind)[]
  /** Of all providers. */
  providerSettings?: Partial<ProviderSettings>
  models?: readonly Model[]
  chat?: TestChat
  limits?: Partial<Core['limits']>
  admins?: readonly string[]
  enhancer?: Enhancer
  /** Pictures that a provider draws at the same time. Default 5. */
  concurrency?: number
  /** Timeout of a provider, milliseconds. */
  providerMs?: number
  meter?: Core['meter']
  publicUrl?: string
  /** A Redis of this test, for the queue. */
  redis?: RedisAddress
  /** Of the environment. */
  settings?: Readonly<Record<string, string>>
  /** How the database is connected to. */
  way?: Way
  /** In place of the chat. */
  surfaces?: (parts: Parts) => readonly ChatSurface[]
  /** Another process, whose database this one shares. It is closed after this one. */
  beside?: TestCore
}

/** Built by `compose` as the service is, with a database, a queue and edges of this test. */
export async function openTestCore(kind: Backend, options: TestCoreOptions = {}): Promise<TestCore> {
  const {
    database,
    url: databaseUrl,
    drop,
  } = options.beside ? sharedWith(options.beside) : await openTestDatabase(kind, options.way)
  const { backend: usual, prefix, cleanUp, lose } = testQueueBackend(kind, database)
  const backend = options.redis ?? usual
  const folder = await mkdtemp(join(tmpdir(), 'fluxbot-'))
  const providers = options.providers ?? [createPlain()]
  const models = options.models ?? [sketch]
  const chat = options.chat ?? createChat()
  const { concurrency = 5 } = options
  const settings = {
    baseUrl: 'test:',
    timeoutMs: options.providerMs ?? 10_000,
    concurrency,
    ...options.providerSettings,
  }
  const config = readConfig({
    DATA_DIR: folder,
    LOG_LEVEL: 'silent',
    SECRET_KEY: 'a secret key for tests, 32 chars',
    PUBLIC_URL: options.publicUrl,
    ...storeSettings(),
    ...options.settings,
  })
  const openQueue = (log: Core['log']) =>
    createQueue({ backend, prefix, log, lanes: providers.map(({ name }) => ({ name, concurrency })) })
  const composed = await compose(
    {
      ...config,
      providers: new Map(providers.map(({ name }) => [name, settings])),
      providerDefaults: settings,
    },
    {
      database,
      providers: providers.map(kindOf),
      queue: ({ log }) => openQueue(log),
      enhancer: options.enhancer,
      limits: { deadlineMs: 60_000, afterTimeoutMs: 0, lostMs: 2_000, goneMs: 0, ...options.limits },
      meter: options.meter,
      surfaces: options.surfaces ?? (() => [chat, createApiSurface({ database })]),
    },
  )
  const core: Core = {
    ...composed.core,
    models: withTariff(
      {
        all: () => models,
        preferred: () => (models[0] ?? sketch).id,
        of: (name) => models.filter(({ routes }) => routes.some(({ provider }) => provider === name)),
      },
      composed.core.tariff,
    ),
    isAdmin: (identity) => options.admins?.includes(identity) ?? false,
    admins: options.admins ?? [],
  }
  const dispatch = createDispatch(core, { commands: allCommands, actions: allActions })
  const workers: Worker[] = []
  let stopped = false
  let calls = 0
  return {
    core,
    chat,
    say: async (text, { who = 'ann', ...over } = {}) => {
      const number = ++calls
      const [, command = '', rest = text] = /^\/(\w+)\s*(.*)$/s.exec(text) ?? []
      const call: Call = {
        key: `test:${number}`,
        surface: chat.name,
        address: `${chat.name}:${number}`,
        from: { id: `test:${who}`, name: who, handle: who },
        place: { channel: chat.name, nsfw: false, manager: false, roles: [] },
        locale: 'en',
        act: command ? { kind: 'command', name: command, text: rest, options: {} } : { kind: 'message', text: rest },
        images: [],
        ...over,
      }
      await dispatch(call)
      return call
    },
    ended: async (call) => {
      for (;;) {
        const state = await stateOf(core, call)
        if (['delivered', 'failed', 'cancelled'].includes(state)) return state
        await new Promise((resolve) => setTimeout(resolve, 10))
      }
    },
    work: async () => {
      // the last worker has closed its queue
      if (stopped) Object.assign(core, { queue: await openQueue(core.log) })
      stopped = false
      const started = await startWorker(core)
      const stop = async (graceMs: number) => {
        await started.stop(graceMs)
        stopped = true
      }
      let stopping: Promise<void> | undefined
      const worker: Worker = { stop: (graceMs) => (stopping ??= stop(graceMs)) }
      workers.push(worker)
      return worker
    },
    lose,
    databaseUrl,
    close: async () => {
      for (const worker of workers) await worker.stop(2_000)
      await composed.close()
      await drop()
      await cleanUp()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

const sharedWith = ({ core, databaseUrl }: TestCore): TestDatabase => ({
  database: core.database,
  url: databaseUrl,
  drop: async () => undefined,
})

/** Set up as if by the environment; stored configurations win here as well. */
const kindOf = (provider: ImageProvider | ProviderKind): ProviderKind =>
  'create' in provider
    ? provider
    : { name: provider.name, title: provider.name, needsKey: false, create: () => provider }

async function stateOf(core: Core, call: Call): Promise<string> {
  const [row] = await core.database.rows<{ state: string }>(sql`select state from generations where key = ${call.key}`)
  if (!row) throw new Error(`${call.key} was not accepted`)
  return row.state
}

export function attachment(data: Buffer, name = 'picture.png', bytes = data.length): Attachment {
  return { name, bytes, load: async () => data }
}

/** `ask`, with the model chosen as the families of the API choose it. */
export async function askAs(core: Core, request: Omit<ProgramRequest, 'chosen'>): ReturnType<typeof ask> {
  const { holder, params, images } = request
  const needs = { images: images.length, words: params.prompt !== '' }
  return ask(core, { ...request, chosen: chooseModel(core, { name: params.model, allowed: holder.models, ...needs }) })
}
