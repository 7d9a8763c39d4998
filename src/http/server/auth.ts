/** Whose key a request carries. */
import type { FastifyRequest } from 'fastify'
import { findKeyHolder, type KeyHolder } from '../../core/accounts/api-keys.ts'
import type { Core } from '../../core/core.ts'
import { AppError } from '../../core/errors.ts'
import { createGuesses, type Guesses } from './guesses.ts'

/** What people's keys look like (core/api-keys.ts). Nothing else has to be looked up. */
const personsKey = /^fb_[\w-]{43}$/

/** Throws AppError key_missing, key_wrong, too_many_wrong_keys; with 'admin' also admins_only. Looked up once for each request. */
export type Authenticate = (request: FastifyRequest, need?: 'admin') => Promise<KeyHolder>

export function authenticate(core: Core, operatorKey: string | undefined): Authenticate {
  const known = new WeakMap<FastifyRequest, Promise<KeyHolder>>()
  const guesses = operatorKey === undefined ? undefined : guessesOf(core, operatorKey)

  async function lookUp(request: FastifyRequest): Promise<KeyHolder> {
    const presented = keyOf(request)
    if (presented === undefined) throw new AppError('key_missing')
    const possible = personsKey.test(presented) || guesses?.isOperators(presented, request.ip)
    const holder = possible ? await findKeyHolder(core, presented, operatorKey) : undefined
    if (!holder) throw new AppError('key_wrong')
    return holder
  }

  return async (request, need) => {
    const looking = known.get(request) ?? lookUp(request)
    known.set(request, looking)
    const holder = await looking
    if (need === 'admin' && !holder.admin) throw new AppError('admins_only')
    return holder
  }
}

const allGuesses = new WeakMap<Core, Guesses>()

/** One for all who ask for keys, so that the limit holds for all of them together. */
function guessesOf(core: Core, operatorKey: string): Guesses {
  const guesses = allGuesses.get(core) ?? createGuesses(operatorKey)
  allGuesses.set(core, guesses)
  return guesses
}

/** `Authorization: Bearer …`, as OpenAI's clients send it, or `x-api-key`. */
function keyOf({ headers }: FastifyRequest): string | undefined {
  const bearer = /^bearer +(\S+) *$/i.exec(headers.authorization ?? '')?.[1]
  const plain = headers['x-api-key']
  return bearer ?? (typeof plain === 'string' && plain !== '' ? plain : undefined)
}
