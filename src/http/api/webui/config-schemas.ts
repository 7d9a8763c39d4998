/** Provider configurations as administrators send and see them. Unknown keys are refused: a typo must not be lost. */
import { z } from 'zod'
import { optional } from '../../server/validation.ts'
import { otherFields } from './other-names.ts'
import { inEitherCase } from './schemas.ts'

const name = z.string().max(60)
const baseUrl = z.string().max(2_000)
const key = z.string().max(2_000)

const changes = {
  name: optional(name).describe('For people.'),
  base_url: baseUrl.nullish().describe('null: the provider’s own. Trusted like a setting, private addresses too.'),
  key: key.nullish().describe('Never shown again but for its end. null takes it away.'),
  enabled: optional(z.boolean()).describe('An active one that is not enabled switches its provider off.'),
  active: optional(z.boolean()).describe('The one that is used: the provider’s others are not, then.'),
  timeout_seconds: z.int().min(1).max(3_600).nullish().describe('For one picture.'),
  max_concurrent: z.int().min(1).max(1_000).nullish().describe('Pictures at the same time, in all processes together.'),
  default_model: z.string().max(200).nullish().describe('The model for requests that name none.'),
}

const provider = z
  .string()
  .max(100)
  .describe("One of `providers`, such as 'fal'. `doubao` is `ark`, `qwen` is `dashscope`.")
const shownId = optional(z.string().max(100)).describe('As it is.')

const bodyOf = <T extends z.ZodRawShape>(shape: T) => inEitherCase(z.strictObject({ ...shape, ...otherFields }))

export const createBody = bodyOf({ provider, ...changes }).meta({
  id: 'WebUiNewConfig',
  examples: [{ provider: 'fal', name: 'main', key: 'the key that fal gave you' }],
})

export const changeBody = bodyOf({ ...changes, id: shownId, provider: optional(provider).describe('As it is.') }).meta({
  id: 'WebUiConfigChange',
  examples: [{ max_concurrent: 10 }],
  description: 'What is absent stays. A stored key is for its address: with another `base_url` it must be given again.',
})

export const testBody = bodyOf({
  id: optional(z.string().max(100)).describe('A stored configuration; nothing else is given with it.'),
  provider: optional(provider),
  base_url: changes.base_url,
  key: changes.key,
  default_model: changes.default_model.describe('Must be one that the provider draws with.'),
  name: changes.name.describe('Without effect on a test, as `active`.'),
  active: changes.active,
}).meta({ id: 'WebUiConfigTest', examples: [{ provider: 'sketch' }] })

export type ChangeBody = z.output<typeof changeBody>
export type TestBody = z.output<typeof testBody>

const success = z.literal(true)

const configFields = {
  id: z.string(),
  provider: z.string().describe("As it was sent, or as clients call it: 'doubao' for ark, 'qwen' for dashscope."),
  name: z.string(),
  base_url: z.string().nullable().describe('Without what might be secret in it.'),
  key: z.string().nullable().describe("'…abcd': its end. '????': sealed under another SECRET_KEY."),
  enabled: z.boolean(),
  active: z.boolean(),
  timeout_seconds: z.int().nullable(),
  max_concurrent: z.int().nullable(),
  default_model: z.string().nullable(),
  api_key: z.string().nullable().describe('The same as `key`.'),
  model: z.string().nullable().describe('The same as `default_model`.'),
  is_active: z.boolean().describe('The same as `active`.'),
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
    using: z.enum(['stored', 'environment', 'none']).describe('What it is set up by now.'),
  })
  .meta({ id: 'WebUiProvider' })

export const configsAnswer = z
  .object({ success, configs: z.array(config), providers: z.array(kind) })
  .meta({ id: 'WebUiConfigs' })

export const configAnswer = z.object({ success, config, ...configFields }).meta({ id: 'WebUiConfigStored' })

export const removedAnswer = z.object({ success, id: z.string() }).meta({ id: 'WebUiConfigRemoved' })

export const testAnswer = z
  .object({
    success,
    provider: z.string(),
    result: z.enum(['works', 'unknown']).describe('unknown: it cannot be found out without paying.'),
  })
  .meta({ id: 'WebUiConfigTested' })
