/**
 * Where things are. `https://api.cloudflare.com/client/v4/accounts/<account>` is the service itself; an address with
 * `/workers-ai` in it is an AI Gateway before it, which runs models and knows nothing else.
 */

export interface Addresses {
  gateway: boolean
  /** Path, added to the base address. */
  run(model: string): string
  /** Whole address that says whether the key is good. Absent: there is none. */
  verify?: string
  /** Path of the list of models. Absent: there is none. */
  models?: string
}

export function addressesOf(baseUrl: string, key: string): Addresses {
  if (new URL(baseUrl).pathname.includes('/workers-ai')) return { gateway: true, run: (model) => `/${model}` }
  const owner = /^(.*)\/accounts\/[^/]+$/.exec(baseUrl)
  return {
    gateway: false,
    run: (model) => `/ai/run/${model}`,
    // keys that belong to an account are unknown where people's keys are
    verify: owner ? `${key.startsWith('cfat_') ? baseUrl : `${owner[1]}/user`}/tokens/verify` : undefined,
    models: '/ai/models/search?task=Text-to-Image&per_page=1',
  }
}
