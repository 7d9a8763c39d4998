/** Every family of routes. Adding one: a folder beside this file and a line below. */
import type { FastifyPluginAsync } from 'fastify'
import { comfyui } from './comfyui/index.ts'
import { flux } from './flux/index.ts'
import { openai } from './openai/index.ts'
import { openapi } from './openapi.ts'
import type { ApiParts } from './parts.ts'
import { webui } from './webui/index.ts'

/** What tells of the routes comes before them. */
export const api = (parts: ApiParts): FastifyPluginAsync[] => [
  openapi(parts),
  openai(parts),
  flux(parts),
  comfyui(parts),
  webui(parts),
]
