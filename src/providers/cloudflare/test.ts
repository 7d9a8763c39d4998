/** Whether address and key work, without a picture being drawn. */
import { z } from 'zod'
import { AppError } from '../../core/errors.ts'
import type { ProviderHttp, ProviderResponse } from '../http.ts'
import type { Addresses } from './address.ts'
import { readEnvelope, refusal } from './errors.ts'

interface Access {
  addresses: Addresses
  key: string
  signal: AbortSignal
}

const verifiedForm = z.object({ result: z.object({ status: z.string() }) })
const emptyTry = '@cf/black-forest-labs/flux-1-schnell'

export async function checkAccess(http: ProviderHttp, access: Access): Promise<void> {
  const { addresses, key, signal } = access
  if (addresses.verify) {
    const answer = await askEach(http, addresses.verify, signal)
    const verified = verifiedForm.safeParse(agreed(answer, key)).data
    if (!verified) throw new AppError('bad_result', { provider: 'cloudflare' })
    const { status } = verified.result
    if (status !== 'active')
      throw new AppError('provider_account', { provider: 'cloudflare', reason: `token ${status}` })
  }
  // a good key says nothing about the account in the address
  if (addresses.models) agreed(await http.send({ method: 'GET', path: addresses.models, signal }), key)
  else await tryNothing(http, access)
}

/** The first answer that is no refusal of the key; where all are, the first. */
async function askEach(
  http: ProviderHttp,
  addresses: readonly string[],
  signal: AbortSignal,
): Promise<ProviderResponse> {
  const answers: ProviderResponse[] = []
  for (const path of addresses) {
    const answer = await http.send({ method: 'GET', path, signal })
    if (answer.status !== 401 && answer.status !== 403) return answer
    answers.push(answer)
  }
  const [first] = answers
  if (!first) throw new AppError('bad_result', { provider: 'cloudflare' })
  return first
}

function agreed(answer: ProviderResponse, key: string) {
  const envelope = readEnvelope(answer.body)
  if (answer.status !== 200 || envelope?.failed) throw refusal(answer, { envelope, key })
  if (!envelope) throw new AppError('bad_result', { provider: 'cloudflare' })
  return envelope.json
}

/** A run without words is refused before it costs anything, and by the service itself, past every lock. */
async function tryNothing(http: ProviderHttp, { addresses, key, signal }: Access): Promise<void> {
  const headers = { 'content-type': 'application/json' }
  const answer = await http.send({ method: 'POST', path: addresses.run(emptyTry), body: '{}', headers, signal })
  const envelope = readEnvelope(answer.body)
  if (!envelope?.codes.includes(5006)) throw refusal(answer, { envelope, key })
}
