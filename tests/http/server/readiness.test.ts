import { expect, it } from 'vitest'
import { openEverything } from '../api/service.ts'

it('a database that hangs is asked once, however often and wherever somebody watches', async () => {
  const service = await openEverything()
  const { database } = service.test.core
  const { ping } = database
  const watch = async (url: string) => (await service.app.inject(url)).statusCode
  try {
    let asked = 0
    const hang = () => {
      asked++
      return new Promise<void>(() => undefined)
    }
    Object.assign(database, { ping: hang })
    expect(await watch('/api/v1/flux/health')).toBe(503)
    // the first was answered already, though the database has not
    expect(await Promise.all(['/api/v1/flux/health', '/health'].map(watch))).toEqual([503, 503])
    expect(asked).toBe(1)
  } finally {
    Object.assign(database, { ping })
    expect(await service.close()).toEqual([])
  }
})
