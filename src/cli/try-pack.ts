/**
 * `npm run providers -- try <file>`: shows the requests that a model pack makes, or sends one of them. Nothing is stored, and no
 * credits are held.
 */
import { randomUUID } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { quoteOf, type Size } from '../core/billing/quote.ts'
import { AppError, spelled } from '../core/errors.ts'
import { extensionOf } from '../core/media/object-keys.ts'
import { placeInputs } from '../core/media/place-inputs.ts'
import type { ImageFile, ImageTools } from '../core/ports/images.ts'
import type { Model, PictureRequest, Route } from '../core/ports/models.ts'
import type { ImageProvider, ProviderSettings, Submission, Task } from '../core/ports/providers.ts'
import { checkParams } from '../core/request/check.ts'
import { offeredAspects } from '../core/request/choose-model.ts'
import { grown } from '../core/request/grow.ts'
import { flagSpellings, parsePrompt } from '../core/request/parse.ts'
import type { Json } from '../db/json.ts'
import { wordsFor } from '../locales/index.ts'
import { createLog } from '../log.ts'
import { models as builtIn } from '../models/index.ts'
import { parsePack } from '../models/packs/pack.ts'
import { PackError } from '../models/packs/pack-error.ts'
import { takenMistake } from '../models/packs/stored.ts'
import { sketch } from '../models/sketch.ts'
import { providerKinds } from '../providers/index.ts'
import { createImageTools } from '../storage/images.ts'
import { readFrom } from './files.ts'

export interface Trying {
  /** Path of the pack. */
  file: string
  /** The prompt with options, as in a chat. Empty: 'a cute cat', for routes that need words. */
  words: string
  /** Paths of input pictures. */
  images: readonly string[]
  /** Sends the request of the first route that fits, once. */
  send: boolean
  /** undefined: the provider is not set up. */
  settingsOf(provider: string): Promise<ProviderSettings | undefined>
  /** The address of a provider that is not set up. */
  addressOf(provider: string): string | undefined
}

interface Tried {
  at: number
  route: Route
  request: PictureRequest
  task: Task
}

/** Throws PackError for a pack with mistakes, and an Error if no route fits the words and pictures. */
export async function tryPack(trying: Trying): Promise<string> {
  const model = parsePack(await readFrom(trying.file))
  const names = [model.id, ...model.aliases]
  const taken = names.find((name) => builtIn.some(({ id, aliases }) => id === name || aliases.includes(name)))
  if (taken !== undefined) throw new PackError([takenMistake(taken)])
  if (model.routes.some(({ provider }) => provider === 'comfyui')) {
    throw new Error('A workflow pack cannot be tried: copy it to DATA_DIR/models, and draw with it.')
  }
  const tools = createImageTools()
  const images = await Promise.all(
    trying.images.map(async (path) => tools.clean(await readFrom(path, (name) => readFile(name)))),
  )
  const each = await Promise.all(model.routes.map((_, at) => tryRoute(model, at, { trying, images, tools })))
  const fitting = each.filter((tried) => typeof tried !== 'string')
  if (fitting.length === 0) throw new Error(each.join('\n'))
  if (trying.send) return sendFirst(model, fitting, { trying, tools })
  return each
    .map((tried) => (typeof tried === 'string' ? tried : shown(model, tried, trying.addressOf(tried.route.provider))))
    .concat('Nothing was sent. --send sends the first request.')
    .join('\n\n')
}

interface With {
  trying: Trying
  images: readonly ImageFile[]
  tools: ImageTools
}

/** A sentence, if the route does not take the words or the pictures. */
async function tryRoute(model: Model, at: number, { trying, images: given, tools }: With): Promise<Tried | string> {
  const route = model.routes[at]!
  const { takes, endpoint, result } = route
  const { min, max } = takes.images
  const missing = given.length === 0 ? min : 0
  const images = missing > 0 ? Array<ImageFile>(missing).fill(await tools.sheet([undefined])) : given
  if (images.length < min || images.length > max) {
    const numbers = min === max ? `${min}` : `${min}–${max}`
    return `routes[${at}] takes ${numbers} pictures: ${images.length} ${images.length === 1 ? 'was' : 'were'} named.`
  }
  try {
    const written = trying.words === '' && takes.prompt === undefined ? 'a cute cat' : trying.words
    const params = parsePrompt(written, { ratios: offeredAspects([model, sketch]) })
    const expand = params.expand ?? (takes.expand?.required && { left: 256 })
    const mask = takes.mask && !expand ? { mask: true as const } : {}
    const checked = checkParams({ model, takes }, { ...params, ...mask, expand }, images.length)
    const request = grown(checked, { takes, expand, input: images[0] })
    const { inputs, mask: marked } = await placeInputs(
      tools,
      { request, takes },
      // nothing is kept: all of the picture is marked
      {
        inputs: images.map((file) => ({ file })),
        mask: images[0] && (await tools.markAs(undefined, 'black', images[0])),
      },
    )
    const input = route.input(
      request,
      inputs.map((_, image) => ({ $image: image })),
      marked && { $image: inputs.length },
    )
    const files = [...inputs.map(({ file }) => file), ...(marked ? [marked] : [])]
    const task: Task = { id: randomUUID(), endpoint, input, images: files, count: request.count, result }
    return { at, route, request, task }
  } catch (error) {
    if (!(error instanceof AppError)) throw error
    return `routes[${at}]: ${wordsFor('en').errors[error.kind](spelled(error, flagSpellings))}`
  }
}

