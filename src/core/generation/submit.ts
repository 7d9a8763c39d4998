/**
 * Call → accepted generation. Everything that can be refused is refused before the one statement that saves the row and
 * holds the credits; what was refused leaves nothing behind.
 */
import { createHmac } from 'node:crypto'
import { sql } from 'drizzle-orm'
import { v7 as uuidv7 } from 'uuid'
import { violates } from '../../db/violations.ts'
import { accountOf } from '../accounts/accounts.ts'
import { spentThisMonth } from '../accounts/api-keys.ts'
import { type AccountLimits, reasonAgainst, slowDown, spacing } from '../accounts/limits.ts'
import type { Core } from '../core.ts'
import { AppError } from '../errors.ts'
import { readPictures, whileReading } from '../media/read-inputs.ts'
import type { Address, Attachment, Call, Locale } from '../ports/chat.ts'
import type { ImageFile } from '../ports/images.ts'
import type { PictureRequest, RequestParams, Route, Takes } from '../ports/models.ts'
import type { Job } from '../ports/queue.ts'
import { defaultModel } from '../request/default-model.ts'
import { parsePrompt, promptLimit, readAspect, readSeed } from '../request/parse.ts'
import { chooseRoute, findModel, makeRequest, nearestAspect, priceOf, takenWith } from '../request/resolve.ts'
import { cleanText } from '../text.ts'

export interface Accepted {
  id: string
  job: Job
  request: PictureRequest
  /** False when this very call had been accepted before: then nothing has changed. */
  fresh: boolean
}

/** A row nobody has started within this time is looked at by the sweeper; later while its pictures are being stored. */
const wakeAfterMs = 10_000
const wakeAfterStoringMs = 120_000
/** Of a request against which nothing stands any more when that is asked. */
const mostSaves = 3

/** A request in whatever way it came: `Call` from a chat, or from a program. */
export interface Asking {
  /** The same for each delivery of the same request: nothing happens twice for one key. */
  key: string
  address: Address
  locale: Locale
  params: RequestParams
  images: readonly Attachment[]
  /** Who pays: a person as a chat knows them, or an account. */
  from: Call['from'] | { userId: string }
  /** What only programs say. `id`: the generation's, which their address names. */
  program?: { id: string; keyId: string | null; webhookUrl?: string; format?: string }
  /** In place of everybody's. */
  limits?: AccountLimits
}

/** What a person said in a chat. Throws AppError for every reason to refuse. Nothing starts before `wake`. */
export function submit(core: Core, call: Call): Promise<Accepted> {
  const { key, address, locale, images, from } = call
  return submitParams(core, { key, address, locale, images, from, params: paramsFromCall(call) })
}

/** The same for a request that needs no reading. */
export async function submitParams(core: Core, asking: Asking): Promise<Accepted> {
  const { params: asked, images, from } = asking
  const needs = { images: images.length, words: asked.prompt !== '' }
  const model = findModel(core.models.all(), asked.model ?? defaultModel(core, null, needs))
  const has = (provider: string) => core.providers.get(provider) !== undefined
  const takes = takenWith(model, images.length, has)
  const params = { ...asked, images: images.length, enhance: enhanceWanted(core, asked, takes) }
  const first = makeRequest(model, takes, params)
  const userId = 'userId' in from ? from.userId : await accountOf(core, from)
  const inputs = await loadInputs(core, userId, priceOf(model, first), asking)
  // a picture to change keeps its shape unless another is asked for
  const aspect = params.aspect ?? (inputs[0] && nearestAspect(takes, inputs[0]))
  const request = aspect === undefined ? first : makeRequest(model, takes, { ...params, aspect })
  const route = chooseRoute(model, request, has)
  const accepted = await accept(core, { asking, userId, request, route, inputs, price: priceOf(model, request) })
  if (accepted.fresh && inputs.length > 0) await keepInputs(core, accepted.id, inputs)
  return accepted
}

/**
 * Only after acceptance, so that nothing is kept for what was refused. A crash in between, or a store that is away, ends
 * as 'input_lost' with the credits back.
 */
