import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { AppError } from '../src/core/errors.ts'
import { traced, traceparent } from '../src/core/trace.ts'
import type { Step } from '../src/stop.ts'
import { sendTraces } from '../src/telemetry.ts'
import { type Collector, startCollector } from './emulators/otlp/index.ts'
import { treesOf } from './emulators/otlp/trees.ts'
import { createPlain } from './helpers/core.ts'
import { keepLog } from './helpers/log.ts'
import { openEverything } from './http/api/service.ts'

describe('traces', () => {
  let collector: Collector
  let stop: Step
  const log = keepLog()
  beforeAll(async () => {
    expect(await traced('before', {}, async () => traceparent())).toBeUndefined()
    collector = await startCollector()
    process.env.OTEL_EXPORTER_OTLP_ENDPOINT = collector.url
    process.env.OTEL_BSP_SCHEDULE_DELAY = '10'
    process.env.OTEL_SERVICE_NAME = 'pictures'
    stop = await sendTraces({ protocol: 'http/protobuf' }, { roles: new Set(['http', 'worker']), log })
  })
  afterAll(async () => {
    await stop(10_000)
    await collector.stop()
  })

  const named = (name: string) => collector.spans.find((span) => span.name === name)

  it('that the collector refuses are logged once, and once more when it takes them again', async () => {
    collector.faults.add({ kind: '500' })
    for (let tries = 1; tries <= 3; tries++) {
      await traced(`lost ${tries}`, {}, async () => undefined)
      await expect.poll(() => collector.requests.length, { interval: 5 }).toBe(tries)
    }
    await expect.poll(() => log.lines).toHaveLength(1)
    expect(log.lines[0]).toMatch(/^warn .* the collector does not take traces/)
    collector.faults.clear()
    await traced('kept', {}, async () => undefined)
    await expect.poll(() => log.lines[1]).toMatch(/takes traces again$/)
    expect(collector.spans.map(({ name }) => name)).toEqual(['kept'])
    expect(named('kept')?.resource['service.name']).toBe('pictures')
  })

  it('hold the kinds of errors, without their messages', async () => {
    const secret = 'key-0123456789'
    const refuse = () => traced('refused', {}, () => Promise.reject(new AppError('moderated', { reason: secret })))
    await expect(refuse()).rejects.toThrow()
    await expect(traced('broken', {}, () => Promise.reject(new TypeError(secret)))).rejects.toThrow()
    await expect.poll(() => named('broken')).toMatchObject({ failed: true, attributes: { 'error.type': 'TypeError' } })
    expect(named('refused')).toMatchObject({ failed: true, attributes: { 'error.type': 'moderated' }, events: [] })
    expect(Buffer.concat(collector.requests.map(({ body }) => body)).includes(secret)).toBe(false)
  })

  it('go on with the traceparent of an API request, unless it is not sampled or invalid', async () => {
    const service = await openEverything({ providers: [createPlain()] })
    const authorization = `Bearer ${await service.keyWith(10)}`
    const draw = async (given?: string) => {
      const headers = { authorization, ...(given && { traceparent: given }) }
      const payload = { prompt: 'a hidden cat', size: '1024x1024' }
      const answer = await service.app.inject({ method: 'POST', url: '/v1/images/generations', headers, payload })
      expect(answer.statusCode).toBe(200)
      return answer.headers['x-request-id']
    }
    const worker = await service.test.work()
    const trace = (digit: string, flags: string) => `00-${digit.repeat(32)}-${'b'.repeat(16)}-${flags}`
    const ids = [await draw(trace('a', '01')), await draw(trace('c', '00')), await draw('00-zz-1-01'), await draw()]
    await worker.stop(10_000)
    await expect.poll(() => collector.spans.filter(({ name }) => name === 'deliver')).toHaveLength(3)
    const accepted = collector.spans.filter(({ name }) => name === 'accept')
    expect(accepted.map(({ attributes }) => attributes['fluxbot.http_request.id'])).toEqual([ids[0], ids[2], ids[3]])
    expect(accepted.map(({ parentSpanId }) => parentSpanId)).toEqual(['b'.repeat(16), '', ''])
    expect(accepted[0]?.traceId).toBe('a'.repeat(32))
    const tree = ['accept', '  queue', '  attempt', '    draw', '      submit', '    store', '    deliver']
    const trees = treesOf(collector.spans).filter(([top]) => top?.startsWith('accept'))
    expect(trees).toEqual(Array(3).fill(tree.map((line) => `${line} http,worker`)))
    expect(collector.spans.find(({ traceId }) => traceId === 'c'.repeat(32))).toBeUndefined()
    expect(JSON.stringify(collector.spans)).not.toContain('hidden')
    expect(await service.close()).toEqual([])
  })
})
