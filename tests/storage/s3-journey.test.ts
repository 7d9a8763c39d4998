/** A request whose pictures are in an S3-compatible store, from the words to the deletion. */
import { sql } from 'drizzle-orm'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { type S3Emulator, startS3 } from '../emulators/s3/index.ts'
import { quickest } from '../helpers/backends.ts'
import { openTestCore, type TestCore } from '../helpers/core.ts'

let s3: S3Emulator
let test: TestCore
beforeEach(async () => {
  s3 = await startS3({ service: 'r2' })
  const { url, region, bucket, accessKeyId, secretAccessKey } = s3
  const settings = {
    S3_ENDPOINT: url,
    S3_REGION: region,
    S3_BUCKET: bucket,
    S3_ACCESS_KEY_ID: accessKeyId,
    S3_SECRET_ACCESS_KEY: secretAccessKey,
    IMAGE_EXPIRATION: '600',
  }
  test = await openTestCore(quickest, { settings })
  await test.work()
})
afterEach(async () => {
  await test.close()
  await s3.stop()
})

it('is stored in the bucket, delivered, opened by its link, and deleted from the bucket', async () => {
  const { core, chat } = test
  const call = await test.say('/flux a fox')
  expect(await test.ended(call)).toBe('delivered')
  const { id, key } = await pictureOf(call.key)
  expect([...s3.objects.keys()]).toContain(key)
  expect(chat.last(call.address)).toMatchObject({ state: 'done' })

  const link = new URL(await core.link(key))
  expect(link.searchParams.get('X-Amz-Expires')).toBe('600')
  expect(link.href).not.toContain(encodeURIComponent(s3.secretAccessKey))
  const answer = await fetch(link)
  expect([answer.status, answer.headers.get('content-type')]).toEqual([200, s3.objects.get(key)?.type])
  expect(Buffer.from(await answer.arrayBuffer())).toEqual(s3.objects.get(key)?.data)

  // the store is away: the deletion is noted, and the sweeper does it
  s3.faults.add({ kind: '503', match: { method: 'DELETE' } })
  await test.say('', { act: { kind: 'press', button: `1:erase:${id}` } })
  s3.faults.clear()
  await expect.poll(() => s3.objects.size).toBe(0)
  expect((await fetch(link)).status).toBe(404)
})

async function pictureOf(callKey: string): Promise<{ id: string; key: string }> {
  const [picture] = await test.core.database.rows<{ id: string; key: string }>(sql`
    select generations.id, images.key from generations join images on images.generation_id = generations.id
    where generations.key = ${callKey}`)
  if (!picture) throw new Error('there is no picture')
  return picture
}