async function keepInputs(core: Core, id: string, inputs: readonly ImageFile[]): Promise<void> {
  const keys = inputs.map((file, position) => inputKey(core, id, position, file))
  try {
    await Promise.all(inputs.map((file, at) => core.store.put(keys[at] ?? '', file.data, file.type)))
  } catch (error) {
    core.log.error({ id, err: error }, 'input pictures were not stored')
  }
  // from now on it can be started by anybody
  const [row] = await core.database.rows<{ state: string }>(sql`
    update generations set
      wake_at = case when attempt = 0 then now() + ${`${wakeAfterMs} milliseconds`}::interval else wake_at end
    where id = ${id}::uuid returning state`)
  const over = row?.state === 'failed' || row?.state === 'cancelled'
  if (over) await Promise.all(keys.map((key) => core.store.delete(key)))
}

/** Tells the queue. If that fails the sweeper will: the row is what counts. */
export async function wake(core: Core, job: Job): Promise<void> {
  try {
    await core.queue.add(job)
  } catch (error) {
    core.log.warn({ id: job.id, err: error }, 'the queue did not take a generation; the sweeper will')
  }
}

/**
 * For one that was accepted before, in case whoever did so has died. Not while its pictures may still be on their way into the
 * store: a worker would miss them, and whoever stores them wakes it then.
 */
export async function wakeAgain(core: Core, job: Job): Promise<void> {
  const [stored] = await core.database.rows(sql`
    select id from generations
    where id = ${job.id}::uuid and (attempt > 0 or wake_at <= now() + ${`${wakeAfterMs} milliseconds`}::interval)`)
  if (stored) await wake(core, job)
}

/** Unguessable, and the same at every try, so that a repeated step overwrites instead of leaving a second object. */
export function objectKey(core: Core, folder: 'input' | 'image', id: string, name: string, type: string): string {
  const secret = createHmac('sha256', core.secretKey).update(`${folder}/${id}/${name}`).digest('base64url').slice(0, 22)
  return `${folder}/${id}/${name}-${secret}.${type.replace('image/', '').replace('jpeg', 'jpg')}`
}

function inputKey(core: Core, id: string, position: number, file: ImageFile): string {
  return objectKey(core, 'input', id, String(position), file.type)
}

function paramsFromCall(call: Call): RequestParams {
  const params = parsePrompt(call.text)
  const { options } = call
  const text = (name: string) => (options[name] === undefined ? undefined : cleanText(String(options[name])))
  const number = (name: string) => (options[name] === undefined ? undefined : Number(options[name]))
  const aspect = text('aspect')
  const seed = text('seed')
  const typed: Partial<RequestParams> = {
    model: text('model')?.toLowerCase(),
    aspect: aspect === undefined ? undefined : readAspect(aspect),
    count: number('count'),
    seed: seed === undefined ? undefined : readSeed(seed),
    steps: number('steps'),
    guidance: number('guidance'),
    strength: number('strength'),
    negative: text('negative')?.slice(0, promptLimit),
    enhance: options.enhance === undefined ? undefined : options.enhance === true,
  }
  return { ...params, ...Object.fromEntries(Object.entries(typed).filter(([, value]) => value !== undefined)) }
}

/** Throws AppError enhancer_missing when it was asked for in so many words. */
function enhanceWanted(core: Core, { enhance, prompt }: RequestParams, takes: Takes): boolean | undefined {
  if (enhance && !core.enhancer) throw new AppError('enhancer_missing', { name: 'enhance' })
  const wanted = enhance ?? (core.enhanceByDefault && core.enhancer !== undefined)
  return wanted && prompt !== '' && takes.prompt !== 'none' ? true : undefined
}

/**
 * Reading pictures is what a request costs us before it is paid for. So it is not done for whom we have to refuse anyway, not
 * for many requests of one account at a time, and one that comes to nothing counts in the account's pace.
 */
async function loadInputs(core: Core, userId: string, price: number, asking: Asking): Promise<ImageFile[]> {
  if (asking.images.length === 0) return []
  const limits = asking.limits ?? core.limits
  return whileReading(core, { ...limits, userId }, async (place) => {
    const error = await reasonAgainst(core, userId, { ...limits, price })
    // the same call again is not refused for what it did itself
    if (error && !(await acceptedBefore(core, asking.key))) throw error
    try {
      return await readPictures(core, place, asking.images)
    } catch (error) {
      await slowDown(core, userId, limits)
      throw error
    }
  })
}

interface Acceptance {
  asking: Asking
  userId: string
  request: PictureRequest
  route: Route
  inputs: ImageFile[]
  price: number
}

