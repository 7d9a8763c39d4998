/** Routes that return, cancel and list tasks. */
import type { FastifyRequest } from 'fastify'
import { actOf, ownerOf } from '../../../core/accounts/api-keys.ts'
import { AppError } from '../../../core/errors.ts'
import { cancel } from '../../../core/generation/cancel.ts'
import { type Outcome, outcomeOf, outcomes } from '../../../core/history/outcome.ts'
import type { ApiApp, Family } from '../family.ts'
import { errorResponses, historyResponse, taskResponse, unifiedList, unifiedResponse } from './response-schemas.ts'
import { taskOf } from './responses.ts'
import { pageQuery, tags, taskParams, unifiedQuery } from './schemas.ts'
import { filterOf } from './sources.ts'

const one = {
  summary: 'Returns a task: its progress or its result.',
  operationId: 'fluxTask',
  tags,
  params: taskParams,
  response: { 200: taskResponse, ...errorResponses },
}

const cancelled = {
  summary: 'Cancels a task and returns its credits.',
  description: 'A task that has ended is not changed.',
  operationId: 'fluxCancelTask',
  tags,
  params: taskParams,
  response: { 200: taskResponse, ...errorResponses },
}

const listed = {
  summary: 'Lists the tasks that the account requested through the API, newest first.',
  operationId: 'fluxHistory',
  tags,
  querystring: pageQuery,
  response: { 200: historyResponse, ...errorResponses },
}

const unified = {
  summary: 'Lists all tasks of the account, those from the chats included, newest first.',
  operationId: 'fluxUnifiedHistory',
  tags,
  querystring: unifiedQuery,
  response: { 200: unifiedResponse, ...errorResponses },
}

const list = {
  summary: 'Lists the successful tasks of the account, those from the chats included, newest first, as a bare list.',
  operationId: 'fluxUnifiedList',
  tags,
  querystring: unifiedQuery,
  response: { 200: unifiedList, ...errorResponses },
}

export function taskRoutes(app: ApiApp, family: Family): void {
  const { core, parts, authenticate } = family
  app.get('/flux/task/:id', { schema: one }, async (request) => {
    const outcome = await outcomeOf(core, ownerOf(await authenticate(request)), request.params.id)
    return answer(family, request, outcome)
  })
  app.delete('/flux/task/:id', { schema: cancelled }, async (request) => {
    const holder = await authenticate(request)
    const outcome = await cancel(core, ownerOf(holder), request.params.id, actOf(holder))
    return answer(family, request, outcome)
  })
  app.get('/flux/history', { schema: listed }, async (request) => {
    const { userId } = await authenticate(request)
    const { page, limit, before } = request.query
    const { items, more } = await outcomes(core, { userId, page, limit, source: 'api', before })
    const data = await Promise.all(items.map((outcome) => taskOf(parts, request, outcome)))
    const total = items.length === 0 ? 0 : (page - 1) * limit + items.length + (more ? 1 : 0)
    return { success: true as const, data, page, limit, total, has_more: more }
  })
  app.get('/images/unified-history', { schema: unified }, async (request) => {
    const { userId } = await authenticate(request)
    const { page, limit, source, before } = request.query
    const { items, more } = await outcomes(core, { userId, page, limit, before, ...filterOf(source) })
    const shown = await Promise.all(items.map((outcome) => unifiedTaskOf(family, request, outcome)))
    return { success: true as const, items: shown, pagination: { page, limit, has_more: more } }
  })
  app.get('/flux/unified-history', { schema: list }, async (request) => {
    const { userId } = await authenticate(request)
    const { source, ...page } = request.query
    const { items } = await outcomes(core, { userId, ...page, delivered: true, ...filterOf(source) })
    return Promise.all(items.map((outcome) => unifiedTaskOf(family, request, outcome)))
  })
}

/** In unified histories, `source` is the kind of model. */
async function unifiedTaskOf({ parts }: Family, request: FastifyRequest, outcome: Outcome) {
  return { ...(await taskOf(parts, request, outcome)), source: outcome.generator }
}

async function answer({ parts }: Family, request: FastifyRequest, outcome: Outcome | undefined) {
  if (!outcome) throw new AppError('unknown_request')
  return { success: true as const, ...(await taskOf(parts, request, outcome)) }
}
