/** The files of the page: a fixed list, with a policy under which nothing but them runs. */
import { readFile } from 'node:fs/promises'
import type { FastifyPluginAsync } from 'fastify'

const script = 'text/javascript; charset=utf-8'
const style = 'text/css; charset=utf-8'
const assets: Readonly<Record<string, string>> = {
  'app.js': script,
  'common.js': script,
  'form.js': script,
  'send.js': script,
  'show.js': script,
  'app.css': style,
  'messages.css': style,
  'icon.svg': 'image/svg+xml',
}
/** Found from src/bots/web and from dist/bots/web alike. */
const folder = new URL('../../../public/', import.meta.url)
const policy = (pictures: string) =>
  `default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' ${pictures} data: blob:; connect-src 'self'; ` +
  "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

/** `pictures`: the origin that links to stored pictures point to. */
export const page =
  (pictures: string): FastifyPluginAsync =>
  async (app) => {
    const headers = {
      'content-security-policy': policy(pictures),
      'cache-control': 'no-cache',
      'x-frame-options': 'DENY',
    }
    // a client that does not ask for text/html gets the description of the API, from another route of this path
    app.get('/', async (_request, reply) => {
      reply.headers({ ...headers, vary: 'accept' }).type('text/html; charset=utf-8')
      return readFile(new URL('index.html', folder))
    })
    app.get<{ Params: { name: string } }>('/web/assets/:name', async (request, reply) => {
      const { name } = request.params
      const type = Object.hasOwn(assets, name) ? assets[name] : undefined
      if (type === undefined) return reply.callNotFound()
      reply.headers(headers).type(type)
      return readFile(new URL(name, folder))
    })
  }
