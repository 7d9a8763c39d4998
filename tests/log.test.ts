import { describe, expect, it } from 'vitest'
import { redact } from '../src/log.ts'

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
  ])('removes the secret from %s', (line, secret) => {
    expect(redact(line)).not.toContain(secret)
  })

  it('leaves other text unchanged', () => {
    const line =
      '{"level":"warn","id":"01a1fca4-c69b-755b-b6a3-754ba07a9673","kind":"provider_busy","msg":"a generation did not succeed"}'
    expect(redact(line)).toBe(line)
  })
})
