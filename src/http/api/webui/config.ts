/**
 * `/api/config`: how providers are reached, for administrators. Keys are written and never read; processes notice changes by
 * themselves. An address is trusted like a setting, private or not: the person who may set it is the operator.
 */
import type { FastifyRequest } from 'fastify'
import type { Core } from '../../../core/core.ts'
import { AppError } from '../../../core/errors.ts'
import type { ProviderKind } from '../../../core/ports/providers.ts'
import {
  addConfig,
  type ConfigChange,
  changeConfig,
  checkChange,
  listConfigs,
  type ProviderConfig,
  removeConfig,
} from '../../../core/providers/configs.ts'
import { InvalidRequest } from '../../server/validation.ts'
import type { ApiApp, Family } from '../family.ts'
import { assertDrawnBy, testConfig } from './config-probe.ts'
import {
  type ChangeBody,
  changeBody,
  configAnswer,
  configsAnswer,
  createBody,
  removedAnswer,
  testAnswer,
  testBody,
} from './config-schemas.ts'
import { changeOf, shownConfig } from './config-shown.ts'
import { otherProviderName, providerNamed } from './other-names.ts'
import { idParams, refused, tags } from './schemas.ts'

const listed = {
  summary: 'Stored configurations, and which providers there are.',
  operationId: 'webuiConfigs',
  tags,
  response: { 200: configsAnswer, ...refused },
}

const created = {
  summary: 'Stores a configuration; the first of a provider is used at once.',
  operationId: 'webuiCreateConfig',
  tags,
  body: createBody,
  response: { 201: configAnswer, ...refused },
}

const changed = {
  summary: 'Changes a configuration.',
  operationId: 'webuiChangeConfig',
  tags,
  params: idParams,
  body: changeBody,
  response: { 200: configAnswer, ...refused },
}

const removed = {
  summary: 'Removes a configuration; without one the environment counts again.',
  operationId: 'webuiRemoveConfig',
  tags,
  params: idParams,
  response: { 200: removedAnswer, ...refused },
}

const tested = {
  summary: 'Whether address and key work; costs nothing.',
  description:
    'Of a stored configuration, of one that is not stored yet, or, with `provider` alone, of what is used now.',
  operationId: 'webuiTestConfig',
  tags,
  body: testBody,
  response: { 200: testAnswer, ...refused },
}

/** A configuration is written back as it was shown, but never for another provider. Throws InvalidRequest. */
function assertSame(before: ProviderConfig, { id = before.id, provider = before.provider }: ChangeBody): void {
  const changed = id !== before.id ? 'id' : providerNamed(provider) !== before.provider ? 'provider' : undefined
  if (changed === undefined) return
  throw new InvalidRequest([{ name: changed, message: 'it is fixed: add another configuration', problem: 'value' }])
}

export function configRoutes(app: ApiApp, { core, authenticate }: Family): void {
  // before the body is read
  const onRequest = async (request: FastifyRequest) => void (await authenticate(request, 'admin'))
  app.get('/api/config', { onRequest, schema: listed }, () => overview(core))
  app.post('/api/config', { onRequest, schema: created }, async ({ body: { provider, ...body } }, reply) => {
    const kind = kindOf(core, providerNamed(provider))
    const change = changeOf(body)
    checkChange(change)
    assertDrawnBy(core, kind.name, change.defaultModel)
    assertUsable(core, kind, change)
    const id = await addConfig(core, kind.name, change)
    return reply.code(201).send(await stored(core, id, provider))
  })
  app.put('/api/config/:id', { onRequest, schema: changed }, async ({ body, params: { id } }) => {
    const before = await configOf(core, id)
    assertSame(before, body)
    const change = changeOf(body, before)
    assertDrawnBy(core, before.provider, change.defaultModel)
    await changeConfig(core, id, change)
    return stored(core, id, body.provider)
  })
  app.delete('/api/config/:id', { onRequest, schema: removed }, async ({ params: { id } }) => {
    await removeConfig(core, id)
    await core.providers.reload()
    return { success: true as const, id }
  })
  app.post('/api/config/test', { onRequest, schema: tested }, ({ body }) => testConfig(core, body))
}

type Used = 'stored' | 'environment' | 'none'

async function overview(core: Core) {
  const configs = await listConfigs(core)
  const providers = core.providers.kinds.map(({ name, title, needsKey, defaultUrl }) => ({
    provider: name,
    aliases: [otherProviderName(name) ?? []].flat(),
    title,
    needs_key: needsKey,
    default_url: defaultUrl ?? null,
    using: usedBy(core, name, configs),
  }))
  return { success: true as const, configs: configs.map((config) => shownConfig(config)), providers }
}

function usedBy({ providers }: Core, name: string, configs: readonly ProviderConfig[]): Used {
  if (!providers.get(name)) return 'none'
  return configs.some(({ provider, active }) => provider === name && active) ? 'stored' : 'environment'
}

/** This process knows at once; the others have been told. */
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

/** The environment's key is for the environment's address. Throws InvalidRequest. */
function assertUsable({ providers }: Core, { name, needsKey }: ProviderKind, { key, baseUrl }: ConfigChange): void {
  const lent = (baseUrl ?? null) === null && providers.get(name)?.settings.key !== undefined
  if (!needsKey || key || lent) return
  throw new InvalidRequest([{ name: 'key', message: 'this provider needs one', problem: 'missing' }])
}

function kindOf({ providers }: Core, name: string): ProviderKind {
  const kind = providers.kinds.find((each) => each.name === name)
  if (!kind) throw new AppError('unknown_provider', { name, available: providers.kinds.map((each) => each.name) })
  return kind
}
