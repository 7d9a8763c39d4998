/** What every family of the API works with. Built once for the process, so that all families share it. */
import type { StoredPictures } from '../pictures/stored.ts'
import type { Http } from '../server/http.ts'
import { type Anonymous, createAnonymous } from './anonymous.ts'
import { createFetcher, type Fetcher } from './fetcher.ts'

export interface ApiParts extends Http {
  pictures: StoredPictures
  fetcher: Fetcher
  anonymous: Anonymous
  /** Address under which clients reach the service. */
  publicUrl: string
  /** How long links in responses are valid. */
  imageExpirationSeconds: number
  /** Idempotency keys that this process is answering: account and key → hash of the request. */
  answering: Map<string, string>
}

export interface ApiOptions extends Pick<ApiParts, 'pictures' | 'publicUrl' | 'imageExpirationSeconds'> {
  http: Http
  /** Families that need no key. Default: none. */
  anonymousApi?: readonly string[]
}

export function createApiParts(options: ApiOptions): ApiParts {
  const { http, pictures, publicUrl, imageExpirationSeconds, anonymousApi = [] } = options
  return {
    ...http,
    pictures,
    publicUrl,
    imageExpirationSeconds,
    fetcher: createFetcher({ publicUrl }),
    anonymous: createAnonymous(http.core, anonymousApi),
    answering: new Map<string, string>(),
  }
}
