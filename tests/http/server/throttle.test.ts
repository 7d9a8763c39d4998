import { expect, it } from 'vitest'
import type { KeyHolder } from '../../../src/core/accounts/api-keys.ts'
import { createThrottle } from '../../../src/http/server/throttle.ts'
import { openService } from '../api/openai/service.ts'

const holder = (keyId: string | null): KeyHolder => ({ userId: 'ann', keyId, admin: false, models: null })

it('refuses a key after 600 requests in a minute, and no other key', async () => {
  const throttle = createThrottle()
  for (let at = 0; at < 600; at++) await throttle(holder('one'))
  await expect(throttle(holder('one'))).rejects.toMatchObject({ kind: 'too_fast', data: { limit: 600 } })
  await throttle(holder('another'))
  for (let at = 0; at < 2_000; at++) await throttle(holder(null))
})

it('says when to retry, and that clients may retry automatically', async () => {
  const service = await openService({}, 600)
  try {
    const answers = await Promise.all(
      Array.from({ length: 601 }, () =>
        service.app.inject({ url: '/v1/models/sketch', headers: { authorization: `Bearer ${service.key}` } }),
      ),
    )
    const refused = answers.filter(({ statusCode }) => statusCode === 429)
    expect(refused).toHaveLength(1)
    expect(refused[0]?.headers).toMatchObject({ 'x-should-retry': 'true' })
    expect(Number(refused[0]?.headers['retry-after'])).toBeGreaterThan(0)
    expect(refused[0]?.json()).toMatchObject({ error: { type: 'rate_limit_error', code: 'rate_limit_exceeded' } })
  } finally {
    await service.close()
  }
})
