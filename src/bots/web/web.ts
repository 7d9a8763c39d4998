/** The playground: a chat on one page, with the same words as everywhere else. */
import cookie from '@fastify/cookie'
import multipart from '@fastify/multipart'
import type { FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify'
import { forgetOldSessions } from '../../core/accounts/sessions.ts'
import type { Core } from '../../core/core.ts'
import type { Address, ButtonRows, ChatSurface, Posted, Reply, SentMessages } from '../../core/ports/chat.ts'
import type { Database } from '../../db/database.ts'
import type { Log } from '../../log.ts'
import { basePathOf } from '../../net/own-address.ts'
import { type Inbox, openInbox } from '../inbox.ts'
import { labelOf, partsOf, plainText } from '../layout.ts'
import { createAccess, visitorIdOf } from './access.ts'
import { actRoutes } from './acts.ts'
import { callOf } from './calls.ts'
import { composer } from './composer.ts'
import { createStreams } from './events.ts'
import * as messages from './messages.ts'
import { page } from './page.ts'
import { localeFrom, refuse } from './refuse.ts'
import { hide, opened, sealing } from './secrets.ts'
import { type Entered, signInRoutes } from './sign-in.ts'

export interface WebOptions {
  /** Asked when the first page is open, which is after it was built. */
  core(): Core
  database: Database
  secretKey: Buffer
  publicUrl: string
  /** The operator's key, which signs in as administrator. */
  apiKey?: string
  /** Identities of administrators. Absent: there are none in chats. */
  admins?: ReadonlySet<string>
  /** A signed link to a picture of the store. */
  link(key: string): Promise<string>
  /** Days that pictures are kept. Absent: for ever. */
  pictureDays?: number
  log: Log
  /** Open event streams in this process. Default 500. */
  mostStreams?: number
  /** Milliseconds between two looks of an event stream at its conversation and session. Default 10 s. */
  streamAskMs?: number
}

/** Handlers still at work when we stop get this long. */
const stopMs = 10_000
/** Conversations are kept this long, or as long as pictures, if that is less. The history stays. */
const keptDays = 90
const pruneEveryMs = 3_600_000
const forgetEveryMs = 60_000

export function createWeb(options: WebOptions): ChatSurface & { plugin: FastifyPluginAsync } {
  const { core, database, publicUrl, link, log, mostStreams, streamAskMs } = options
  const access = createAccess(options)
  const basePath = basePathOf(publicUrl)
  const streams = createStreams({ database, show, log, mostOpen: mostStreams, askEveryMs: streamAskMs })
  let inbox: Inbox | undefined
  let stopListening = async () => {}
  let pruning: NodeJS.Timeout | undefined
  let forgetting: NodeJS.Timeout | undefined

  /** Links are signed when they are looked at, so an old conversation shows its pictures. */
  async function show(message: messages.WebMessage) {
    const { id, version } = message
    const body = opened(options.secretKey, message)
    const [, ...own] = id.split(':')
    const ownId = own.join(':')
    const images = (body.images ?? []).map(async ({ key, preview, ...image }, number) => ({
      ...image,
      url: preview ?? pathOf(await link(key), publicUrl),
      // a page may stay open longer than a signed link lives
      original: preview ?? `${basePath}/web/pictures/${encodeURIComponent(ownId)}/${number}`,
    }))
    const downloads = (body.downloads ?? []).map(async ({ key, name }) => ({
      name,
      url: pathOf(await link(key), publicUrl),
    }))
    return {
      id: ownId,
      version,
      ...body,
      images: await Promise.all(images),
      downloads: await Promise.all(downloads),
    }
  }

  async function enter(request: FastifyRequest): Promise<Entered> {
    if (access.foreign(request)) return { trouble: 'foreign' }
    const visitor = await access.visitor(request)
    return visitor ? { visitor: visitor.id, from: visitor.from } : { trouble: 'sign_in' }
  }

  async function prune(): Promise<void> {
    await messages
      .pruneWebMessages(database, Math.min(keptDays, options.pictureDays ?? keptDays))
      .then(() => forgetOldSessions(database))
      .catch((error: unknown) => log.error({ err: error }, 'old messages and sessions of the page were not removed'))
  }

  const plugin: FastifyPluginAsync = async (app) => {
    await app.register(cookie)
    await app.register(multipart)
    const pictures = new URL(await link('image/origin/0-0.png')).origin
    await app.register(page({ pictures, basePath, openLink: access.openLink }))
    const entered = async (request: FastifyRequest, reply: FastifyReply) => {
      const who = await enter(request)
      if ('visitor' in who) return who
      refuse(request, reply, who.trouble)
      return undefined
    }
    await app.register(composer({ core, enter: entered, localeOf: localeFrom }))
    app.addHook('preClose', async () => streams.close())
    app.addHook('onRequest', async (request, reply) => {
      if (request.url.startsWith('/web/')) reply.header('cache-control', 'no-store')
    })

    signInRoutes(app, { access, enter })
    actRoutes(app, { database, enter, inbox: () => inbox })
    app.get<{ Querystring: { after?: string } }>('/web/messages', async (request, reply) => {
      const who = await enter(request)
      if ('trouble' in who) return refuse(request, reply, who.trouble)
      const version = versionOf(request.query.after)
      const found =
        version === 0
          ? await messages.readLatest(database, who.visitor)
          : await messages.readChanges(database, who.visitor, { version: version + 1, id: '' })
      return Promise.all(found.map(show))
    })
    app.get<{ Querystring: { after?: string } }>('/web/events', async (request, reply) => {
      const who = await enter(request)
      if ('trouble' in who) return refuse(request, reply, who.trouble)
      const after = versionOf(request.headers['last-event-id']?.toString() ?? request.query.after)
      // a session may end while its page is open
      const allowed = async () => (await access.visitor(request))?.id === who.visitor
      if (streams.open(who.visitor, reply, { after, allowed }) === 'full')
        return refuse(request, reply, 'too_many_pages', 429)
      return reply
    })
    app.get<{ Params: { id: string; number: string } }>('/web/pictures/:id/:number', async (request, reply) => {
      const who = await enter(request)
      if ('trouble' in who) return refuse(request, reply, who.trouble)
      const message = await messages.readMessage(database, who.visitor, `${who.visitor}:${request.params.id}`)
      const image = message?.body.images?.[Number(request.params.number)]
      return image ? reply.redirect(pathOf(await link(image.key), publicUrl)) : reply.callNotFound()
    })
  }

  async function forgetSecrets(): Promise<void> {
    await messages
      .forgetSecrets(database)
      .catch((error: unknown) => log.error({ err: error }, 'secrets in messages of the page were not removed'))
  }

  async function put(address: Address | Posted, reply: Reply, sent?: SentMessages): Promise<Posted> {
    const { visitor, id, act } = partsIn(address)
    const posted: Posted = `web:${visitor}:${id}`
    const { state, content, locale, buttons, form, files } = reply
    const said = { role: 'bot', text: plainText(reply), parts: partsOf(reply), state } as const
    if (reply.toast || reply.brief || (act === 'press' && content.kind === 'refusal')) {
      await messages.saveToast(database, visitor, `${visitor}:${id}`, hide(said, reply))
      return posted
    }
    const images = reply.pictures?.map(({ file, key, name, alt }) => {
      const { width, height, type, data } = file
      const preview = key === '' ? `data:${type};base64,${data.toString('base64')}` : undefined
      return { key, name, alt, width, height, preview }
    })
    const body = {
      ...said,
      percent: content.kind === 'drawing' ? content.percent : undefined,
      images,
      downloads: files?.map(({ key, name }) => ({ key, name })),
      buttons: buttons && shownButtons(locale, buttons),
      form: form && { id: form.id, fields: form.fields },
    } as const
    const answer = { id: `${visitor}:${id}`, ...sealing(options.secretKey, { id: `${visitor}:${id}`, body, reply }) }
    await messages.saveAnswer(database, visitor, answer)
    if (form) await messages.removeEarlierForms(database, visitor, { form: form.id, id: `${visitor}:${id}` })
    if (state === 'done') await sent?.add({ posted, part: 0, fileIds: [], buttons: buttons !== undefined })
    return posted
  }

  return {
    name: 'web',
    linksPictures: true,
    plugin,
    async start(handler) {
      inbox = await openInbox({
        database,
        name: 'web',
        log,
        handle: ([body]) => handler(callOf(database, body)),
      })
      stopListening = await database.listen('web', (visitor) => streams.changed(visitor))
      await forgetSecrets()
      pruning = setInterval(prune, pruneEveryMs)
      forgetting = setInterval(forgetSecrets, forgetEveryMs)
      pruning.unref()
      forgetting.unref()
    },
    async stop() {
      await inbox?.close(stopMs)
      inbox = undefined
      clearInterval(pruning)
      clearInterval(forgetting)
      streams.close()
      await stopListening()
    },
    notReady: () => undefined,
    post: put,
    edit: put,
    async changeButtons(posted, { locale, buttons }) {
      const { visitor, id } = partsIn(posted)
      await messages.changeButtons(database, visitor, {
        id: `${visitor}:${id}`,
        buttons: shownButtons(locale, buttons),
      })
    },
    async remove(posted) {
      const { visitor, id } = partsIn(posted)
      await messages.removeAnswer(database, visitor, `${visitor}:${id}`)
    },
    conversations: {
      read: (identities) => messages.readWritten(database, identities.map(visitorIdOf)),
      forget: (identities) => messages.forgetConversations(database, identities.map(visitorIdOf)),
    },
  }
}

/** `act`: 'press', or nothing. */
function partsIn(address: Address | Posted) {
  const [, visitor = '', id = '', act] = address.split(':')
  return { visitor, id, act }
}

const shownButtons = (locale: string, buttons: ButtonRows) =>
  buttons.map((row) => row.map((each) => ({ id: each.id, label: labelOf(locale, each), style: each.style })))

const versionOf = (text: string | undefined) => (/^\d{1,16}$/.test(text ?? '') ? Number(text) : 0)

/** Our own links by path, so that they work under any name by which the page was opened. */
function pathOf(url: string, publicUrl: string): string {
  const { origin, pathname, search } = new URL(url)
  return origin === new URL(publicUrl).origin ? pathname + search : url
}
