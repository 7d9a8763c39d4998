/** Routes that tell a browser who it is signed in as, and sign it in and out. */
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { Identity } from '../../core/ports/chat.ts'
import { type Access, isOperator, type SignInRefusal } from './access.ts'
import { signInBody } from './calls.ts'
import { localeFrom, pageWords, refuse, type Trouble } from './refuse.ts'

export interface Guest {
  visitor: string
  from: Identity
}

/** The visitor, or why a request is not let in. */
export type Entered = Guest | { trouble: Trouble }

interface ForSignIn {
  access: Access
  enter(request: FastifyRequest): Promise<Entered>
}

const statusOf: Readonly<Record<SignInRefusal, number>> = {
  wrong_key: 401,
  limited_key: 403,
  link_over: 401,
  too_many_tries: 429,
}

export function signInRoutes(app: FastifyInstance, { access, enter }: ForSignIn): void {
  app.get('/web/session', async (request) => {
    const who = await enter(request)
    const state = 'visitor' in who ? shownVisitor(who) : who
    return { locale: localeFrom(request), words: pageWords(request), ...state }
  })
  app.post('/web/signin', async (request, reply) => {
    if (access.foreign(request)) return refuse(request, reply, 'foreign')
    const { data } = signInBody.safeParse(request.body)
    const verdict = await access.signIn(data ?? { key: '' }, request, reply)
    return verdict === 'ok' ? { status: 'ok' } : refuse(request, reply, verdict, statusOf[verdict])
  })
  app.post('/web/signout', async (request, reply) => {
    if (access.foreign(request)) return refuse(request, reply, 'foreign')
    await access.signOut(request, reply)
    return { status: 'ok' }
  })
}

function shownVisitor({ visitor, from }: Guest) {
  return { visitor: `web:${visitor}`, name: from.name, person: !isOperator(from.id) }
}
