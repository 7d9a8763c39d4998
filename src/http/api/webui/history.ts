/** `/api/history`: what an account asked for anywhere, newest first, and how to take it out again. */

import { AppError } from '../../../core/errors.ts'
import { outcomeOf, outcomes } from '../../../core/history/outcome.ts'
import { erase, eraseAll } from '../../../core/media/erase.ts'
import type { ApiApp, Family } from '../family.ts'
import { itemOf } from './responses.ts'
import {
  clearedAnswer,
  erasedAnswer,
  historyAnswer,
  historyQuery,
  idParams,
  itemAnswer,
  refused,
  tags,
} from './schemas.ts'

const listed = {
  summary: 'What the account asked for, newest first.',
  operationId: 'webuiHistory',
  tags,
  querystring: historyQuery,
  response: { 200: historyAnswer, ...refused },
}

const one = {
  summary: 'One request, and how far it is.',
  operationId: 'webuiHistoryItem',
  tags,
  params: idParams,
  response: { 200: itemAnswer, ...refused },
}

const erased = {
  summary: 'Erases one request: its words and pictures.',
  description: 'What it cost stays. 409 while it is under way.',
  operationId: 'webuiEraseHistoryItem',
  tags,
  params: idParams,
  response: { 200: erasedAnswer, ...refused },
}

const cleared = {
  summary: 'Erases every request that has ended.',
  operationId: 'webuiEraseHistory',
  tags,
  response: { 200: clearedAnswer, ...refused },
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
    if (!(await erase(core, userId, id))) throw new AppError('unknown_request')
    return { success: true as const, id }
  })
  app.delete('/api/history', { schema: cleared }, async (request) => {
    const { userId } = await authenticate(request)
    // an id that is empty is no params to erase everything
    if (request.url.split('?')[0]?.endsWith('/')) throw new AppError('unknown_request')
    const { erased, running } = await eraseAll(core, userId)
    return { success: true as const, deleted: erased, remaining: running }
  })
}
