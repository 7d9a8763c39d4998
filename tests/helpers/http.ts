/** What the routes of a process share, as main.ts builds it, on a core of a test. */
import type { Core } from '../../src/core/core.ts'
import { type ApiParts, createApiParts } from '../../src/http/api/parts.ts'
import { createStoredPictures } from '../../src/http/pictures/stored.ts'
import { createHttp } from '../../src/http/server/http.ts'

export interface ApiTestOptions {
  operatorKey: string
  publicUrl?: string
  requestsPerMinute?: number
  anonymousApi?: readonly string[]
}

export function apiParts(core: Core, options: ApiTestOptions): ApiParts {
  const { operatorKey, publicUrl = 'http://localhost:8080', requestsPerMinute, anonymousApi } = options
  const http = createHttp(core, { operatorKey, requestsPerMinute })
  return createApiParts({
    http,
    pictures: createStoredPictures(core),
    publicUrl,
    imageExpirationSeconds: 600,
    anonymousApi,
  })
}
