/**
 * `/api/config`: stored configurations of providers, for administrators. Keys are never returned. Other processes load changes
 * by themselves. Private addresses are allowed, because administrators are trusted like the operator's settings.
 */
import type { FastifyRequest } from 'fastify'
import { adminIn } from '../../../core/accounts/api-keys.ts'
import type { Core } from '../../../core/core.ts'
import { AppError } from '../../../core/errors.ts'
import {
  addConfig,
  type ConfigChange,
  changeConfig,
  checkChange,
  listConfigs,
  type ProviderConfig,
  removeConfig,
} from '../../../core/providers/configs.ts'
import { findKind, otherProviderName, providerNamed } from '../../../core/providers/names.ts'
import { InvalidRequest } from '../../server/validation.ts'
import type { ApiApp, Family } from '../family.ts'
import { assertServesModel, missingField, testConfig } from './config-probe.ts'
import {
  type ChangeBody,
  changeBody,
  configResponse,
  configsResponse,
  createBody,
  removedResponse,
  testBody,
  testResponse,
} from './config-schemas.ts'
import { changeOf, shownConfig } from './config-shown.ts'
import { errorResponses, idParams, tags } from './schemas.ts'

const listed = {
  summary: 'Lists the stored configurations and the available providers.',
  operationId: 'webuiConfigs',
  tags,
  response: { 200: configsResponse, ...errorResponses },
}

const created = {
  summary: 'Stores a configuration. The first one of a provider becomes active.',
  operationId: 'webuiCreateConfig',
  tags,
  body: createBody,
  response: { 201: configResponse, ...errorResponses },
}

const changed = {
  summary: 'Changes a configuration.',
  operationId: 'webuiChangeConfig',
  tags,
  params: idParams,
  body: changeBody,
  response: { 200: configResponse, ...errorResponses },
}

const removed = {
  summary: 'Removes a configuration. Without one, the provider uses the environment.',
  operationId: 'webuiRemoveConfig',
  tags,
  params: idParams,
  response: { 200: removedResponse, ...errorResponses },
}

const tested = {
  summary: 'Tests the address and the key of a provider, at no cost.',
  description:
    'Tests a stored configuration (`id`), unsaved values, or the current configuration of a provider (`provider` alone).',
  operationId: 'webuiTestConfig',
  tags,
  body: testBody,
  response: { 200: testResponse, ...errorResponses },
}

/** A response may be sent back as a change, but only for its own configuration. Throws InvalidRequest. */
function assertSame(before: ProviderConfig, { id = before.id, provider = before.provider }: ChangeBody): void {
  const changed = id !== before.id ? 'id' : providerNamed(provider) !== before.provider ? 'provider' : undefined
  if (changed === undefined) return
  throw new InvalidRequest([
    { name: changed, message: 'it cannot be changed: add another configuration', problem: 'value' },
  ])
}

export function configRoutes(app: ApiApp, { core, authenticate }: Family): void {
  // before the body is read
  const onRequest = async (request: FastifyRequest) => void (await authenticate(request, 'admin'))
  const editing = async (request: FastifyRequest) => ({ ...core, actor: adminIn(await authenticate(request, 'admin')) })
  app.get('/api/config', { onRequest, schema: listed }, () => overview(core))
  app.post('/api/config', { onRequest, schema: created }, async (request, reply) => {
    const { provider, ...body } = request.body
    const kind = findKind(core.providers.kinds, provider)
    const change = changeOf(body)
    checkChange(change)
    assertServesModel(core, kind.name, change.defaultModel)
    assertComplete(core, kind.name, change)
    const id = await addConfig(await editing(request), kind.name, change)
    return reply.code(201).send(await stored(core, id, provider))
  })
  app.put('/api/config/:id', { onRequest, schema: changed }, async (request) => {
    const { body, params } = request
    const { id } = params
    const before = await configOf(core, id)
    assertSame(before, body)
    const change = changeOf(body, before)
    assertServesModel(core, before.provider, change.defaultModel)
    await changeConfig(await editing(request), id, change)
    return stored(core, id, body.provider)
  })
  app.delete('/api/config/:id', { onRequest, schema: removed }, async (request) => {
    const { id } = request.params
    await removeConfig(await editing(request), id)
    await core.providers.reload()
    return { success: true as const, id }
  })
  app.post('/api/config/test', { onRequest, schema: tested }, ({ body }) => testConfig(core, body))
}

type Source = 'stored' | 'environment' | 'none'

async function overview(core: Core) {
  const configs = await listConfigs(core)
  const providers = core.providers.kinds.map(({ name, title, needsKey, defaultUrl }) => ({
    provider: name,
    aliases: [otherProviderName(name) ?? []].flat(),
    title,
    needs_key: needsKey,
    default_url: defaultUrl ?? null,
    using: sourceOf(core, name, configs),
  }))
  return { success: true as const, configs: configs.map((config) => shownConfig(config)), providers }
}

function sourceOf({ providers }: Core, name: string, configs: readonly ProviderConfig[]): Source {
  if (!providers.get(name)) return 'none'
  return configs.some(({ provider, active }) => provider === name && active) ? 'stored' : 'environment'
}

/** Loads the change in this process at once; a notification reaches the others. */
async function stored(core: Core, id: string, sentProvider?: string) {
  await core.providers.reload()
  const config = shownConfig(await configOf(core, id), sentProvider)
  return { success: true as const, config, ...config }
}

async function configOf(core: Core, id: string): Promise<ProviderConfig> {
  const config = (await listConfigs(core)).find((each) => each.id === id)
  if (!config) throw new AppError('unknown_config', { id })
  return config
}

/** Throws InvalidRequest. */
function assertComplete({ providers }: Core, provider: string, { key, baseUrl }: ConfigChange): void {
  const missing = providers.missingIn({ provider, key: key ?? undefined, baseUrl: baseUrl ?? null })
  if (missing) throw missingField(missing)
}
