/**
 * The addresses of Workers AI, and the check that they and the key work. The service itself is at
 * `https://api.cloudflare.com/client/v4/accounts/<account>`. An address that contains `/workers-ai` is an AI Gateway in
 * front of it, which can only run models.
 */
import { z } from 'zod'
import { AppError } from '../../core/errors.ts'
import type { ProviderHttp, ProviderResponse } from '../http.ts'
import { parseEnvelope, responseError } from './errors.ts'

export interface Addresses {
  gateway: boolean
  /** Path that runs a model, below the base address. */
  run(model: string): string
  /** Full addresses that verify a key, the likelier first; one of them knows the key. Absent at a gateway. */
  verify?: readonly string[]
  /** Path of the list of models. Absent at a gateway. */
  models?: string
}

export function addressesOf(baseUrl: string, key: string): Addresses {
  if (new URL(baseUrl).pathname.includes('/workers-ai')) return { gateway: true, run: (model) => `/${model}` }
  const owner = /^(.*)\/accounts\/[^/]+$/.exec(baseUrl)
  // account keys and user keys are verified at different addresses; the key's prefix is a hint, not documented
  const verify = owner ? [`${owner[1]}/user/tokens/verify`, `${baseUrl}/tokens/verify`] : undefined
  return {
    gateway: false,
    run: (model) => `/ai/run/${model}`,
    verify: key.startsWith('cfat_') ? verify?.reverse() : verify,
    models: '/ai/models/search?task=Text-to-Image&per_page=1',
  }
}

interface Access {
  addresses: Addresses
  key: string
  signal: AbortSignal
}

const verifiedShape = z.object({ result: z.object({ status: z.string() }) })
const probeModel = '@cf/black-forest-labs/flux-1-schnell'

/** Draws no picture, so it is free. Rejects with an AppError if address or key do not work. */
export async function checkAccess(http: ProviderHttp, access: Access): Promise<void> {
  const { addresses, key, signal } = access
  if (addresses.verify) {
    const response = await verifyKey(http, addresses.verify, signal)
    const verified = verifiedShape.safeParse(jsonOfSuccess(response, key)).data
    if (!verified) throw new AppError('bad_result', { provider: 'cloudflare' })
    const { status } = verified.result
    if (status !== 'active')
      throw new AppError('provider_account', { provider: 'cloudflare', reason: `token ${status}` })
  }
  // a valid key does not prove that the account in the address is right
  if (addresses.models) jsonOfSuccess(await http.send({ method: 'GET', path: addresses.models, signal }), key)
  else await runWithoutPrompt(http, access)
}

/** The first response that does not refuse the key; the first of all if every address refuses it. */
async function verifyKey(
  http: ProviderHttp,
  addresses: readonly string[],
  signal: AbortSignal,
): Promise<ProviderResponse> {
  const refusals: ProviderResponse[] = []
  for (const path of addresses) {
    const response = await http.send({ method: 'GET', path, signal })
    if (response.status !== 401 && response.status !== 403) return response
    refusals.push(response)
  }
  const [first] = refusals
  if (!first) throw new AppError('bad_result', { provider: 'cloudflare' })
  return first
}

function jsonOfSuccess(response: ProviderResponse, key: string) {
  const envelope = parseEnvelope(response.body)
  if (response.status !== 200 || envelope?.failed) throw responseError(response, { envelope, key })
  if (!envelope) throw new AppError('bad_result', { provider: 'cloudflare' })
  return envelope.json
}

/** Workers AI refuses a run without a prompt at no cost. That refusal shows that the gateway and both keys work. */
async function runWithoutPrompt(http: ProviderHttp, { addresses, key, signal }: Access): Promise<void> {
  const headers = { 'content-type': 'application/json' }
  const response = await http.send({ method: 'POST', path: addresses.run(probeModel), body: '{}', headers, signal })
  const envelope = parseEnvelope(response.body)
  if (!envelope?.codes.includes(5006)) throw responseError(response, { envelope, key })
}
