import type { ProviderKind } from '../../core/ports/providers.ts'
import { createProviderHttp } from '../http.ts'
import { addressesOf } from './address.ts'
import { readPicture } from './answer.ts'
import { bodyOf } from './body.ts'
import { checkAccess } from './test.ts'

export const cloudflare: ProviderKind = {
  name: 'cloudflare',
  title: 'Cloudflare Workers AI',
  needsKey: true,
  create({ baseUrl, key = '', timeoutMs, concurrency, steps }) {
    const addresses = addressesOf(baseUrl, key)
    const bearer = `Bearer ${key}`
    const http = createProviderHttp({
      provider: 'cloudflare',
      baseUrl,
      // a gateway may want to be convinced too, apart from the service behind it
      headers: { authorization: bearer, ...(addresses.gateway && { 'cf-aig-authorization': bearer }) },
      concurrency,
    })
    return {
      name: 'cloudflare',
      async start(task, signal) {
        const { body, headers } = await bodyOf(task, steps)
        signal.throwIfAborted()
        const path = addresses.run(task.endpoint)
        const answer = await http.send({ method: 'POST', path, body, headers, signal, timeoutMs })
        return { state: 'done', images: [readPicture(answer, key)] }
      },
      test: (signal) => checkAccess(http, { addresses, key, signal }),
      close: () => http.close(),
    }
  },
}
