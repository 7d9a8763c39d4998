/** `POST /operations/commands`: an administrator's command, from `npm run admin` on this machine. */
import { timingSafeEqual } from 'node:crypto'
import type { FastifyPluginAsync } from 'fastify'
import { z } from 'zod'
import { operatorToken } from '../../core/accounts/operator-token.ts'
import { AppError } from '../../core/errors.ts'
import { isOwnHost } from '../../net/own-address.ts'
import { withSchemas } from '../server/validation.ts'

/** `key`: the same for each try to send the command. */
const body = z.strictObject({ key: z.uuid(), text: z.string().max(4_000) })

export type OperatorCommand = z.infer<typeof body>

export interface CommandOptions {
  secretKey: Buffer
  run(command: OperatorCommand): Promise<{ text: string; failed: boolean }>
}

export function operatorCommands({ secretKey, run }: CommandOptions): FastifyPluginAsync {
  const expected = Buffer.from(`Bearer ${operatorToken(secretKey)}`)
  return async (plain) => {
    const app = withSchemas(plain)
    // before the body is read
    app.addHook('onRequest', async ({ headers }) => {
      // only names of this machine: a page of another site cannot use them through its own name
      if (!isOwnHost(headers.host ?? '', 'http://localhost')) throw new AppError('admins_only')
      const given = Buffer.from(headers.authorization ?? '')
      if (given.length !== expected.length || !timingSafeEqual(given, expected)) throw new AppError('key_wrong')
    })
    app.post('/operations/commands', { schema: { body, hide: true } }, async (request, reply) => {
      reply.header('cache-control', 'no-store')
      return run(request.body)
    })
  }
}
