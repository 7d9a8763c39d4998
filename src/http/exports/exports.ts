/**
 * `/exports/{token}`: the archive behind a link of `/privacy export`. Chats open links to show previews of them, so the link opens a page,
 * and only its button downloads the archive.
 */
import { addAbortSignal, Readable } from 'node:stream'
import { makeZip } from 'client-zip'
import type { FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify'
import type { Core } from '../../core/core.ts'
import { AppError } from '../../core/errors.ts'
import { type ArchiveFile, archiveOf } from '../../core/privacy/archive.ts'
import { findExport } from '../../core/privacy/export-links.ts'
import { localeOf, wordsFor } from '../../locales/index.ts'

/** Archives that this process sends at the same time. */
const mostAtOnce = 4
const retryAfterMs = 60_000
/** Of one archive, so that clients that read slowly do not keep all others out. */
const maxSendMs = 30 * 60_000

interface Linked {
  Params: { token: string }
}

export function exportLinks(core: Core): FastifyPluginAsync {
  /** Accounts whose archive is being sent: one at a time for each. */
  const sending = new Set<string>()
  return async (app) => {
    // the button sends an empty form
    app.addContentTypeParser(
      'application/x-www-form-urlencoded',
      { parseAs: 'string', bodyLimit: 1_024 },
      async () => ({}),
    )
    app.addHook('onRequest', async (_request, reply) => {
      reply.headers({ 'cache-control': 'no-store', 'x-robots-tag': 'noindex' })
    })

    app.get<Linked>('/exports/:token', async (request, reply) => {
      const { exports: words } = wordsOf(request)
      const isValid = (await findExport(core, request.params.token)) !== undefined
      return page(
        reply.code(isValid ? 200 : 404),
        isValid ? `${text(words.about)}${download(words.download)}` : text(words.over),
      )
    })

    app.post<Linked>('/exports/:token', async (request, reply) => {
      const userId = await findExport(core, request.params.token)
      if (userId === undefined) return page(reply.code(404), text(wordsOf(request).exports.over))
      if (sending.has(userId) || sending.size >= mostAtOnce) throw new AppError('overloaded', {}, { retryAfterMs })
      sending.add(userId)
      const archive = Readable.fromWeb(makeZip(entriesOf(archiveOf(core, userId))))
      addAbortSignal(AbortSignal.timeout(maxSendMs), archive)
      archive.once('close', () => sending.delete(userId))
      archive.once('error', (error) => core.log.warn({ userId, err: error }, 'an archive was not sent in full'))
      return reply
        .headers({ 'content-type': 'application/zip', 'content-disposition': 'attachment; filename="fluxbot.zip"' })
        .send(archive)
    })
  }
}

async function* entriesOf(files: AsyncIterable<ArchiveFile>) {
  for await (const { name, changedAt, content } of files) yield { name, lastModified: changedAt, input: content }
}

const wordsOf = (request: FastifyRequest) => wordsFor(localeOf(request.headers['accept-language']))

const text = (words: string) => `<p>${words}</p>`

/** It sends the form to the address of the page, below any path. */
const download = (label: string) => `<form method="post"><button>${label}</button></form>`

const page = (reply: FastifyReply, body: string) =>
  reply
    .headers({
      'content-type': 'text/html; charset=utf-8',
      'content-security-policy': "default-src 'none'; form-action 'self'; frame-ancestors 'none'",
    })
    .send(
      `<!doctype html><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>fluxbot</title>${body}`,
    )
