/** `/api/history`: all requests of an account, those from the chats included, and erasing them. */

import { AppError } from '../../../core/errors.ts'
import { outcomeOf, outcomes } from '../../../core/history/outcome.ts'
import { removeAllOwn, removeOwn } from '../../../core/results/remove.ts'
import type { ApiApp, Family } from '../family.ts'
import { itemOf } from './responses.ts'
import {
  clearedResponse,
  erasedResponse,
  errorResponses,
  historyQuery,
  historyResponse,
  idParams,
  itemResponse,
  tags,
} from './schemas.ts'

const listed = {
  summary: 'Lists the requests of the account, newest first.',
  operationId: 'webuiHistory',
  tags,
  querystring: historyQuery,
  response: { 200: historyResponse, ...errorResponses },
}

const one = {
  summary: 'Returns a request: its progress or its result.',
  operationId: 'webuiHistoryItem',
  tags,
  params: idParams,
  response: { 200: itemResponse, ...errorResponses },
}

const erased = {
  summary: 'Erases the prompt and the images of a request.',
  description:
    'Messages that show it in chats are deleted afterwards, where the chat still allows it. Charges are not refunded. Responds with 409 while the request is unfinished.',
  operationId: 'webuiEraseHistoryItem',
  tags,
  params: idParams,
  response: { 200: erasedResponse, ...errorResponses },
}

const cleared = {
  summary: 'Erases every request that has ended.',
  description: 'Messages that show them in chats are deleted afterwards, where the chat still allows it.',
  operationId: 'webuiEraseHistory',
  tags,
  response: { 200: clearedResponse, ...errorResponses },
}

export function historyRoutes(app: ApiApp, { core, parts, authenticate }: Family): void {
  app.get('/api/history', { schema: listed }, async (request) => {
    const { userId } = await authenticate(request)
    const { page, limit, source, before } = request.query
    const { items, more } = await outcomes(core, { userId, page, limit, source, before })
    const shown = await Promise.all(items.map((outcome) => itemOf(parts, request, outcome)))
    return { success: true as const, items: shown, page, limit, has_more: more }
  })
  app.get('/api/history/:id', { schema: one }, async (request) => {
    const { userId } = await authenticate(request)
    const outcome = await outcomeOf(core, userId, request.params.id)
    if (!outcome) throw new AppError('unknown_request')
    return { success: true as const, ...(await itemOf(parts, request, outcome)) }
  })
  app.delete('/api/history/:id', { schema: erased }, async (request) => {
    const { userId } = await authenticate(request)
    const { id } = request.params
    if (!(await removeOwn(core, userId, id))) throw new AppError('unknown_request')
    return { success: true as const, id }
  })
  app.delete('/api/history', { schema: cleared }, async (request) => {
    const { userId } = await authenticate(request)
    // a missing id must not erase everything: '/api/history/' also matches this route
    if (request.url.split('?')[0]?.endsWith('/')) throw new AppError('unknown_request')
    const { erased, running } = await removeAllOwn(core, userId)
    return { success: true as const, deleted: erased, remaining: running }
  })
}
