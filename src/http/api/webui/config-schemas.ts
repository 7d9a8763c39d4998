/** Schemas of provider configurations. Unknown fields are refused, so that a typo is noticed. */
import { z } from 'zod'
import { optional } from '../../server/validation.ts'
import { otherFields } from './other-names.ts'
import { inAnyCase } from './schemas.ts'

const name = z.string().max(60)
const baseUrl = z.string().max(2_000)
const key = z.string().max(2_000)

const changes = {
  name: optional(name).describe('A name for administrators.'),
  base_url: baseUrl.nullish().describe('null: the address of the provider. Private addresses are allowed.'),
  key: key.nullish().describe('Responses contain only its last characters. null removes it.'),
  enabled: optional(z.boolean()).describe('false, for the active configuration: the provider is not used.'),
  active: optional(z.boolean()).describe(
    'Whether this configuration is used. A provider has one active configuration.',
  ),
  timeout_seconds: z.int().min(1).max(3_600).nullish().describe('Limit for one generation.'),
  max_concurrent: z.int().min(1).max(1_000).nullish().describe('Concurrent generations, in all processes together.'),
  default_model: z.string().max(200).nullish().describe('The model for requests that name none.'),
}

const provider = z
  .string()
  .max(100)
  .describe("One of `providers`, such as 'fal'. `doubao` is `ark`, `qwen` is `dashscope`.")
const shownId = optional(z.string().max(100)).describe('The current id: it cannot be changed.')

const bodyOf = <T extends z.ZodRawShape>(shape: T) => inAnyCase(z.strictObject({ ...shape, ...otherFields }))

export const createBody = bodyOf({ provider, ...changes }).meta({
  id: 'WebUiNewConfig',
  examples: [{ provider: 'fal', name: 'main', key: 'the key that fal gave you' }],
})

export const changeBody = bodyOf({
  ...changes,
  id: shownId,
  provider: optional(provider).describe('The current provider: it cannot be changed.'),
}).meta({
  id: 'WebUiConfigChange',
  examples: [{ max_concurrent: 10 }],
  description:
    'Absent fields are not changed. A new `base_url` requires `key`, because a stored key is never sent to another address.',
})

export const testBody = bodyOf({
  id: optional(z.string().max(100)).describe('Id of a stored configuration. It cannot be combined with other fields.'),
  provider: optional(provider),
  base_url: changes.base_url,
  key: changes.key,
  default_model: changes.default_model.describe('A model of the provider.'),
  name: changes.name.describe('Has no effect on a test, like `active`.'),
  active: changes.active,
}).meta({ id: 'WebUiConfigTest', examples: [{ provider: 'sketch' }] })

export type ChangeBody = z.output<typeof changeBody>
export type TestBody = z.output<typeof testBody>

const success = z.literal(true)

const configFields = {
  id: z.string(),
  provider: z
    .string()
    .describe("As it was sent, or the name that clients use: 'doubao' for ark, 'qwen' for dashscope."),
  name: z.string(),
  base_url: z.string().nullable().describe('The address without user, password and query, which may be secret.'),
  key: z
    .string()
    .nullable()
    .describe("The last characters, such as '…abcd'. '????': encrypted with another SECRET_KEY. null: no key."),
  enabled: z.boolean(),
  active: z.boolean(),
  timeout_seconds: z.int().nullable(),
  max_concurrent: z.int().nullable(),
  default_model: z.string().nullable(),
  api_key: z.string().nullable().describe('Same as `key`.'),
  model: z.string().nullable().describe('Same as `default_model`.'),
  is_active: z.boolean().describe('Same as `active`.'),
}

const config = z.object(configFields).meta({ id: 'WebUiConfig' })

export type ShownConfig = z.output<typeof config>

const kind = z
  .object({
    provider: z.string(),
    aliases: z.array(z.string()).describe('Other names that requests may use.'),
    title: z.string(),
    needs_key: z.boolean(),
    default_url: z.string().nullable(),
    using: z.enum(['stored', 'environment', 'none']).describe('Where the current configuration comes from.'),
  })
  .meta({ id: 'WebUiProvider' })

export const configsResponse = z
  .object({ success, configs: z.array(config), providers: z.array(kind) })
  .meta({ id: 'WebUiConfigs' })

export const configResponse = z.object({ success, config, ...configFields }).meta({ id: 'WebUiConfigStored' })

export const removedResponse = z.object({ success, id: z.string() }).meta({ id: 'WebUiConfigRemoved' })

export const packBody = z.looseObject({}).meta({
  id: 'WebUiPack',
  description: 'A model pack or a workflow pack.',
  examples: [
    {
      provider: 'fal',
      id: 'my-model',
      title: 'My model',
      price: 2,
      routes: [
        {
          endpoint: 'fal-ai/my-model',
          size: { as: 'ratio', name: 'aspect_ratio', aspects: { '1:1': [1024, 1024], '16:9': [1344, 768] } },
        },
      ],
    },
  ],
})

const storedPack = z.object({ id: z.string().describe('Of its model.'), pack: z.looseObject({}) })

export const packsResponse = z.object({ success, packs: z.array(storedPack) }).meta({ id: 'WebUiPacks' })

export const packResponse = z.object({ success, id: z.string() }).meta({ id: 'WebUiPackStored' })

export const testResponse = z
  .object({
    success,
    provider: z.string(),
    result: z.enum(['works', 'unknown']).describe('unknown: testing this provider would cost money.'),
  })
  .meta({ id: 'WebUiConfigTested' })
