/**
 * Who draws: a family of models, whichever service runs it. Derived from the stored names of model and service, so that older requests
 * have it, too.
 */
import { type SQL, sql } from 'drizzle-orm'
import { generations } from '../../db/schema/generations.ts'

const word = (pattern: string) => sql.raw(`'(^|[^a-z])(${pattern})([^a-z]|$)'`)
const { model, provider } = generations
/** Families that are called like their models. */
const others = 'jimeng|kling|midjourney|ideogram|recraft|z-image'

export const generator: SQL = sql`case
  when ${model} ~ ${word('flux|kontext')} or ${model} in ('comfy-dev', 'comfy-schnell', 'cf-schnell') then 'flux'
  when ${model} = 'upscale' then 'upscale'
  when ${model} ~ ${word('seedream|doubao')} or ${provider} = 'ark' then 'doubao'
  when ${model} ~ ${word('qwen|wan')} or ${provider} = 'dashscope' then 'qwen'
  when ${model} ~ ${word('gemini|nano-banana')} then 'gemini'
  when ${model} ~ ${word('gpt-image|dall-e')} then 'openai'
  when ${model} ~ ${word(others)} then substring(${model} from ${sql.raw(`'${others}'`)})
  else ${provider} end`
