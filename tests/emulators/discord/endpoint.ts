/** Discord as it sends interactions to the address of an application: signed, with the first answer in the response. */
import { generateKeyPairSync, sign } from 'node:crypto'
import { DiscordErrorResponse } from './errors.ts'
import type { Interactions, LiveInteraction } from './interactions.ts'
import type { Oracle } from './oracle.ts'
import type { Json } from './types.ts'

export interface EndpointAnswer {
  interaction: string
  status: number
  /** Absent: the response was empty. */
  body?: Json
  /** Discord's error code. Absent: the answer took effect. */
  ignored?: number
}

export interface Endpoint {
  /** 64 hexadecimal digits, as the developer portal shows it. */
  publicKey: string
  /** What the application answered, oldest first. */
  answers: EndpointAnswer[]
  /** Headers with which Discord would send this body at this time. `timestamp`: seconds since 1970. */
  headersFor(body: string | Buffer, timestamp?: number): Record<string, string>
  deliver(url: string, interaction: LiveInteraction): Promise<void>
}

interface EndpointOptions {
  interactions: Interactions
  oracle: Oracle | undefined
  violate(problem: string): void
}

const callbackTemplate = '/interactions/{interaction_id}/{interaction_token}/callback'

export function createEndpoint({ interactions, oracle, violate }: EndpointOptions): Endpoint {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519')
  const answers: EndpointAnswer[] = []

  function headersFor(body: string | Buffer, timestamp = Math.floor(Date.now() / 1000)): Record<string, string> {
    const signature = sign(null, Buffer.concat([Buffer.from(String(timestamp)), Buffer.from(body)]), privateKey)
    return {
      'content-type': 'application/json',
      'x-signature-ed25519': signature.toString('hex'),
      'x-signature-timestamp': String(timestamp),
    }
  }

  async function deliver(url: string, interaction: LiveInteraction): Promise<void> {
    const body = JSON.stringify(interaction.payload)
    const response = await fetch(url, { method: 'POST', headers: headersFor(body), body })
    const text = await response.text()
    const answer: EndpointAnswer = { interaction: interaction.id, status: response.status }
    answers.push(answer)
    if (response.status === 202) return
    if (response.status !== 200) return violate(`the endpoint answered ${response.status} to an interaction`)
    const given = JSON.parse(text) as Json
    answer.body = given
    const problem = oracle?.request('POST', callbackTemplate, given)
    if (problem) violate(problem)
    try {
      interactions.answer(interaction, { body: given, files: [], at: Date.now() })
    } catch (error) {
      if (!(error instanceof DiscordErrorResponse)) throw error
      answer.ignored = error.body.code
      if (error.body.errors) violate(`the endpoint's answer: ${JSON.stringify(error.body.errors)}`)
    }
  }

  const raw = publicKey.export({ format: 'der', type: 'spki' }).subarray(-32)
  return { publicKey: raw.toString('hex'), answers, headersFor, deliver }
}
