import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { parseFile, stringsOf } from '../scripts/source.ts'
import { redact } from '../src/log.ts'

const source = fileURLToPath(new URL('../src', import.meta.url))

describe('the log', () => {
  it.each([
    ['https://api.telegram.org/bot123456789:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw/getMe', 'AAHdqTcvCH1v'],
    ['MTk4NjIyNDgzNDcxOTI1MjQ4.Cl2FMQ.ZnCjm1XVW7vRze4b7Cq4se7kKWs', 'ZnCjm1XVW7v'],
    ['https://discord.com/api/v10/webhooks/1234567890/aW50ZXJhY3Rpb246MTIzOnNlY3JldA/messages/@original', 'aW50ZXJhY3'],
    ['POST /interactions/123/aW50ZXJhY3Rpb246c2VjcmV0/callback', 'aW50ZXJhY3'],
    ['postgres://fluxbot:hunter2@db:5432/fluxbot', 'hunter2'],
    ['redis://:hunter2@cache:6379', 'hunter2'],
    ['Authorization: Bearer abcdefgh12345678', 'abcdefgh'],
    ['Authorization: Key 11111111-2222-3333-4444-555555555555:0123456789abcdef', '0123456789abcdef'],
    ['11111111-2222-3333-4444-555555555555:0123456789abcdef0123', '0123456789abcdef'],
    ['/image/image/a/0.png?expires=1&signature=Zm9vYmFyYmF6', 'Zm9vYmFyYmF6'],
    ['{"apiKey":"hunter2hunter2"}', 'hunter2'],
    ['{"token": "hunter2"}', 'hunter2'],
    ['sk-proj-abcdefghijklmnopqrstuvwx', 'abcdefghij'],
    ['https://x.cos.ap.myqcloud.com/a?q-sign-algorithm=sha1&q-signature=deadbeefdeadbeef', 'deadbeef'],
    ['https://x.s3.amazonaws.com/a?X-Amz-Credential=AKIAEXAMPLE%2F1&X-Amz-Signature=deadbeefdeadbeef', 'deadbeef'],
    ['https://x.s3.amazonaws.com/a?X-Amz-Credential=AKIAEXAMPLE%2F1&X-Amz-Signature=deadbeefdeadbeef', 'AKIAEXAMPLE'],
    [
      'authorization: AWS4-HMAC-SHA256 Credential=AKIAEXAMPLE/1, SignedHeaders=host, Signature=deadbeefdeadbeef',
      'deadbeef',
    ],
  ])('removes the secret from %s', (line, secret) => {
    expect(redact(line)).not.toContain(secret)
  })

  it('removes secrets from JSON inside of a line of JSON', () => {
    const body = JSON.stringify({ token: 'hunter2', api_key: 'swordfish', list: [{ password: 'correct horse' }] })
    const line = redact(JSON.stringify({ msg: `the answer was ${body}` }))
    expect(line).not.toMatch(/hunter2|swordfish|correct/)
  })

  it('leaves every text of fluxbot unchanged', () => {
    const changed = readdirSync(source, { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.ts'))
      .flatMap((name) => stringsOf(parseFile(name, readFileSync(join(source, name), 'utf8'))))
      // the signature in a template of a link
      .filter(({ text }) => !text.includes('&signature=') && redact(text) !== text)
    expect(changed).toEqual([])
  })

  it.each([
    'Bot permissions are missing',
    'Key rejected by the image service.',
    'Basic authentication is not supported',
    'the design: a fox in the snow',
    'Discord refuses DISCORD_TOKEN: reset the token at discord.com/developers',
    '"Telegram does not accept TELEGRAM_TOKEN: copy it again from @BotFather"',
  ])('leaves the sentence %s unchanged', (sentence) => {
    expect(redact(sentence)).toBe(sentence)
  })

  it('leaves other text unchanged', () => {
    const line =
      '{"level":"warn","id":"01a1fca4-c69b-755b-b6a3-754ba07a9673","kind":"provider_busy","msg":"a generation did not succeed"}'
    expect(redact(line)).toBe(line)
  })
})
