/**
 * Where things are. `https://api.cloudflare.com/client/v4/accounts/<account>` is the service itself; an address with
 * `/workers-ai` in it is an AI Gateway before it, which runs models and knows nothing else.
 */

export interface Addresses {
  gateway: boolean
  /** Path, added to the base address. */
  run(model: string): string
  /** Whole addresses that say whether the key is good, the likelier first: one of them knows it. Absent: there are none. */
  verify?: readonly string[]
  /** Path of the list of models. Absent: there is none. */
  models?: string
}

export function addressesOf(baseUrl: string, key: string): Addresses {
  if (new URL(baseUrl).pathname.includes('/workers-ai')) return { gateway: true, run: (model) => `/${model}` }
  const owner = /^(.*)\/accounts\/[^/]+$/.exec(baseUrl)
  // keys that belong to an account are unknown where people's keys are, and how either begins is nobody's promise
  const verify = owner ? [`${owner[1]}/user/tokens/verify`, `${baseUrl}/tokens/verify`] : undefined
  return {
    gateway: false,
    run: (model) => `/ai/run/${model}`,
    verify: key.startsWith('cfat_') ? verify?.reverse() : verify,
    models: '/ai/models/search?task=Text-to-Image&per_page=1',
  }
}
