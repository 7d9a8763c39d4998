/** The files of the page: a fixed list, with a policy under which nothing but them runs. */
import { readFile } from 'node:fs/promises'
import type { FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify'

const script = 'text/javascript; charset=utf-8'
const style = 'text/css; charset=utf-8'
const assets: Readonly<Record<string, string>> = {
  'app.js': script,
  'common.js': script,
  'form.js': script,
  'lightbox.js': script,
  'message.js': script,
  'options.js': script,
  'quote.js': script,
  'send.js': script,
  'show.js': script,
  'sign-in.js': script,
  'toast.js': script,
  'app.css': style,
  'lightbox.css': style,
  'messages.css': style,
  'options.css': style,
  'icon.svg': 'image/svg+xml',
}
/** Found from src/bots/web and from dist/bots/web alike. */
const folder = new URL('../../../public/', import.meta.url)
const policy = (pictures: string) =>
  `default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' ${pictures} data: blob:; connect-src 'self'; ` +
  "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

export interface PageOptions {
  /** The origin that links to stored pictures point to. */
  pictures: string
  /** The path below which the page is: '' or '/path'. */
  basePath: string
  /** Called when a browser opens a sign-in link. Resolves to whether it is valid. */
  openLink(token: unknown, request: FastifyRequest, reply: FastifyReply): Promise<boolean>
}

export const page =
  ({ pictures, basePath, openLink }: PageOptions): FastifyPluginAsync =>
  async (app) => {
    const headers = {
      'content-security-policy': policy(pictures),
      'cache-control': 'no-cache',
      'x-frame-options': 'DENY',
    }
    // a client that does not ask for text/html gets the description of the API, from another route of this path
    app.get<{ Querystring: { token?: unknown } }>('/', async (request, reply) => {
      const { token } = request.query
      if (token !== undefined) {
        const isRight = await openLink(token, request, reply)
        // takes the token out of the address; the page says what is wrong
        return reply.header('cache-control', 'no-store').redirect(`${basePath}/${isRight ? '' : '#wrong-link'}`, 303)
      }
      reply.headers({ ...headers, vary: 'accept' }).type('text/html; charset=utf-8')
      const html = await readFile(new URL('index.html', folder), 'utf8')
      return html.replaceAll('"/web/', `"${basePath}/web/`)
    })
    app.get<{ Params: { name: string } }>('/web/assets/:name', async (request, reply) => {
      const { name } = request.params
      const type = Object.hasOwn(assets, name) ? assets[name] : undefined
      if (type === undefined) return reply.callNotFound()
      reply.headers(headers).type(type)
      return readFile(new URL(name, folder))
    })
  }
