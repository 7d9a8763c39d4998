/**
 * Serves the ComfyUI routes on a local port, with an emulated ComfyUI and other providers. Every JSON response is checked
 * against the schema of its route.
 */
import type { AddressInfo } from 'node:net'
import { expect } from 'vitest'
import { ZodType } from 'zod'
import { accountOf, readAccount } from '../../../../src/core/accounts/accounts.ts'
import { createApiKey } from '../../../../src/core/accounts/api-keys.ts'
import type { Core } from '../../../../src/core/core.ts'
import { verifyLink } from '../../../../src/core/media/links.ts'
import type { ImageProvider } from '../../../../src/core/ports/providers.ts'
import { comfyui } from '../../../../src/http/api/comfyui/index.ts'
import { pictures } from '../../../../src/http/pictures/pictures.ts'
import { createApp } from '../../../../src/http/server/app.ts'
import { comfyuiModels } from '../../../../src/models/comfyui.ts'
import { fluxPro } from '../../../../src/models/kontext.ts'
import { sketch } from '../../../../src/models/sketch.ts'
import { createComfyui } from '../../../../src/providers/comfyui/comfyui.ts'
import { type Comfyui, startComfyui } from '../../../emulators/comfyui/index.ts'
import { quickest } from '../../../helpers/backends.ts'
import { openTestCore, type TestCore, type TestCoreOptions } from '../../../helpers/core.ts'
import { apiParts } from '../../../helpers/http.ts'
import { violations } from '../../../helpers/invariants.ts'
import { keepLog } from '../../../helpers/log.ts'
import { quickPace } from '../../../helpers/providers/comfyui.ts'

export const operatorKey = 'the-operator-s-own-key'
export const publicUrl = 'http://localhost:8080'

interface Sent {
  method?: string
  body?: unknown
  /** Default: Ann's key. null: no key. */
  key?: string | null
  headers?: Record<string, string>
}

interface Answered {
  status: number
  headers: Headers
  bytes: Buffer
  // biome-ignore lint/suspicious/noExplicitAny: each test knows the fields, and the schema has checked them
  body: any
}

export interface Service {
  test: TestCore
  core: Core
  emulator: Comfyui
  url: string
  userId: string
  /** All JSON responses, as text. */
  answers: string[]
  call(path: string, sent?: Sent): Promise<Answered>
  generate(body: unknown, sent?: Sent): Promise<Answered>
  keyFor(name: string, models?: readonly string[]): Promise<string>
  balance(): Promise<number>
  /** Closes it. Resolves to violated invariants and logged errors. */
  close(): Promise<string[]>
}

interface Options extends TestCoreOptions {
  /** Providers other than ComfyUI. */
  others: readonly ImageProvider[]
  /** Default: true. */
  withComfyui?: boolean
  anonymousApi?: readonly string[]
}

const models = [sketch, fluxPro, ...comfyuiModels]

export async function openService({ others, withComfyui = true, anonymousApi, ...options }: Options): Promise<Service> {
  const emulator = await startComfyui()
  // the second server does not respond
  const baseUrl = `${emulator.url}, http://127.0.0.1:9`
  const comfyuiProviders = withComfyui ? [createComfyui({ baseUrl }, { log: keepLog() }, quickPace)] : []
  const providers = [...others, ...comfyuiProviders]
  const served = models.filter(({ routes }) =>
    routes.some(({ provider }) => providers.some((p) => p.name === provider)),
  )
  const test = await openTestCore(quickest, { ...options, providers, models: served })
  const log = keepLog()
  const core = { ...test.core, log: { ...test.core.log, error: log.error } }
  const accountFor = (name: string) => accountOf(core, { id: `test:${name}`, name })
  const keyFor: Service['keyFor'] = async (name, models) =>
    (await createApiKey(core, { userId: await accountFor(name), name: 'mine', models })).key
  const key = await keyFor('ann')
  const userId = await accountFor('ann')
  const parts = apiParts(core, { operatorKey, publicUrl, anonymousApi })
  const app = createApp({
    log,
    closeMs: 100,
    plugins: [comfyui(parts), pictures({ ...parts.pictures, verify: (link) => verifyLink(core.secretKey, link) })],
  })
  const documented: { method: string; path: RegExp; response: Record<string, unknown> }[] = []
  app.addHook('onRoute', ({ method, url, schema }) => {
    const response = schema?.response as Record<string, unknown> | undefined
    if (response)
      documented.push({ method: String(method), path: new RegExp(`^${url.replace(/:\w+/g, '[^/]+')}$`), response })
  })
  await app.listen({ port: 0, host: '127.0.0.1' })
  const url = `http://127.0.0.1:${(app.server.address() as AddressInfo).port}`
  const answers: string[] = []

  function check(method: string, path: string, { status, body }: Answered) {
    const route = documented.find((each) => each.method === method && each.path.test(path))
    const schema = route?.response[status] ?? route?.response[`${Math.floor(status / 100)}xx`]
    if (!(schema instanceof ZodType)) throw new Error(`${method} ${path} has no schema for status ${status}`)
    expect(schema.parse(body)).toEqual(body)
  }

  const call: Service['call'] = async (path, { method = 'GET', body, key: sentKey = key, headers = {} } = {}) => {
    const response = await fetch(url + path, {
      method,
      headers: {
        ...(sentKey !== null && { authorization: `Bearer ${sentKey}` }),
        ...(body !== undefined && { 'content-type': 'application/json' }),
        ...headers,
      },
      body: typeof body === 'string' ? body : JSON.stringify(body),
    })
    const bytes = Buffer.from(await response.arrayBuffer())
    const isJson = response.headers.get('content-type')?.startsWith('application/json') && bytes.length > 0
    const json = isJson ? JSON.parse(bytes.toString()) : undefined
    const answered = { status: response.status, headers: response.headers, bytes, body: json }
    if (isJson) {
      answers.push(bytes.toString())
      check(method, path.split('?')[0] ?? '', answered)
    }
    return answered
  }

  return {
    test,
    core,
    emulator,
    url,
    userId,
    answers,
    call,
    generate: (body, sent) => call('/generate', { ...sent, method: 'POST', body }),
    keyFor,
    balance: async () => (await readAccount(core, userId)).balance,
    close: async () => {
      const wrong = await violations(core.database)
      await app.close()
      await test.close()
      await emulator.stop()
      return [...wrong, ...log.lines.filter((line) => line.startsWith('error'))]
    },
  }
}
