/** The API told of by itself: `/openapi.json` for programs, `/docs` for people. */
import { createHash } from 'node:crypto'
import swagger from '@fastify/swagger'
import swaggerUi from '@fastify/swagger-ui'
import type { FastifyPluginAsync } from 'fastify'
import { version } from '../operations/version.ts'
import { cors } from '../server/cors.ts'
import { asOperation, keys, tidy } from './document.ts'
import type { ApiParts } from './parts.ts'

const description = `Pictures from words, and from pictures and words.

The same accounts, credits, limits, moderation, history and queue as in the chats. A key comes from \`/apikey\` in a chat
and goes into \`Authorization: Bearer …\` or \`x-api-key\`. Several families of routes lead to the same: take the one that
your program already speaks.

- \`Idempotency-Key\`: the same key and the same request again have the same pictures, and are paid for once.
- \`Prefer: respond-async\`: 202 at once, and a place to look.
- Links to pictures are signed and expire.
- \`x-request-id\` is what the operator finds in the log.`

/** Families whose routes are there; the order is that of the page. */
const tags = [
  { name: 'OpenAI', description: 'OpenAI’s API under `/v1`: its clients work unchanged.' },
  { name: 'Flux', description: 'The FLUX service: tasks by words, by pictures, uploads and one history of them all.' },
  { name: 'ComfyUI', description: 'A ComfyUI-style service: generate by size and steps, look at the queue.' },
  { name: 'Web UI', description: 'For web pages that draw: generate, history, configurations of providers, status.' },
  { name: 'Pictures', description: 'What was drawn, by the links in answers. Needs no key.' },
  { name: 'Operations', description: 'Whether the service runs, and how. Needs no key but for figures.' },
]

const cacheSeconds = 300

/** To be registered before the routes it tells of, and beside them. */
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
            bearer: { type: 'http', scheme: 'bearer', description: 'A key from `/apikey`.' },
            key: { type: 'apiKey', in: 'header', name: 'x-api-key', description: 'The same key.' },
          },
        },
        security: keys,
      },
      // the address of the service may have a path: it is no part of ours
      stripBasePath: false,
      convertConstToEnum: false,
      transform: asOperation,
      transformObject: tidy,
    })
    await app.register(document)
    await app.register(page(new URL(publicUrl).origin))
  }
  // routes beside it are seen, not only those within
  return Object.assign(plugin, { [Symbol.for('skip-override')]: true })
}

const document: FastifyPluginAsync = async (app) => {
  cors(app)
  // made when it is first asked for: a process starts without it
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

/** `api`: where the page tries out requests. Nothing else from outside, and no script but its own files. */
const page =
  (api: string): FastifyPluginAsync =>
  async (app) => {
    const policy =
      "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; " +
      `connect-src 'self' ${api}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`
    app.addHook('onRequest', async (_request, reply) => {
      reply.headers({ 'content-security-policy': policy, 'x-frame-options': 'DENY' })
    })
    await app.register(swaggerUi, {
      routePrefix: '/docs',
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
