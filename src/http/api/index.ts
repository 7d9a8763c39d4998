/** All families of routes. To add one, add a folder beside this file and a line below. */
import type { FastifyPluginAsync } from 'fastify'
import { comfyui } from './comfyui/index.ts'
import { flux } from './flux/index.ts'
import { openai } from './openai/index.ts'
import { openapi } from './openapi.ts'
import type { ApiParts } from './parts.ts'
import { webui } from './webui/index.ts'

/** The OpenAPI document describes the routes that are registered after it. */
export const api = (parts: ApiParts): FastifyPluginAsync[] => [
  openapi(parts),
  openai(parts),
  flux(parts),
  comfyui(parts),
  webui(parts),
]
