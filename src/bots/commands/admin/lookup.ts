/** `/lookup @user` and `/lookup <request id>`: shows an account or a request, for an administrator who is asked for help. */
import type { Core } from '../../../core/core.ts'
import { AppError } from '../../../core/errors.ts'
import {
  type AdminActLine,
  lookUpPerson,
  lookUpRequest,
  type PersonLookup,
  type RequestLookup,
} from '../../../core/history/lookup.ts'
import { findAnyRequest, namesRequest, shortId } from '../../../core/ids.ts'
import type { Call } from '../../../core/ports/chat.ts'
import { shorten, utcText } from '../../../core/text.ts'
import type { Json } from '../../../db/json.ts'
import type { Words } from '../../../locales/index.ts'
import { defineCommand } from '../../command.ts'
import { entryLine } from '../../lists/entries.ts'
import { personOf } from './person.ts'

/** Characters of a value that is shown as it is stored. */
const valueLength = 100
/** Characters of the reason of a report. */
const reasonLength = 150
/** Less than Discord's 2,000. */
const textLength = 1_900

export const lookupCommand = defineCommand({
  name: 'lookup',
  needs: 'admin',
  audience: 'private',
  options: { user: { type: 'user' }, id: { type: 'text' } },
  async run({ core, call, words, values: { user, id } }) {
    const written = id ?? user
    if (written === undefined) throw new AppError('bad_option', { name: 'user', value: '' })
    const text = shorten(await found(core, call, { words, written, isRequest: id !== undefined }), textLength)
    return { locale: call.locale, state: 'info', content: { kind: 'text', text }, private: true }
  },
})

interface Wanted {
  words: Words
  written: string
  /** False: it may name a person as well. */
  isRequest: boolean
}

/** Throws AppError unknown_request, unknown_user, ambiguous. */
async function found(core: Core, call: Call, { words, written, isRequest }: Wanted): Promise<string> {
  const name = written.trim()
  const request = isRequest || namesRequest(name) ? await findAnyRequest(core, name) : undefined
  if (request !== undefined) return ofRequest(words, await lookUpRequest(core, request))
  if (isRequest || name.startsWith('#')) throw new AppError('unknown_request')
  const { userId } = await personOf(core, call, name)
  return ofPerson(words, await lookUpPerson(core, userId))
}

function ofPerson(words: Words, person: PersonLookup): string {
  const { lookup } = words.admin
  const names = person.names.map(({ id, handle }) => (handle === null ? id : `${id} (@${handle})`))
  const requests = person.requests.map(({ id, state, createdAt, error, ...request }) =>
    lookup.request({
      ...request,
      id: shortId(id),
      state: words.states[state],
      when: utcText(createdAt),
      error: error ?? undefined,
    }),
  )
  const keys = person.keys.map(({ id, tail, name, usedAt }) =>
    lookup.key({ id, tail, name, used: usedAt ? utcText(usedAt) : undefined }),
  )
  return [
    lookup.person({ ...person, since: utcText(person.createdAt) }),
    names.join(', '),
    ...(person.closedAt ? [lookup.closed(utcText(person.closedAt))] : []),
    ...(person.banned ? [banLine(words, person)] : []),
    words.admin.limitsOf({ ...person, user: lookup.limits(person.underWay) }),
    ...section(
      lookup.entries,
      person.entries.map((entry) => entryLine(words, entry)),
    ),
    ...section(lookup.requests, requests),
    ...section(lookup.acts, person.acts.map(actLine)),
    ...section(lookup.keys, keys),
  ].join('\n')
}

const banLine = ({ admin }: Words, { name, until, reason }: PersonLookup) =>
  admin.banned({
    user: name,
    until: until ? utcText(until) : undefined,
    reason: reason ?? undefined,
    cancelled: 0,
  })

function ofRequest(words: Words, request: RequestLookup): string {
  const { lookup } = words.admin
  const { createdAt, startedAt, submitAt, storedAt, endedAt, deadlineAt } = request
  const after = (date: Date | null) => (date ? (date.getTime() - createdAt.getTime()) / 1000 : undefined)
  return [
    `#${shortId(request.id)} · ${request.id}`,
    lookup.state({ ...request, icon: words.states[request.state] }),
    ...(request.error === null ? [] : [[request.error, ...request.errorFacts].join(' · ')]),
    lookup.people({
      person: `${request.person} (${request.userId})`,
      payer: request.payerId === request.userId ? undefined : `${request.payer} (${request.payerId})`,
    }),
    `${request.model} · ${request.provider} · ${request.endpoint} · ${request.surface}`,
    lookup.price({ ...request, dollars: request.costMicros === null ? undefined : request.costMicros / 1e6 }),
    ...(request.quote === null ? [] : [shown(request.quote)]),
    ...(request.reference === undefined ? [] : [lookup.reference(request.reference)]),
    ...(Array.isArray(request.tried) && request.tried.length > 0 ? [lookup.tried(shown(request.tried))] : []),
    lookup.times({
      when: utcText(createdAt),
      started: after(startedAt),
      submitted: after(submitAt),
      stored: after(storedAt),
      ended: after(endedAt),
      deadline: after(deadlineAt),
    }),
    ...reported(words, request),
    ...section(lookup.acts, request.acts.map(actLine)),
  ].join('\n')
}

function reported({ admin: { lookup } }: Words, { reports: { people, shown } }: RequestLookup): string[] {
  const lines = shown.map(({ name, reason, createdAt }) =>
    lookup.reported({ when: utcText(createdAt), name, reason: shorten(reason, reasonLength) }),
  )
  return section(lookup.reports(people), lines)
}

const section = (title: string, lines: readonly string[]) => (lines.length === 0 ? [] : ['', title, ...lines])

const actLine = ({ createdAt, action, actor, before, after }: AdminActLine) =>
  `${utcText(createdAt)}  ${action} (${actor}): ${shown(before)} → ${shown(after)}`

const shown = (value: Json | null) => (value === null ? '–' : shorten(JSON.stringify(value), valueLength))