async function accept(core: Core, acceptance: Acceptance): Promise<Accepted> {
  const { asking, userId, request, route, price } = acceptance
  const id = asking.program?.id ?? uuidv7()
  const lane = route.provider
  const limits = asking.limits ?? core.limits
  for (let tries = 1; ; tries++) {
    let capped = false
    const priority = await save(core, id, acceptance).catch((error: unknown) => {
      capped = violates(error, 'api_keys_within_cap')
      // the same call at the same time elsewhere: one of the two is there now
      if (capped || violates(error, 'generations_key_unique')) return undefined
      throw error
    })
    if (priority !== undefined) return { id, request, fresh: true, job: { id, lane, priority } }
    const before = await acceptedBefore(core, asking.key)
    if (before) return { id: before.id, request, fresh: false, job: before }
    if (capped) throw await capRefusal(core, asking)
    const reason = await reasonAgainst(core, userId, { price, ...limits })
    if (reason) throw reason
    // what stood against it has ended since
    if (tries === mostSaves) throw new AppError('too_many_in_flight', { limit: limits.inFlight })
  }
}

export async function acceptedBefore(core: Core, key: string): Promise<Job | undefined> {
  const [job] = await core.database.rows<Job>(
    sql`select id, provider as lane, priority from generations where key = ${key}`,
  )
  return job
}

/**
 * One statement, one transaction. The update on `users` locks the row and checks again after waiting for the lock, so
 * limits hold for any number of simultaneous requests. Returns the priority; undefined: refused.
 */
async function save(core: Core, id: string, acceptance: Acceptance): Promise<number | undefined> {
  const { asking, userId, request, route, inputs, price } = acceptance
  // a program's address is also what it shows: there is no message
  const { program } = asking
  const { inFlight, perMinute } = asking.limits ?? core.limits
  const { deadlineMs } = core.limits
  const untilWoken = `${inputs.length > 0 ? wakeAfterStoringMs : wakeAfterMs} milliseconds`
  const pictures = inputs.map((file, position) => ({
    key: inputKey(core, id, position, file),
    position,
    type: file.type,
    width: file.width,
    height: file.height,
    bytes: file.data.length,
  }))
  const [row] = await core.database.rows<{ priority: number }>(sql`
    with admitted as (
      update users set pace_at = greatest(pace_at, now()) + ${spacing(perMinute)}::interval
      where id = ${userId} and not banned and in_flight < ${inFlight}::int and balance >= ${price}::int
        and greatest(pace_at, now()) <= now() + interval '60 seconds' - ${spacing(perMinute)}::interval
        and not exists (select from generations where key = ${asking.key})
      returning in_flight),
    generation as (
      insert into generations (id, user_id, key, address, locale, model, provider, endpoint, request, price, priority,
        api_key_id, webhook_url, posted, wake_at, deadline_at)
      select ${id}::uuid, ${userId}::uuid, ${asking.key}, ${asking.address}, ${asking.locale}, ${request.model}, ${route.provider},
        ${route.endpoint}, ${JSON.stringify({ ...request, format: program?.format })}::jsonb, ${price}::int, in_flight + 1,
        ${program?.keyId ?? null}::uuid, ${program?.webhookUrl ?? null}, ${program ? asking.address : null},
        now() + ${untilWoken}::interval, now() + ${`${deadlineMs} milliseconds`}::interval
      from admitted returning id, user_id, priority),
    pictures as (
      insert into images (key, generation_id, role, position, type, width, height, bytes)
      select p.key, generation.id, 'input', p.position, p.type, p.width, p.height, p.bytes
      from generation, jsonb_to_recordset(${JSON.stringify(pictures)}::jsonb)
        as p(key text, position int, type text, width int, height int, bytes int)),
    entry as (
      insert into ledger (user_id, generation_id, kind, amount, held)
      select user_id, id, 'hold', -(${price}::int), ${price}::int from generation)
    select priority from generation`)
  return row?.priority
}

/** What it has spent is counted by the ledger (drizzle/0003_api.sql), in the statement that was refused. */
async function capRefusal(core: Core, { program }: Asking): Promise<AppError> {
  const [key] = await core.database.rows<{ limit: number; spent: number }>(sql`
    select monthly_cap as limit, ${spentThisMonth} as spent from api_keys where id = ${program?.keyId ?? null}::uuid`)
  return new AppError('cap_reached', { ...key })
}
