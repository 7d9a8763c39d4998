/** Whose key a request carries. */
import type { FastifyRequest } from 'fastify'
import { type Holder, holderOf } from '../../core/api-keys.ts'
import type { Core } from '../../core/core.ts'
import { AppError } from '../../core/errors.ts'

/** Longer ones are not looked at. */
const longestKey = 300

/** Throws AppError key_missing, key_wrong; with 'admin' also admins_only. Looked up once for each request. */
export type Authenticate = (request: FastifyRequest, need?: 'admin') => Promise<Holder>

export function authenticate(core: Core, operatorKey: string | undefined): Authenticate {
  const known = new WeakMap<FastifyRequest, Promise<Holder>>()
  return async (request, need) => {
    const looking = known.get(request) ?? lookUp(core, request, operatorKey)
    known.set(request, looking)
    const holder = await looking
    if (need === 'admin' && !holder.admin) throw new AppError('admins_only')
    return holder
  }
}

async function lookUp(core: Core, request: FastifyRequest, operatorKey: string | undefined): Promise<Holder> {
  const presented = keyOf(request)
  if (presented === undefined) throw new AppError('key_missing')
  const holder = presented.length > longestKey ? undefined : await holderOf(core, presented, operatorKey)
  if (!holder) throw new AppError('key_wrong')
  return holder
}

/** `Authorization: Bearer …`, as OpenAI's clients send it, or `x-api-key`. */
function keyOf({ headers }: FastifyRequest): string | undefined {
  const bearer = /^bearer +(\S+) *$/i.exec(headers.authorization ?? '')?.[1]
  const plain = headers['x-api-key']
  return bearer ?? (typeof plain === 'string' && plain !== '' ? plain : undefined)
}
