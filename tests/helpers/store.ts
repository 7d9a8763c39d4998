/** With TEST_S3=1, all tests keep their pictures in one bucket of the emulated S3, which this starts before them. */
import { startS3 } from '../emulators/s3/index.ts'

/** Vitest calls it in its own process; those of the tests inherit the environment. */
export default async function setup(): Promise<(() => Promise<void>) | undefined> {
  if (process.env.TEST_S3 !== '1') return undefined
  const s3 = await startS3({ keepRequests: 0 })
  const { url, region, bucket, accessKeyId, secretAccessKey } = s3
  process.env.TEST_S3 = JSON.stringify({
    S3_ENDPOINT: url,
    S3_REGION: region,
    S3_BUCKET: bucket,
    S3_ACCESS_KEY_ID: accessKeyId,
    S3_SECRET_ACCESS_KEY: secretAccessKey,
  })
  return s3.stop
}

/** For `skipIf` of tests about links that the service itself answers. */
export const isInBucket = process.env.TEST_S3 !== undefined

/** Of a service whose pictures a test does not expect in a folder. */
export function storeSettings(): Readonly<Record<string, string>> {
  const { TEST_S3: given } = process.env
  return given?.startsWith('{') ? JSON.parse(given) : {}
}
