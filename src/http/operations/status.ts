/** Routes that need no key: the service's own description, liveness and readiness. */
import type { FastifyPluginAsync } from 'fastify'
import { z } from 'zod'
import { basePathOf } from '../../net/own-address.ts'
import { type Http, version } from '../server/http.ts'
import { inTime } from '../server/readiness.ts'
import { withSchemas } from '../server/validation.ts'

export interface StatusOptions {
  /** To know administrators, who get reasons. Absent: none gets them. */
  http?: Pick<Http, 'authenticate'>
  /** Part of the service → what is missing. undefined: the part is ready. */
  ready(): Promise<Record<string, string | undefined>>
  /** Address of the service for people. Absent: links are paths. */
  publicUrl?: string
}

const tags = ['Operations']

const about = z
  .object({
    service: z.literal('fluxbot'),
    version: z.string(),
    status: z.literal('running'),
    docs: z.string().describe('Documentation page.'),
    openapi: z.string().describe('OpenAPI document.'),
  })
  .meta({ id: 'Root' })

const root = {
  summary: 'Describes the service and links to its documentation.',
  description: 'Browsers, which ask for `text/html`, get the playground here.',
  operationId: 'root',
  tags,
  response: {
    200: {
      description: 'The service is running.',
      content: { 'application/json': { schema: about }, 'text/html': { schema: z.string() } },
    },
  },
}

const alive = {
  summary: 'Checks that the process is alive.',
  operationId: 'healthz',
  tags,
  response: { 200: z.object({ status: z.literal('ok') }).meta({ id: 'Alive' }) },
}

const readiness = z
  .object({
    status: z.enum(['ready', 'not ready']),
    parts: z
      .record(z.string(), z.string())
      .describe("Part of the service → 'ready' or 'not ready'. With an administrator's key: what is missing."),
  })
  .meta({ id: 'Readiness' })

const readyz = {
  summary: 'Checks that every part of the service is ready.',
  operationId: 'readyz',
  tags,
  response: { 200: readiness, 503: readiness.describe('A part is not ready.') },
}

/** Register it after the plugin that serves the page at `/`, if there is one. */
export function status({ http, ready, publicUrl = '' }: StatusOptions): FastifyPluginAsync {
  return async (plain) => {
    const app = withSchemas(plain)
    const config = { open: true }
    const onlyData = app.hasRoute({ method: 'GET', url: '/' }) ? { constraints: { asks: 'data' } } : {}
    app.get('/', { config, schema: root, ...onlyData }, async (_request, reply) => {
      reply.headers({ vary: 'accept', 'cache-control': 'no-cache', 'access-control-allow-origin': '*' })
      const docs = { docs: `${publicUrl}/docs`, openapi: `${publicUrl && basePathOf(publicUrl)}/openapi.json` }
      return { service: 'fluxbot' as const, version, status: 'running' as const, ...docs }
    })
    app.get('/healthz', { config, schema: alive }, async () => ({ status: 'ok' as const }))
    app.get('/readyz', { config, schema: readyz }, async (request, reply) => {
      const missing = Object.entries(await ready())
      const ok = missing.every(([, what]) => what === undefined)
      const asksAdmin = !ok && http !== undefined && (await inTime(http.authenticate(request, 'admin'))) !== undefined
      const shown = (what: string | undefined) => (what === undefined ? 'ready' : asksAdmin ? what : 'not ready')
      const parts = Object.fromEntries(missing.map(([part, what]) => [part, shown(what)]))
      return reply.code(ok ? 200 : 503).send({ status: ok ? 'ready' : 'not ready', parts })
    })
  }
}
