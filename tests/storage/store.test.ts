import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe } from 'vitest'
import { verifyLink } from '../../src/core/media/links.ts'
import { pictures } from '../../src/http/pictures/pictures.ts'
import { createApp } from '../../src/http/server/app.ts'
import { createCosStore } from '../../src/storage/cos.ts'
import { createDiskStore } from '../../src/storage/disk.ts'
import { createS3Store } from '../../src/storage/s3.ts'
import { storeContract } from '../contracts/store.ts'
import { startCos } from '../emulators/cos/index.ts'
import { startS3 } from '../emulators/s3/index.ts'
import { keepLog } from '../helpers/log.ts'

describe('the store on disk', () => {
  storeContract(async () => {
    const [secretKey, publicUrl] = [Buffer.from('a secret key for tests, 32 chars'), 'http://localhost:8080']
    const folder = await mkdtemp(join(tmpdir(), 'fluxbot-store-'))
    const store = createDiskStore({ folder, secretKey, publicUrl })
    const app = await createApp({
      log: keepLog(),
      plugins: [pictures({ load: (key) => store.get(key), verify: (link) => verifyLink(secretKey, link) })],
    })
    return {
      store,
      async open(url) {
        const answer = await app.inject({ method: 'GET', url: url.replace(publicUrl, '') })
        return { status: answer.statusCode, type: answer.headers['content-type']?.toString(), data: answer.rawPayload }
      },
      async drop() {
        await app.close()
        await rm(folder, { recursive: true, force: true })
      },
    }
  })
})

describe('the store on COS', () => {
  storeContract(async () => {
    const cos = await startCos()
    const store = createCosStore({ ...cos, log: keepLog() })
    return {
      store,
      open: openLink,
      async drop() {
        await store.close()
        await cos.stop()
      },
    }
  })
})

describe.each(['aws', 'r2', 'minio'] as const)('the store on S3 (%s)', (service) => {
  storeContract(async () => {
    const s3 = await startS3({ service })
    const store = createS3Store({ ...s3, endpoint: s3.url, reachable: false, log: keepLog() })
    return {
      store,
      open: openLink,
      async drop() {
        await store.close()
        await s3.stop()
      },
    }
  })
})

async function openLink(url: string) {
  const answer = await fetch(url)
  const data = Buffer.from(await answer.arrayBuffer())
  return { status: answer.status, type: answer.headers.get('content-type') ?? undefined, data }
}
