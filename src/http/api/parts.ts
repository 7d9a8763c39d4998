/** What every family of the API works with. Built once for the process, so that all families share it. */
import type { StoredPictures } from '../pictures/stored.ts'
import type { Http } from '../server/http.ts'
import { createFetcher, type Fetcher } from './fetcher.ts'

export interface ApiParts extends Http {
  pictures: StoredPictures
  fetcher: Fetcher
  /** Address under which clients reach the service. */
  publicUrl: string
  /** How long links in responses are valid. */
  imageExpirationSeconds: number
  /** Idempotency keys that this process is answering: account and key → hash of the request. */
  answering: Map<string, string>
}

export interface ApiOptions extends Pick<ApiParts, 'pictures' | 'publicUrl' | 'imageExpirationSeconds'> {
  http: Http
}

export function createApiParts({ http, pictures, publicUrl, imageExpirationSeconds }: ApiOptions): ApiParts {
  return {
    ...http,
    pictures,
    publicUrl,
    imageExpirationSeconds,
    fetcher: createFetcher({ publicUrl }),
    answering: new Map<string, string>(),
  }
}
