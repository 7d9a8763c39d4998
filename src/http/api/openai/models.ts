/** `GET /v1/models` and `/v1/models/{id}`: what a key may draw with, and which model a name means. */
import { z } from 'zod'
import type { KeyHolder } from '../../../core/accounts/api-keys.ts'
import type { Core } from '../../../core/core.ts'
import type { Model } from '../../../core/ports/models.ts'
import { modelFor } from '../../../core/programs/ask.ts'
import { offered } from '../../../core/request/resolve.ts'
import type { ApiApp, Family } from '../family.ts'
import { modelAnswer, modelsAnswer, refused, tags } from './response-schemas.ts'

/** What OpenAI's clients ask for when nobody chose: the default model answers to these, in whatever version. */
const gptImage = /^(gpt-image-[\w.-]+|chatgpt-image-latest)$/i
const dallE = /^dall-e-[23]$/i
/** Those that lists show. */
const commonNames = ['gpt-image-2', 'gpt-image-1.5', 'gpt-image-1', 'chatgpt-image-latest', 'dall-e-3', 'dall-e-2']

/** Clients sort by it; nothing else hangs on it. 2025-01-01. */
const created = 1_735_689_600

const listing = {
  summary: 'What this key may draw with.',
  operationId: 'listModels',
  tags,
  response: { 200: modelsAnswer, ...refused },
}

const finding = {
  summary: 'Which model a name means.',
  operationId: 'retrieveModel',
  tags,
  documented: {
    params: z.object({ model: z.string().describe('An id or another name of a model; it may hold slashes.') }),
  },
  response: { 200: modelAnswer, ...refused },
}

export function modelRoutes(app: ApiApp, { core, authenticate }: Family): void {
  app.get('/models', { schema: listing }, async (request) => {
    const holder = await authenticate(request)
    const ids = allowed(core, holder).map(({ id }) => id)
    const names = ids.length === 0 ? [] : commonNames
    return { object: 'list' as const, data: [...ids, ...names].map(described) }
  })
  // ids may hold slashes
  app.get<{ Params: { '*': string } }>('/models/*', { schema: finding }, async (request) => {
    const name = request.params['*']
    const id = modelFor(core, await authenticate(request), meantBy(name))
    return described(isCommon(name) ? name.toLowerCase() : id)
  })
}

/** What the core calls it: undefined is the key's default model. */
export const meantBy = (name: string | undefined) => (name !== undefined && isCommon(name) ? undefined : name)

/** OpenAI's newer names all stand for models that answer with base64. */
export const answersBase64 = (name: string | undefined) => name !== undefined && gptImage.test(name)

function allowed(core: Core, { models }: KeyHolder): Model[] {
  return offered(core.models.all()).filter(({ id }) => models === null || models.includes(id))
}

const isCommon = (name: string) => gptImage.test(name) || dallE.test(name)

const described = (id: string) => ({ id, object: 'model' as const, created, owned_by: 'fluxbot' as const })