function shown(model: Model, { at, route, request, task }: Tried, address = ''): string {
  const provider = open(route.provider, { baseUrl: address, timeoutMs: 1_000, concurrency: 1 })
  const submission = provider.submission?.(task)
  void provider.close?.()
  if (!submission) throw new Error(`Requests of ${route.provider} cannot be shown.`)
  const { method, url, headers } = submission
  return [
    `routes[${at}]: ${route.provider}, ${route.endpoint}`,
    `${method} ${url}`,
    ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
    '',
    bodyOf(submission),
    '',
    costOf(model, { route, request }),
  ].join('\n')
}

function bodyOf({ headers, body }: Submission): string {
  if (headers['content-type']?.startsWith('multipart/')) {
    return (body as readonly (readonly [string, string])[]).map(([name, value]) => `${name} = ${value}`).join('\n')
  }
  return JSON.stringify(body, (_, value: Json) => shortened(value), 2)
}

/** A picture in base64 would fill the screen. */
function shortened(value: Json): Json {
  const [, start] = (typeof value === 'string' && /^(data:[^,]{1,60},)/.exec(value)) || []
  return start === undefined || typeof value !== 'string' ? value : `${start}… (${value.length} characters)`
}

/** `pictures`: those that came. Absent: they have the size of the request. */
function costOf(
  model: Model,
  { route, request }: Pick<Tried, 'route' | 'request'>,
  pictures?: readonly Size[],
): string {
  const { total } = quoteOf(model, request)
  const sizes = pictures ?? Array<Size>(request.count).fill(request)
  const costs = sizes.map((size) => route.cost?.(size, request) ?? Number.NaN)
  const sum = costs.reduce((before, each) => before + each, 0)
  const cost = Number.isNaN(sum) ? 'an unknown amount' : `about $${Number((sum / 1e6).toFixed(4))}`
  return `A person pays ${total} ${total === 1 ? 'credit' : 'credits'}; the service charges you ${cost}${assumed(route, request, pictures)}.`
}

/** A picture without a size before it is drawn counts as one of about a megapixel, as in quotes. */
function assumed({ cost }: Route, request: PictureRequest, pictures?: readonly Size[]): string {
  const isAssumed =
    pictures === undefined && request.width === 0 && cost?.(fourMegapixels, request) !== cost?.(request, request)
  return isAssumed ? ', if the result has one megapixel' : ''
}

const fourMegapixels: Size = { width: 2000, height: 2000 }

function open(name: string, settings: ProviderSettings): ImageProvider {
  const kind = providerKinds.find((each) => each.name === name)
  if (!kind) throw new Error(`There is no provider "${name}".`)
  return kind.create(settings, { log: createLog('silent') })
}

async function sendFirst(
  model: Model,
  fitting: readonly Tried[],
  { trying, tools }: Pick<With, 'trying' | 'tools'>,
): Promise<string> {
  for (const tried of fitting) {
    const settings = await trying.settingsOf(tried.route.provider)
    if (!settings) continue
    const provider = open(tried.route.provider, settings)
    try {
      process.stderr.write(`routes[${tried.at}]: sending one request to ${tried.route.endpoint} …\n`)
      const pictures = await draw(provider, tried.task, AbortSignal.timeout(settings.timeoutMs))
      const files = await Promise.all(
        pictures.map(async (bytes, number) => {
          const { data, type, width, height } = await tools.keep(bytes)
          const path = `${trying.file.replace(/\.json$/i, '')}-${number + 1}.${extensionOf(type)}`
          await writeFile(path, data)
          return { saved: `Saved ${path}: ${width} × ${height}`, width, height }
        }),
      )
      return [...files.map(({ saved }) => saved), costOf(model, tried, files)].join('\n')
    } finally {
      await provider.close?.()
    }
  }
  const names = [...new Set(fitting.map(({ route }) => route.provider))].join(' or ')
  throw new Error(`To send it, set up ${names}: npm run providers -- add, or FAL_KEY or OPENAI_IMAGE_KEY in .env.`)
}

async function draw(provider: ImageProvider, task: Task, signal: AbortSignal): Promise<Buffer[]> {
  let progress = await provider.start(task, signal)
  while (progress.state === 'pending') {
    await sleep(Math.max(50, progress.waitMs), undefined, { signal })
    if (!provider.check) throw new AppError('bad_result', { provider: provider.name })
    progress = await provider.check(progress.ticket, task, signal)
  }
  return progress.images
}
