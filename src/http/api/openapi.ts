/** Documents the API: `/openapi.json` for programs, `/docs` for people. */
import { createHash } from 'node:crypto'
import swagger from '@fastify/swagger'
import swaggerUi from '@fastify/swagger-ui'
import type { FastifyPluginAsync } from 'fastify'
import { basePathOf } from '../../net/own-address.ts'
import { cors } from '../server/cors.ts'
import { version } from '../server/http.ts'
import { asOperation, keys, tidy } from './document.ts'
import type { ApiParts } from './parts.ts'

const description = `Generates images from text, and from images and text.

The API and the chats share accounts, credits, limits, moderation, history and queue. Create a key with \`/apikey create\` in a chat,
or set \`API_KEY\` on a server of your own, and send it as \`Authorization: Bearer …\` or \`x-api-key\`. Several families of routes
offer the same: choose the one that your program already uses.

- \`Idempotency-Key\`: repeating a request with the same key returns the same images and is charged once.
- \`Prefer: respond-async\`: returns 202 at once, with a location to poll.
- Links to images are signed and expire.
- \`x-request-id\` identifies a request in the operator's log.`

/** In the order of the page. Tags without routes are left out. */
const tags = [
  { name: 'OpenAI', description: 'OpenAI’s API under `/v1`. Its clients work unchanged.' },
  {
    name: 'Flux',
    description: 'The FLUX service: tasks from text or images, uploads, and the history of the account.',
  },
  { name: 'ComfyUI', description: 'A ComfyUI-style service: generation by size and steps, and the queue.' },
  { name: 'Web UI', description: 'For web pages: generation, history, provider configurations and status.' },
  { name: 'Pictures', description: 'Generated images, by the links in responses. No key is required.' },
  { name: 'Operations', description: 'Health, readiness and metrics. Only metrics require a key.' },
]

const cacheSeconds = 300

/** Register it before the routes that it describes. */
export function openapi({ publicUrl }: Pick<ApiParts, 'publicUrl'>): FastifyPluginAsync {
  const plugin: FastifyPluginAsync = async (app) => {
    await app.register(swagger, {
      openapi: {
        openapi: '3.1.0',
        info: { title: 'fluxbot', version, description, license: { name: 'MIT', identifier: 'MIT' } },
        servers: [{ url: publicUrl }],
        tags,
        components: {
          securitySchemes: {
            bearer: { type: 'http', scheme: 'bearer', description: 'A key created with `/apikey`.' },
            key: { type: 'apiKey', in: 'header', name: 'x-api-key', description: 'The same key.' },
          },
        },
        security: keys,
      },
      // the path of the public address is not part of the routes
      stripBasePath: false,
      convertConstToEnum: false,
      transform: asOperation,
      transformObject: tidy,
    })
    await app.register(document)
    await app.register(page(publicUrl))
  }
  // describes the routes of the whole app instead of those of this plugin
  return Object.assign(plugin, { [Symbol.for('skip-override')]: true })
}

const document: FastifyPluginAsync = async (app) => {
  cors(app)
  // made for the first request, so that it does not delay the start
  let made: { text: string; etag: string } | undefined
  const make = () => {
    const text = JSON.stringify(app.swagger())
    return { text, etag: `"${createHash('sha256').update(text).digest('base64url').slice(0, 27)}"` }
  }
  app.get('/openapi.json', { config: { open: true }, schema: { hide: true } }, async (request, reply) => {
    made ??= make()
    const { text, etag } = made
    reply.headers({ etag, 'cache-control': `public, max-age=${cacheSeconds}` })
    if (request.headers['if-none-match'] === etag) return reply.code(304).send()
    return reply.type('application/json; charset=utf-8').send(text)
  })
}

/** The page sends requests to the origin of the public address. It loads nothing else from outside, and runs only its own scripts. */
const page =
  (publicUrl: string): FastifyPluginAsync =>
  async (app) => {
    const policy =
      "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; " +
      `connect-src 'self' ${new URL(publicUrl).origin}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`
    app.addHook('onRequest', async (_request, reply) => {
      reply.headers({ 'content-security-policy': policy, 'x-frame-options': 'DENY' })
    })
    await app.register(swaggerUi, {
      routePrefix: '/docs',
      indexPrefix: basePathOf(publicUrl),
      theme: { title: 'fluxbot API' },
      uiConfig: {
        layout: 'BaseLayout',
        docExpansion: 'list',
        defaultModelsExpandDepth: 0,
        deepLinking: true,
        displayRequestDuration: true,
      },
    })
  }
