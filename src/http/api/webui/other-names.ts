/** Names that clients of other web image services use for the fields of configurations, beside ours. */
import { z } from 'zod'
import { optional } from '../../server/validation.ts'

/** Fields of a configuration under their other names. */
export const otherFields = {
  api_key: z.string().max(2_000).nullish().describe('Same as `key`.'),
  model: z.string().max(200).nullish().describe('Same as `default_model`.'),
  // clients with databases that have no boolean type send 1 and 0
  is_active: optional(z.union([z.boolean(), z.literal([0, 1]).transform((value) => value === 1)])).describe(
    'Same as `active`.',
  ),
}

interface Fields {
  key?: string | null
  default_model?: string | null
  active?: boolean
  api_key?: string | null
  model?: string | null
  is_active?: boolean
}

/**
 * Values of the fields that have two names. A client that sends a response back changes one of the two names: the value that
 * differs from the response counts.
 */
export function fieldsOf(body: Fields, shown?: Fields): Pick<Fields, 'key' | 'default_model' | 'active'> {
  const { key, default_model, active, api_key, model, is_active } = body
  return {
    key: changedOf(shown?.key, key, api_key),
    default_model: changedOf(shown?.default_model, default_model, model),
    active: changedOf(shown?.active, active, is_active),
  }
}

const changedOf = <T>(shown: T, ...values: T[]): T | undefined =>
  values.find((value) => value !== undefined && value !== shown) ?? values.find((value) => value !== undefined)
