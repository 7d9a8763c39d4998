import { sql } from 'drizzle-orm'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { AppError } from '../../../../src/core/errors.ts'
import { deleteDueMessages } from '../../../../src/core/results/message-deletions.ts'
import { openService, type Service } from './service.ts'

describe('a request that is deleted with DELETE /api/history', () => {
  let service: Service
  let remove: Service['test']['chat']['remove']
  beforeAll(async () => {
    service = await openService({ limits: { welcome: 100, perMinute: 1000 } })
    await service.test.work()
    remove = service.test.chat.remove
  })
  beforeEach(() => {
    service.test.chat.remove = remove
  })
  afterAll(async () => expect(await service.close()).toEqual([]))

  const rows = <Row extends Record<string, unknown>>(query: ReturnType<typeof sql>) =>
    service.core.database.rows<Row>(query)
  const noted = () => rows(sql`select generation_id from message_deletions`)
  const expire = () => rows(sql`update message_deletions set due_at = now()`)

  /** Asked for in the chat, and shown again there. Resolves to the id. */
  async function drawn(): Promise<{ id: string; addresses: string[] }> {
    const { test } = service
    const call = await test.say('a cat')
    expect(await test.ended(call)).toBe('delivered')
    const [row] = await rows<{ id: string }>(sql`select id from generations where key = ${call.key}`)
    const id = row?.id ?? ''
    const again = await test.say(`/show ${id}`)
    const addresses = [call.address, again.address]
    for (const address of addresses) expect(test.chat.last(address)?.pictures).toHaveLength(1)
    return { id, addresses }
  }
  const shown = (addresses: readonly string[]) => addresses.filter((address) => service.test.chat.last(address))

  it('disappears from all messages that show it', async () => {
    const { id, addresses } = await drawn()
    const other = await drawn()
    expect(await service.call(`DELETE /api/history/${id}`)).toMatchObject({ status: 200 })
    await expect.poll(() => shown(addresses)).toEqual([])
    await expect.poll(noted).toEqual([])
    expect(shown(other.addresses)).toEqual(other.addresses)
    expect(await service.call('DELETE /api/history')).toMatchObject({ body: { deleted: 1 } })
    await expect.poll(() => shown(other.addresses)).toEqual([])
    await expect.poll(noted).toEqual([])
  })

  it('is answered before the chat answers, and its messages go in another process', async () => {
    const { id, addresses } = await drawn()
    // as if this process dies during the call
    const called = new Promise<void>((resolve) => {
      service.test.chat.remove = () => {
        resolve()
        return new Promise(() => {})
      }
    })
    expect(await service.call(`DELETE /api/history/${id}`)).toMatchObject({ status: 200 })
    expect(await rows(sql`select from images where generation_id = ${id}::uuid`)).toEqual([])
    await called
    service.test.chat.remove = remove
    // the row is claimed by the process that answered
    await deleteDueMessages(service.core)
    expect(shown(addresses)).toEqual(addresses)
    await expire()
    await deleteDueMessages(service.core)
    expect(shown(addresses)).toEqual([])
    expect(await noted()).toEqual([])
  })

  it('is tried again for a day in a chat that is away, and not in one that refuses', async () => {
    const { chat } = service.test
    const { id, addresses } = await drawn()
    chat.remove = () => Promise.reject(new AppError('chat_unavailable'))
    await service.call(`DELETE /api/history/${id}`)
    await expire()
    await deleteDueMessages(service.core)
    expect(await noted()).toHaveLength(1)
    expect(shown(addresses)).toEqual(addresses)
    await rows(sql`update message_deletions set due_at = now(), created_at = now() - interval '25 hours'`)
    await deleteDueMessages(service.core)
    expect(await noted()).toEqual([])
    const refused = await drawn()
    chat.remove = () => Promise.reject(new AppError('chat_refused'))
    await service.call(`DELETE /api/history/${refused.id}`)
    await expect.poll(noted).toEqual([])
  })

  it('needs no row where no message shows it', async () => {
    const { body } = await service.call('POST /api/generate', { body: { prompt: 'a dog', wait: true } })
    service.test.chat.remove = () => Promise.reject(new Error('no message was sent'))
    expect(await service.call(`DELETE /api/history/${body.id}`)).toMatchObject({ status: 200 })
    expect(await noted()).toEqual([])
  })
})
