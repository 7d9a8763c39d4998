/** What all routes of this process share. Built once, so that limits hold for all routes together. */
import { readFileSync } from 'node:fs'
import { z } from 'zod'
import type { Core } from '../../core/core.ts'
import { type Authenticate, createAuthenticate } from './auth.ts'
import { type Bodies, createBodies } from './bodies.ts'
import { createDatabaseCheck } from './readiness.ts'
import { createThrottle, type Throttle } from './throttle.ts'

export interface Http {
  core: Core
  authenticate: Authenticate
  throttle: Throttle
  bodies: Bodies
  /** Resolves to false when the database does not answer in time. */
  databaseAnswers(): Promise<boolean>
}

export interface HttpOptions {
  /** API_KEY. Absent: only keys that people created are accepted. */
  operatorKey: string | undefined
  /** Requests of any kind that one key may send to this process. Default 600. */
  requestsPerMinute?: number
}

export function createHttp(core: Core, { operatorKey, requestsPerMinute }: HttpOptions): Http {
  return {
    core,
    authenticate: createAuthenticate(core, operatorKey),
    throttle: createThrottle(requestsPerMinute),
    bodies: createBodies(),
    databaseAnswers: createDatabaseCheck(core.database),
  }
}

/** The same distance from src/http/server and from dist/http/server. */
const packageFile = new URL('../../../package.json', import.meta.url)

/** Version of the service. */
export const { version } = z.object({ version: z.string() }).parse(JSON.parse(readFileSync(packageFile, 'utf8')))
