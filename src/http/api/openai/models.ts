/** `GET /v1/models` and `/v1/models/{id}`: the models that a key may use, and the model that a name stands for. */
import { z } from 'zod'
import type { KeyHolder } from '../../../core/accounts/api-keys.ts'
import type { Core } from '../../../core/core.ts'
import type { Model } from '../../../core/ports/models.ts'
import { modelFor } from '../../../core/programs/ask.ts'
import { listed } from '../../../core/request/choose-model.ts'
import type { ApiApp, Family } from '../family.ts'
import { errorResponses, modelResponse, modelsResponse, tags } from './response-schemas.ts'

/** Names that OpenAI's clients send by default, in any version. They stand for the default model. */
const gptImage = /^(gpt-image-[\w.-]+|chatgpt-image-latest)$/i
const dallE = /^dall-e-[23]$/i
/** The names of OpenAI's models that lists include. */
const listedNames = ['gpt-image-2', 'gpt-image-1.5', 'gpt-image-1', 'chatgpt-image-latest', 'dall-e-3', 'dall-e-2']

/** Clients expect a time and sort by it. 2025-01-01. */
const created = 1_735_689_600

const list = {
  summary: 'Lists the models that this key may use.',
  operationId: 'listModels',
  tags,
  response: { 200: modelsResponse, ...errorResponses },
}

const retrieval = {
  summary: 'Returns the model that a name stands for.',
  operationId: 'retrieveModel',
  tags,
  documented: { params: z.object({ model: z.string().describe('Id or alias of a model. It may contain slashes.') }) },
  response: { 200: modelResponse, ...errorResponses },
}

export function modelRoutes(app: ApiApp, { core, authenticate }: Family): void {
  app.get('/models', { schema: list }, async (request) => {
    const holder = await authenticate(request)
    const models = allowedModels(core, holder)
    const ids = models.map(({ id }) => id)
    const cloudflareIds = models.flatMap(({ aliases }) => aliases.filter((alias) => alias.startsWith('@cf/')))
    const names = ids.length === 0 ? [] : listedNames
    return { object: 'list' as const, data: [...new Set([...ids, ...cloudflareIds, ...names])].map(modelObject) }
  })
  // a wildcard, because ids may contain slashes
  app.get<{ Params: { '*': string } }>('/models/*', { schema: retrieval }, async (request) => {
    const name = request.params['*']
    const id = modelFor(core, await authenticate(request), coreModelName(core, name))
    return modelObject(isOpenAiName(name) && !isModel(core, name) ? name.toLowerCase() : id)
  })
}

/** The name to pass to the core. undefined: the default model of the key. A model of that very name comes first. */
export const coreModelName = (core: Core, name: string | undefined) =>
  name !== undefined && isOpenAiName(name) && !isModel(core, name) ? undefined : name

/** Whether it is the id or an alias of a model that can be used. */
export const isModel = ({ models }: Core, name: string) =>
  models.all().some(({ id, aliases }) => [id, ...aliases].includes(name.toLowerCase()))

/** OpenAI's newer models respond with base64 only, so clients that send these names expect it. */
export const defaultsToBase64 = (name: string | undefined) => name !== undefined && gptImage.test(name)

/** OpenAI's older models respond with links, also to edits. */
export const defaultsToUrl = (name: string | undefined) => name !== undefined && dallE.test(name)

function allowedModels(core: Core, { models }: KeyHolder): Model[] {
  return listed(core.models.all()).filter(({ id }) => models === null || models.includes(id))
}

const isOpenAiName = (name: string) => gptImage.test(name) || dallE.test(name)

const modelObject = (id: string) => ({ id, object: 'model' as const, created, owned_by: 'fluxbot' as const })
