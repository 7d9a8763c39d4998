/** The playground: a chat on one page, with the same words as everywhere else. */
import cookie from '@fastify/cookie'
import multipart from '@fastify/multipart'
import type { FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify'
import type { Address, Call, ChatSurface, Locale, Posted, Reply } from '../../core/ports/chat.ts'
import type { Database } from '../../db/database.ts'
import { localeOf } from '../../locales/index.ts'
import { type PageWords, pageEn } from '../../locales/page.en.ts'
import { pageZh } from '../../locales/page.zh.ts'
import { createAccess } from './access.ts'
import { createStreams } from './events.ts'
import * as messages from './messages.ts'
import { page } from './page.ts'
import { createUploads, refusalStatus } from './upload.ts'

export interface WebOptions {
  database: Database
  secretKey: Buffer
  publicUrl: string
  /** Only this machine reaches us: no one has to sign in. */
  local: boolean
  /** The operator's key, with which visitors sign in. Absent: a page that is not local is closed. */
  apiKey?: string
  /** A signed link to a picture of the store. */
  link(key: string): Promise<string>
  log: { error(data: object, message: string): void }
  /** Open event streams in this process. Default 500. */
  mostStreams?: number
}

type Trouble = Extract<keyof PageWords, 'starting' | 'sign_in' | 'closed' | 'foreign' | `too_many_${string}`>

const allWords: Readonly<Record<Locale, PageWords>> = { en: pageEn, zh: pageZh }
/** Handlers still at work when we stop get this long. */
const stopMs = 10_000
/** Conversations are kept this long; pictures and history stay. */
const keptDays = 90
const pruneEveryMs = 3_600_000

export function createWeb(options: WebOptions): ChatSurface & { plugin: FastifyPluginAsync } {
  const { database, publicUrl, link, log, mostStreams } = options
  const access = createAccess(options)
  const streams = createStreams({ database, show, log, mostOpen: mostStreams })
  const readUpload = createUploads()
  const handling = new Set<Promise<void>>()
  let handle: ((call: Call) => Promise<void>) | undefined
  let stopListening = async () => {}
  let pruning: NodeJS.Timeout | undefined

  /** Links are signed when they are looked at, so an old conversation shows its pictures. */
  async function show({ id, version, body }: messages.WebMessage) {
    const ownId = id.slice(id.indexOf(':') + 1)
    const images = (body.images ?? []).map(async ({ key, preview, ...image }, number) => ({
      ...image,
      url: preview ?? pathOf(await link(key), publicUrl),
      // a page may stay open longer than a signed link lives
      original: preview ?? `/web/pictures/${encodeURIComponent(ownId)}/${number}`,
    }))
    return { id: ownId, version, ...body, images: await Promise.all(images) }
  }

  /** The visitor's id, or why this request is not let in. */
  function enter(request: FastifyRequest, reply: FastifyReply): { visitor: string } | { trouble: Trouble } {
    if (access.foreign(request)) return { trouble: 'foreign' }
    const visitor = access.visitor(request, reply)
    return visitor === undefined ? { trouble: access.entrance } : { visitor }
  }

  async function prune(): Promise<void> {
    await messages
      .pruneWebMessages(database, keptDays)
      .catch((error: unknown) => log.error({ err: error }, 'old messages of the page were not removed'))
  }

  const plugin: FastifyPluginAsync = async (app) => {
    await app.register(cookie)
    await app.register(multipart)
    await app.register(page(new URL(await link('image/origin/0-0.png')).origin))
    app.addHook('preClose', async () => streams.close())
    app.addHook('onRequest', async (request, reply) => {
      if (request.url.startsWith('/web/')) reply.header('cache-control', 'no-store')
    })

    app.get('/web/session', async (request, reply) => {
      const who = enter(request, reply)
      const state = 'visitor' in who ? { visitor: `web:${who.visitor}` } : who
      return { locale: localeFrom(request), words: wordsFor(request), ...state }
    })
    app.post<{ Body: { key?: unknown } | undefined }>('/web/signin', async (request, reply) => {
      if (access.foreign(request)) return refuse(request, reply, 'foreign')
      const verdict = access.signIn(String(request.body?.key ?? ''), request, reply)
      if (verdict === 'ok') return { status: 'ok' }
      return refuse(request, reply, verdict, verdict === 'wrong_key' ? 401 : 429)
    })
    app.post('/web/messages', async (request, reply) => {
      const who = enter(request, reply)
      if ('trouble' in who) return refuse(request, reply, who.trouble)
      if (!handle) return refuse(request, reply, 'starting', 503)
      const upload = await readUpload(request)
      if (typeof upload === 'string') return refuse(request, reply, upload, refusalStatus[upload])
      const { id, text, images } = upload
      const { visitor } = who
      const body = { role: 'person', text, files: images.map((image) => image.name) } as const
      // asked again while nothing was answered: the process that had it may have died, and the key tells it is the same
      const open = await messages.saveMessage(database, visitor, `${visitor}:${id}`, body)
      if (open) inBackground(handle, { ...callOf(visitor, id, text), locale: localeFrom(request), images })
      return reply.code(202).send({ id })
    })
    app.get<{ Querystring: { after?: string } }>('/web/messages', async (request, reply) => {
      const who = enter(request, reply)
      if ('trouble' in who) return refuse(request, reply, who.trouble)
      const version = versionOf(request.query.after)
      const found =
        version === 0
          ? await messages.readLatest(database, who.visitor)
          : await messages.readChanges(database, who.visitor, { version: version + 1, id: '' })
      return Promise.all(found.map(show))
    })
    app.get<{ Querystring: { after?: string } }>('/web/events', async (request, reply) => {
      const who = enter(request, reply)
      if ('trouble' in who) return refuse(request, reply, who.trouble)
      const after = versionOf(request.headers['last-event-id']?.toString() ?? request.query.after)
      if (streams.open(who.visitor, reply, after) === 'full') return refuse(request, reply, 'too_many_pages', 429)
      return reply
    })
    app.get<{ Params: { id: string; number: string } }>('/web/pictures/:id/:number', async (request, reply) => {
      const who = enter(request, reply)
      if ('trouble' in who) return refuse(request, reply, who.trouble)
      const message = await messages.readMessage(database, who.visitor, `${who.visitor}:${request.params.id}`)
      const image = message?.body.images?.[Number(request.params.number)]
      return image ? reply.redirect(pathOf(await link(image.key), publicUrl)) : reply.callNotFound()
    })
  }

  /** What goes wrong in there is not the business of whoever sent the message: it has been accepted. */
  function inBackground(handler: (call: Call) => Promise<void>, call: Call): void {
    const done = Promise.resolve()
      .then(() => handler(call))
      .catch((error: unknown) => log.error({ err: error }, 'a message of the page was not handled'))
      .finally(() => handling.delete(done))
    handling.add(done)
  }

  async function put(address: Address | Posted, { text, state, percent, images }: Reply): Promise<Posted> {
    const [, visitor = '', id = ''] = address.split(':')
    const pictures = images?.map(({ file, key, name, alt }) => {
      const { width, height, type, data } = file
      const preview = key === '' ? `data:${type};base64,${data.toString('base64')}` : undefined
      return { key, name, alt, width, height, preview }
    })
    const body = { role: 'bot', text, state, percent, images: pictures } as const
    await messages.saveAnswer(database, visitor, `${visitor}:${id}`, body)
    return address
  }

  return {
    name: 'web',
    plugin,
    async start(handler) {
      handle = handler
      stopListening = await database.listen('web', (visitor) => streams.changed(visitor))
      pruning = setInterval(prune, pruneEveryMs)
      pruning.unref()
    },
    async stop() {
      handle = undefined
      clearInterval(pruning)
      streams.close()
      await stopListening()
      await Promise.race([Promise.all(handling), new Promise((resolve) => setTimeout(resolve, stopMs).unref())])
    },
    notReady: () => undefined,
    post: put,
    edit: put,
  }
}

function refuse(
  request: FastifyRequest,
  reply: FastifyReply,
  kind: Trouble | keyof typeof refusalStatus | 'wrong_key',
  status = kind === 'sign_in' ? 401 : 403,
): FastifyReply {
  return reply.code(status).send({ error: { kind, message: wordsFor(request)[kind] } })
}

/** The page says its language in the same header as the browser. */
const localeFrom = (request: FastifyRequest): Locale => localeOf(request.headers['accept-language'])
const wordsFor = (request: FastifyRequest): PageWords => allWords[localeFrom(request)]

function callOf(visitor: string, id: string, text: string): Call {
  const [all = '', command = ''] = /^\s*\/([a-z][\w-]*)(?=\s|$)/i.exec(text) ?? []
  return {
    key: `web:${visitor}:${id}`,
    surface: 'web',
    address: `web:${visitor}:${id}`,
    from: { id: `web:${visitor}`, name: `web:${visitor.slice(0, 6)}` },
    locale: 'en',
    command: command.toLowerCase(),
    text: text.slice(all.length).trim(),
    options: {},
    images: [],
    // the conversation is kept: no place for what is shown once
    isPrivate: false,
  }
}

const versionOf = (text: string | undefined) => (/^\d{1,16}$/.test(text ?? '') ? Number(text) : 0)

/** Our own links by path, so that they work under whatever name the page was opened by. */
function pathOf(url: string, publicUrl: string): string {
  const { origin, pathname, search } = new URL(url)
  return origin === new URL(publicUrl).origin ? pathname + search : url
}
