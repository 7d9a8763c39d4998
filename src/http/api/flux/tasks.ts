/** One task, and the tasks of an account. */
import type { FastifyRequest } from 'fastify'
import { ownerOf } from '../../../core/accounts/api-keys.ts'
import { AppError } from '../../../core/errors.ts'
import { cancel } from '../../../core/generation/cancel.ts'
import { type Outcome, outcomeOf, outcomes } from '../../../core/history/outcome.ts'
import type { ApiApp, Family } from '../family.ts'
import { historyAnswer, refused, taskAnswer, unifiedAnswer, unifiedList } from './response-schemas.ts'
import { taskOf } from './responses.ts'
import { pageQuery, tags, taskParams, unifiedQuery } from './schemas.ts'
import { filterOf } from './sources.ts'

const one = {
  summary: 'How far a task is, and what became of it.',
  operationId: 'fluxTask',
  tags,
  params: taskParams,
  response: { 200: taskAnswer, ...refused },
}

const cancelled = {
  summary: 'Cancels a task and gives the credits back.',
  description: 'One that is over stays as it is: the answer says how it ended.',
  operationId: 'fluxCancelTask',
  tags,
  params: taskParams,
  response: { 200: taskAnswer, ...refused },
}

const listed = {
  summary: 'What the account asked for by this API, newest first.',
  operationId: 'fluxHistory',
  tags,
  querystring: pageQuery,
  response: { 200: historyAnswer, ...refused },
}

const unified = {
  summary: 'What the account asked for anywhere, in the chats too, newest first.',
  operationId: 'fluxUnifiedHistory',
  tags,
  querystring: unifiedQuery,
  response: { 200: unifiedAnswer, ...refused },
}

const list = {
  summary: 'The pictures that the account asked for anywhere, newest first, as a list.',
  operationId: 'fluxUnifiedList',
  tags,
  querystring: unifiedQuery,
  response: { 200: unifiedList, ...refused },
}

export function taskRoutes(app: ApiApp, family: Family): void {
  const { core, parts, authenticate } = family
  app.get('/flux/task/:id', { schema: one }, async (request) => {
    const outcome = await outcomeOf(core, ownerOf(await authenticate(request)), request.params.id)
    return answer(family, request, outcome)
  })
  app.delete('/flux/task/:id', { schema: cancelled }, async (request) => {
    const outcome = await cancel(core, ownerOf(await authenticate(request)), request.params.id)
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

/** In a history of everything, what drew a picture is its source. */
async function unifiedTaskOf({ parts }: Family, request: FastifyRequest, outcome: Outcome) {
  return { ...(await taskOf(parts, request, outcome)), source: outcome.generator }
}

async function answer({ parts }: Family, request: FastifyRequest, outcome: Outcome | undefined) {
  if (!outcome) throw new AppError('unknown_request')
  return { success: true as const, ...(await taskOf(parts, request, outcome)) }
}
