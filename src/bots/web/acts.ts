/** Routes by which a visitor writes, presses a button and sends a form. Each act is stored, then handled. */
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { Act } from '../../core/ports/chat.ts'
import type { Database } from '../../db/database.ts'
import { allCommands } from '../commands/index.ts'
import type { Inbox } from '../inbox.ts'
import { storeFiles } from '../inbox-files.ts'
import {
  actOf,
  closedFormBody,
  formBody,
  keyOf,
  optionsOf,
  postedOf,
  pressBody,
  receivedOf,
  type Said,
} from './calls.ts'
import * as messages from './messages.ts'
import { localeFrom, refuse } from './refuse.ts'
import { withoutSecret } from './secrets.ts'
import type { Entered } from './sign-in.ts'
import { createUploads, messageIn, refusalStatus, type Upload } from './upload.ts'
import { isFull } from './waiting.ts'

interface ForActs {
  database: Database
  enter(request: FastifyRequest): Promise<Entered>
  /** undefined: the service is starting or stopping. */
  inbox(): Inbox | undefined
}

export function actRoutes(app: FastifyInstance, { database, enter, inbox: openInbox }: ForActs): void {
  const readParts = createUploads()
  app.post('/web/messages', async (request, reply) => {
    const who = await enter(request)
    if ('trouble' in who) return refuse(request, reply, who.trouble)
    const inbox = openInbox()
    if (!inbox) return refuse(request, reply, 'starting', 503)
    const parts = await readParts(request)
    const upload = typeof parts === 'string' ? parts : messageIn(parts)
    if (typeof upload === 'string') return refuse(request, reply, upload, refusalStatus[upload])
    const { id, text, options, shownPrice, files } = upload
    const { visitor } = who
    if (await isFull(database, visitor, keyOf({ visitor, id }))) return refuse(request, reply, 'too_many_acts', 429)
    const said: Said = { ...who, id, locale: localeFrom(request), act: actOf(text, options), shownPrice }
    await messages.saveMessage(database, visitor, `${visitor}:${id}`, {
      role: 'person',
      text: said.act.kind === 'command' ? withoutSecret(allCommands, said.act.name, text) : text,
      options: optionsOf(said.act),
      files: files.map(({ name }) => name),
    })
    await storeFiles(database, keyOf(said), files)
    await inbox.store([receivedOf({ ...said, files: listOf(files) })])
    return reply.code(202).send({ id })
  })
  app.post('/web/presses', async (request, reply) => {
    const who = await enter(request)
    if ('trouble' in who) return refuse(request, reply, who.trouble)
    const inbox = openInbox()
    if (!inbox) return refuse(request, reply, 'starting', 503)
    const { data: press } = pressBody.safeParse(request.body)
    if (!press) return refuse(request, reply, 'bad_message', 400)
    const act: Act = { kind: 'press', button: press.button, on: { posted: postedOf(who.visitor, press.message) } }
    const pressed = receivedOf({ ...who, id: press.id, locale: localeFrom(request), act })
    if (await isFull(database, who.visitor, pressed.key)) return refuse(request, reply, 'too_many_acts', 429)
    await inbox.store([pressed])
    return reply.code(202).send({ id: press.id })
  })
  app.post('/web/forms', async (request, reply) => {
    const who = await enter(request)
    if ('trouble' in who) return refuse(request, reply, who.trouble)
    const inbox = openInbox()
    if (!inbox) return refuse(request, reply, 'starting', 503)
    // a form with pictures is sent in parts
    const parts = request.isMultipart() ? await readParts(request) : { fields: {}, files: [] }
    if (typeof parts === 'string') return refuse(request, reply, parts, refusalStatus[parts])
    const { files } = parts
    const { data } = formBody.safeParse(request.isMultipart() ? jsonIn(parts.fields.form) : request.body)
    if (!data) return refuse(request, reply, 'bad_message', 400)
    const { id, form, fields, message } = data
    const act: Act = { kind: 'form', form, fields }
    const { visitor } = who
    // the form's own key: a form that is open in two tabs is paid for once
    const key = `web:${visitor}:form:${message}`
    if (await isFull(database, visitor, key)) return refuse(request, reply, 'too_many_acts', 429)
    const said: Said = { ...who, id, locale: localeFrom(request), act, files: listOf(files), filesKey: key }
    const submission = receivedOf(said)
    await storeFiles(database, key, files)
    await inbox.store([{ ...submission, key }])
    // a form that was sent is not shown again
    await messages.closeForm(database, who.visitor, `${who.visitor}:${message}`)
    return reply.code(202).send({ id })
  })
  app.post('/web/forms/closed', async (request, reply) => {
    const who = await enter(request)
    if ('trouble' in who) return refuse(request, reply, who.trouble)
    const { data } = closedFormBody.safeParse(request.body)
    if (!data) return refuse(request, reply, 'bad_message', 400)
    await messages.removeForm(database, who.visitor, `${who.visitor}:${data.message}`)
    return reply.code(202).send({ status: 'ok' })
  })
}

const listOf = (files: Upload['files']) => files.map(({ name, data }) => ({ name, bytes: data.length }))

function jsonIn(text = ''): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
