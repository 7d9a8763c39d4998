import { expect, it } from 'vitest'
import { openEverything } from '../api/service.ts'

it('sends a hanging database one ping, however many health checks come in', async () => {
  const service = await openEverything()
  const { database } = service.test.core
  const { ping } = database
  const check = async (url: string) => (await service.app.inject(url)).statusCode
  try {
    let pings = 0
    const hang = () => {
      pings++
      return new Promise<void>(() => undefined)
    }
    Object.assign(database, { ping: hang })
    expect(await check('/api/v1/flux/health')).toBe(503)
    // the first check has timed out, and its ping is still under way
    expect(await Promise.all(['/api/v1/flux/health', '/health'].map(check))).toEqual([503, 503])
    expect(pings).toBe(1)
  } finally {
    Object.assign(database, { ping })
    expect(await service.close()).toEqual([])
  }
})
