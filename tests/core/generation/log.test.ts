/** What the log says of a request: one line when it is accepted, and one when it ends. */
import { afterEach, describe, expect, it } from 'vitest'
import { AppError } from '../../../src/core/errors.ts'
import { cancel } from '../../../src/core/generation/cancel.ts'
import { api } from '../../../src/http/api/index.ts'
import { createApp } from '../../../src/http/server/app.ts'
import { databases } from '../../helpers/backends.ts'
import { createPlain, openTestCore, type TestCore, type TestCoreOptions } from '../../helpers/core.ts'
import { apiParts } from '../../helpers/http.ts'
import { keepLog } from '../../helpers/log.ts'

describe.each(databases())('the log of a request on %s', (kind) => {
  let test: TestCore
  afterEach(() => test.close())
  const open = async (options?: TestCoreOptions) => {
    test = await openTestCore(kind, options)
    const log = keepLog()
    Object.assign(test.core, { log })
    const told = () => log.lines.filter((line) => !line.startsWith('debug')).map(parse)
    return { ...test, told }
  }
  const parse = (line: string) => {
    const [, level, data = '{}', message] = /^(\w+) (\{.*\}) (.*)$/s.exec(line) ?? []
    return { level, message, ...JSON.parse(data) }
  }

  it('has both ends of a delivered request, with what it cost', async () => {
    const { say, ended, work, told } = await open()
    await work()
    // two pictures were paid for, and one came
    const call = await say('a cat --n 2')
    expect(await ended(call)).toBe('delivered')
    await expect.poll(told).toHaveLength(2)
    const [accepted, end] = told()
    expect(accepted).toEqual({
      level: 'info',
      message: 'a request was accepted',
      id: expect.any(String),
      surface: 'test',
      model: 'sketch',
      credits: 2,
    })
    expect(end).toEqual({
      level: 'info',
      message: 'a request has ended',
      id: accepted?.id,
      surface: 'test',
      model: 'sketch',
      provider: 'sketch',
      state: 'delivered',
      seconds: expect.any(Number),
      credits: 1,
    })
  })

  it('has one line for each failure of the provider, and the end', async () => {
    const provider = createPlain({ start: async () => Promise.reject(new AppError('moderated')) })
    const { say, ended, work, told } = await open({ providers: [provider] })
    await work()
    expect(await ended(await say('a cat'))).toBe('failed')
    await expect.poll(told).toHaveLength(3)
    const [, failure, end] = told()
    expect(failure).toMatchObject({
      level: 'warn',
      message: 'an attempt failed',
      provider: 'sketch',
      kind: 'moderated',
    })
    expect(end).toMatchObject({ level: 'info', state: 'failed', error: 'moderated', credits: 0 })
  })

  it('has the end of a cancelled request', async () => {
    const { core, say, told } = await open()
    await say('a cat')
    const id = told()[0]?.id
    await cancel(core, null, id)
    expect(told().slice(1)).toMatchObject([{ id, state: 'cancelled', credits: 0, seconds: expect.any(Number) }])
  })

  it('names the HTTP request in both lines, also when another process ends it', async () => {
    const { core, work, told } = await open()
    const operatorKey = 'operator-key-of-this-test'
    const app = createApp({ log: core.log, plugins: api(apiParts(core, { operatorKey })) })
    await work()
    const answer = await app.inject({
      method: 'POST',
      url: '/v1/images/generations',
      headers: { authorization: `Bearer ${operatorKey}` },
      payload: { prompt: 'a cat', model: 'sketch' },
    })
    expect(answer.statusCode).toBe(200)
    await expect.poll(told).toHaveLength(2)
    const requestId = answer.headers['x-request-id']
    expect(told()).toMatchObject([
      { message: 'a request was accepted', requestId, surface: 'api' },
      { message: 'a request has ended', requestId, surface: 'api', state: 'delivered' },
    ])
    await app.close()
  })
})
