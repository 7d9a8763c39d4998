/** The playground: a chat on one page, with the same words as everywhere else. */
import { readFile } from 'node:fs/promises'
import cookie from '@fastify/cookie'
import multipart from '@fastify/multipart'
import type { FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify'
import type { Address, Call, ChatSurface, Posted, Reply } from '../core/ports.ts'
import type { Database } from '../db/db.ts'
import { localeOf, wordsFor } from '../locales/index.ts'
import { createAccess } from './web/access.ts'
import { createStreams } from './web/events.ts'
import { readMessages, saveMessage, saveOnce, type WebMessage } from './web/messages.ts'
import { limits, readUpload } from './web/upload.ts'

export interface WebOptions {
  database: Database
  secretKey: Buffer
  publicUrl: string
  /** Only this machine reaches us. */
  local: boolean
  apiKey?: string
  /** A signed link to a picture of the store. */
  link(key: string): Promise<string>
  log: { error(data: object, message: string): void }
}

const assets: Readonly<Record<string, string>> = {
  'app.js': 'text/javascript; charset=utf-8',
  'app.css': 'text/css; charset=utf-8',
  'icon.svg': 'image/svg+xml',
}
const folder = new URL('../../public/', import.meta.url)
const pagePolicy =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; " +
  "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
/** Handlers still at work when we stop get this long. */
const stopMs = 10_000

export function createWeb(options: WebOptions): ChatSurface & { plugin: FastifyPluginAsync } {
  const { database, link, log } = options
  const access = createAccess(options)
  const streams = createStreams(database, show)
  const handling = new Set<Promise<void>>()
  let handle: ((call: Call) => Promise<void>) | undefined
  let stopListening = async () => {}

  /** Links are signed when they are looked at, so an old conversation shows its pictures. */
  async function show({ id, version, body }: WebMessage) {
    const images = await Promise.all(
      (body.images ?? []).map(async (image) => ({ ...image, url: pathOf(await link(image.key)) })),
    )
    return { id, version, ...body, images }
  }

  /** Answers what keeps a visitor out; undefined: may come in. */
  function refused(request: FastifyRequest, reply: FastifyReply): FastifyReply | string {
    const words = wordsFor(localeOf(request.headers['accept-language']))
    const say = (status: number, kind: string, message: string) => reply.code(status).send({ error: { kind, message } })
    if (access.foreign(request)) return say(403, 'foreign', words.page.foreign)
    const visitor = access.visitor(request, reply)
    if (visitor !== undefined) return visitor
    return access.closed ? say(403, 'closed', words.page.closed) : say(401, 'sign_in', words.page.signIn)
  }

  const plugin: FastifyPluginAsync = async (app) => {
    await app.register(cookie)
    await app.register(multipart, { limits, throwFileSizeLimit: true })

    app.get('/', async (request, reply) => {
      if (request.headers.accept?.startsWith('application/json')) return { service: 'fluxbot', status: 'running' }
      return page(reply, 'index.html', 'text/html; charset=utf-8')
    })
    app.get<{ Params: { name: string } }>('/web/:name', async (request, reply) => {
      const type = assets[request.params.name]
      return type ? page(reply, request.params.name, type) : reply.callNotFound()
    })
    app.get<{ Querystring: { locale?: string } }>('/web/session', async (request, reply) => {
      const locale = localeOf(request.query.locale ?? request.headers['accept-language'])
      const visitor = access.foreign(request) ? undefined : access.visitor(request, reply)
      const who = visitor === undefined ? { closed: access.closed } : { visitor: `web:${visitor}` }
      return { locale, words: wordsFor(locale).page, ...who }
    })
    app.post<{ Body: { key?: unknown } }>('/web/signin', async (request, reply) => {
      const words = wordsFor(localeOf(request.headers['accept-language'])).page
      const verdict = access.foreign(request) ? 'wrong' : access.signIn(String(request.body?.key ?? ''), request, reply)
      if (verdict === 'ok') return { status: 'ok' }
      const message = verdict === 'wait' ? words.tooManyTries : words.wrongKey
      return reply.code(verdict === 'wait' ? 429 : 401).send({ error: { kind: verdict, message } })
    })
    app.post('/web/messages', async (request, reply) => {
      const visitor = refused(request, reply)
      if (typeof visitor !== 'string') return visitor
      if (!handle) return reply.code(503).send({ error: { kind: 'starting', message: 'Not ready yet.' } })
      const { id, text, locale, images } = await readUpload(request)
      const files = images.map((image) => image.name)
      const fresh = await saveOnce(database, visitor, `${visitor}:${id}`, { role: 'person', text, files })
      if (fresh) inBackground(handle({ ...callOf(visitor, id, text), locale: localeOf(locale), images }))
      return reply.code(202).send({ id })
    })
    app.get<{ Querystring: { after?: string } }>('/web/messages', async (request, reply) => {
      const visitor = refused(request, reply)
      if (typeof visitor !== 'string') return visitor
      return Promise.all((await readMessages(database, visitor, versionOf(request.query.after))).map(show))
    })
    app.get<{ Querystring: { after?: string } }>('/web/events', async (request, reply) => {
      const visitor = refused(request, reply)
      if (typeof visitor !== 'string') return visitor
      const after = versionOf(request.headers['last-event-id']?.toString() ?? request.query.after)
      if (streams.open(visitor, request, reply, after) === 'open') return reply
      return reply.code(429).send({ error: { kind: 'too_many_pages', message: 'Too many pages are open.' } })
    })
  }

  function inBackground(work: Promise<void>): void {
    const done = work
      .catch((error: unknown) => log.error({ err: error }, 'a message of the page was not handled'))
      .finally(() => handling.delete(done))
    handling.add(done)
  }

  async function put(address: Address | Posted, reply: Reply): Promise<Posted> {
    const [, visitor = '', id = ''] = address.split(':')
    const images = reply.images?.map(({ file, key, name, alt }) => ({
      key,
      name,
      alt,
      width: file.width,
      height: file.height,
    }))
    const { text, state, percent } = reply
    await saveMessage(database, visitor, `${visitor}:${id}:answer`, { role: 'bot', text, state, percent, images })
    return address
  }

  return {
    name: 'web',
    plugin,
    async start(handler) {
      handle = handler
      stopListening = await database.listen('web', (visitor) => streams.changed(visitor))
    },
    async stop() {
      handle = undefined
      streams.close()
      await stopListening()
      await Promise.race([Promise.all(handling), new Promise((resolve) => setTimeout(resolve, stopMs).unref())])
    },
    notReady: () => undefined,
    post: put,
    edit: put,
  }
}

function callOf(visitor: string, id: string, text: string): Call {
  const [, command = '', rest = text] = /^\/([a-z]+)(?:\s+([\s\S]*))?$/i.exec(text.trim()) ?? []
  const name = `web:${visitor}`
  return {
    key: `web:${visitor}:${id}`,
    surface: 'web',
    address: `web:${visitor}:${id}`,
    from: { id: name, name },
    locale: 'en',
    command: command.toLowerCase(),
    text: command === '' ? text : rest === text ? '' : rest,
    options: {},
    images: [],
  }
}

const versionOf = (text: string | undefined) => (/^\d{1,17}$/.test(text ?? '') ? Number(text) : 0)

/** The page asks its own origin, whatever name it was opened by. */
function pathOf(url: string): string {
  const { pathname, search } = new URL(url)
  return pathname + search
}

async function page(reply: FastifyReply, name: string, type: string): Promise<FastifyReply> {
  const body = await readFile(new URL(name, folder))
  return reply
    .headers({
      'content-type': type,
      'content-security-policy': pagePolicy,
      'cache-control': 'no-cache',
      'x-frame-options': 'DENY',
    })
    .send(body)
}
