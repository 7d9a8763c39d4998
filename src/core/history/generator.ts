/** The kind of a request's model: 'flux' for every FLUX model, 'upscale', or else the name of the provider. */
import { type SQL, sql } from 'drizzle-orm'
import { generations } from '../../db/schema/generations.ts'

export const generator: SQL = sql`case
  when ${generations.model} ~ '(^|[^a-z])(flux|kontext)([^a-z]|$)'
    or ${generations.model} in ('comfy-dev', 'comfy-schnell', 'cf-schnell') then 'flux'
  when ${generations.model} = 'upscale' then 'upscale'
  else ${generations.provider} end`
