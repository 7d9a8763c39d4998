/** What is said without a key: that the service runs, whether it can work, and where to read on. */
import type { FastifyInstance, FastifyPluginAsync } from 'fastify'
import { z } from 'zod'
import type { ApiApp } from '../api/family.ts'
import { version } from './version.ts'

export interface StatusOptions {
  /** Part → what is missing; undefined: ready. */
  ready(): Promise<Record<string, string | undefined>>
  /** Where people reach us. Absent: addresses are told as paths. */
  publicUrl?: string
}

const tags = ['Operations']

const about = z
  .object({
    service: z.literal('fluxbot'),
    version: z.string(),
    status: z.literal('running'),
    docs: z.string().describe('A page for people.'),
    openapi: z.string().describe('The same for programs.'),
  })
  .meta({ id: 'Root' })

const root = {
  summary: 'That the service runs, and where its documents are.',
  description: 'Browsers, which ask for `text/html`, get the playground here.',
  operationId: 'root',
  tags,
  response: {
    200: {
      description: 'It runs.',
      content: { 'application/json': { schema: about }, 'text/html': { schema: z.string() } },
    },
  },
}

const alive = {
  summary: 'That the process lives.',
  operationId: 'healthz',
  tags,
  response: { 200: z.object({ status: z.literal('ok') }).meta({ id: 'Alive' }) },
}

const readiness = z
  .object({
    status: z.enum(['ready', 'not ready']),
    parts: z.record(z.string(), z.string()).describe("Part → 'ready', or what is missing."),
  })
  .meta({ id: 'Readiness' })

const readyz = {
  summary: 'Whether every part can work.',
  operationId: 'readyz',
  tags,
  response: { 200: readiness, 503: readiness.describe('Something is missing.') },
}

type Strategy = Parameters<FastifyInstance['addConstraintStrategy']>[0]
type Stored = Parameters<ReturnType<Strategy['storage']>['set']>[1]

/** Which of two routes with one path: `asks: 'data'` is not for browsers. To be called before routes are added. */
export function tellProgramsFromBrowsers(app: FastifyInstance): void {
  app.addConstraintStrategy({
    name: 'asks',
    storage: () => {
      const stored = new Map<unknown, Stored>()
      return { get: (asks) => stored.get(asks) ?? null, set: (asks, route) => void stored.set(asks, route) }
    },
    deriveConstraint: ({ headers }) => (prefersPage(headers.accept) ? 'page' : 'data'),
  })
}

/** Browsers name `text/html` without a weight, programs that take anything do not name it or weigh it less. */
function prefersPage(accept = ''): boolean {
  const weight = (type: string) => {
    const range = accept.split(',').find((each) => each.split(';')[0]?.trim().toLowerCase() === type)
    return range === undefined ? 0 : Number(/;\s*q=([\d.]+)/i.exec(range)?.[1] ?? 1)
  }
  return weight('text/html') > weight('application/json')
}

/** To be registered after the plugin that has the page, if there is one. */
export function status({ ready, publicUrl = '' }: StatusOptions): FastifyPluginAsync {
  return async (plain) => {
    const app = plain.withTypeProvider() as ApiApp
    app.setSerializerCompiler(() => JSON.stringify)
    const config = { open: true }
    const asks = app.hasRoute({ method: 'GET', url: '/' }) ? { constraints: { asks: 'data' } } : {}
    app.get('/', { config, schema: root, ...asks }, async (_request, reply) => {
      reply.headers({ vary: 'accept', 'cache-control': 'no-cache', 'access-control-allow-origin': '*' })
      const docs = { docs: `${publicUrl}/docs`, openapi: '/openapi.json' }
      return { service: 'fluxbot' as const, version, status: 'running' as const, ...docs }
    })
    app.get('/healthz', { config, schema: alive }, async () => ({ status: 'ok' as const }))
    app.get('/readyz', { config, schema: readyz }, async (_request, reply) => {
      const missing = Object.entries(await ready())
      const ok = missing.every(([, what]) => what === undefined)
      const parts = Object.fromEntries(missing.map(([part, what]) => [part, what ?? 'ready']))
      return reply.code(ok ? 200 : 503).send({ status: ok ? 'ready' : 'not ready', parts })
    })
  }
}
