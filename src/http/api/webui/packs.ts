/** `/api/config/packs`: model packs and workflow packs in the database, for administrators. */
import type { FastifyRequest } from 'fastify'
import { adminIn } from '../../../core/accounts/api-keys.ts'
import { AppError } from '../../../core/errors.ts'
import { InvalidRequest } from '../../server/validation.ts'
import type { ApiApp, Family } from '../family.ts'
import { packBody, packResponse, packsResponse, removedResponse } from './config-schemas.ts'
import { errorResponses, idParams, tags } from './schemas.ts'

/** A pack may have 2 MiB; the graph of a workflow is the largest part of it. */
const packBytes = 3 * 1024 * 1024

const listed = {
  summary: 'Lists the packs in the database. Packs in files are not among them.',
  operationId: 'webuiPacks',
  tags,
  response: { 200: packsResponse, ...errorResponses },
}

const created = {
  summary: 'Stores a pack, in place of an earlier one of the same id.',
  description:
    'The body is the pack itself, as docs/model-packs.md and docs/workflow-packs.md describe it. A refusal lists every mistake in it.',
  operationId: 'webuiStorePack',
  tags,
  body: packBody,
  response: { 201: packResponse, ...errorResponses },
}

const removed = {
  summary: 'Removes a pack.',
  operationId: 'webuiRemovePack',
  tags,
  params: idParams,
  response: { 200: removedResponse, ...errorResponses },
}

export function packRoutes(app: ApiApp, { core, authenticate }: Family): void {
  // before the body is read
  const onRequest = async (request: FastifyRequest) => void (await authenticate(request, 'admin'))
  const actorOf = async (request: FastifyRequest) => adminIn(await authenticate(request, 'admin'))
  app.get('/api/config/packs', { onRequest, schema: listed }, async () => {
    const stored = await core.packs.list()
    return {
      success: true as const,
      packs: stored.map(({ id, text }) => ({ id, pack: JSON.parse(text) as Record<string, unknown> })),
    }
  })
  app.post('/api/config/packs', { onRequest, bodyLimit: packBytes, schema: created }, async (request, reply) => {
    const stored = await core.packs.store(JSON.stringify(request.body), await actorOf(request))
    if ('mistakes' in stored) {
      throw new InvalidRequest(
        stored.mistakes.map((message) => ({ name: undefined, message, problem: 'value' as const })),
      )
    }
    return reply.code(201).send({ success: true as const, id: stored.id })
  })
  app.delete('/api/config/packs/:id', { onRequest, schema: removed }, async (request) => {
    const { id } = request.params
    if (!(await core.packs.remove(id, await actorOf(request)))) throw new AppError('unknown_config', { id })
    return { success: true as const, id }
  })
}
