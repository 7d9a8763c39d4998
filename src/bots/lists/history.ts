/** A page of `/history`, with buttons that turn it. The button's ref holds the filter and the request where the page starts. */
import { createHash } from 'node:crypto'
import { accountOf } from '../../core/accounts/accounts.ts'
import { button } from '../../core/chats/buttons.ts'
import type { Core } from '../../core/core.ts'
import { AppError } from '../../core/errors.ts'
import {
  type Cursor,
  type HistoryFilter,
  type HistoryPage,
  historyStates,
  type PastRequest,
  readHistory,
} from '../../core/history/history.ts'
import { isId, shortId } from '../../core/ids.ts'
import { thumbnailKeyOf } from '../../core/media/object-keys.ts'
import { loadThumbnail, sizeWithin, thumbnailEdge } from '../../core/media/thumbnails.ts'
import type { Call, Reply } from '../../core/ports/chat.ts'
import type { ReplyPicture } from '../../core/ports/reply-files.ts'
import type { StoredObject } from '../../core/ports/storage.ts'
import { shorten, utcText } from '../../core/text.ts'
import { type Words, wordsFor } from '../../locales/index.ts'
import { isSeenByOthers } from '../aside.ts'
import type { Answer } from '../command.ts'

/** Characters of each prompt that are shown, so that a page fits into a caption on Telegram. */
const shortPrompt = 60
/** More buttons in a row would be hard to hit on a phone. */
const buttonsInRow = 3

interface Turned {
  filter: HistoryFilter
  from?: Cursor
}

/** Where a group would see what the person has drawn, it goes to the person alone. */
export async function historyReply(core: Core, call: Call, { filter, from }: Turned): Promise<Answer> {
  const { locale } = call
  const surface = core.surfaces.get(call.surface)
  const page = await readHistory(core, await accountOf(core, call.from), { filter, from })
  const words = wordsFor(locale)
  const text = textOf(words, filter, page)
  const pictures = surface?.linksPictures ? await thumbnailsOf(core, page.rows) : await sheetOf(core, words, page.rows)
  return {
    locale,
    state: 'info',
    content: { kind: 'text', text },
    pictures,
    buttons: buttonsOf(page, filter),
    private: true,
    confidential: isSeenByOthers(core, call),
  }
}

function textOf({ history: words, states }: Words, filter: HistoryFilter, { rows }: HistoryPage): string {
  const { model, state, favourites } = filter
  const filters = [model, state && words.states[state], favourites && words.favourites].filter(
    (each) => each !== undefined && each !== false,
  )
  if (rows.length === 0) return filters.length === 0 ? words.empty : words.noMatch(filters)
  const lines = rows.map(({ id, createdAt, state, request, isFavourite }, index) =>
    words.line({
      number: index + 1,
      id: shortId(id),
      when: utcText(createdAt),
      state: `${states[state]}${isFavourite ? '⭐' : ''}`,
      prompt: shorten(request.prompt, shortPrompt),
      model: request.model,
    }),
  )
  return [words.title(filters), ...lines].join('\n')
}

function buttonsOf({ rows, newer, older }: HistoryPage, filter: HistoryFilter): Reply['buttons'] {
  const shows = rows.flatMap(({ id, picture }, index) => (picture ? [button('show', id, { number: index + 1 })] : []))
  const half = Math.ceil(shows.length / Math.ceil(shows.length / buttonsInRow))
  const [first, last] = [rows[0], rows.at(-1)]
  const turns = [
    ...(newer && first ? [button('newer', refOf(filter, first.id))] : []),
    ...(older && last ? [button('older', refOf(filter, last.id))] : []),
  ]
  const all = [shows.slice(0, half), shows.slice(half), turns].filter((row) => row.length > 0)
  return all.length === 0 ? undefined : all
}

// ── Pictures ─────────────────────────────────────────────────────────────────────────────────────────────────────

/** One picture that shows all thumbnails: on Telegram an album can have no buttons and cannot be replaced by an edit. */
async function sheetOf(core: Core, { history: words }: Words, rows: readonly PastRequest[]): Promise<ReplyPicture[]> {
  if (rows.length === 0) return []
  const cells = await Promise.all(rows.map((row) => thumbnailOf(core, row)))
  const file = await core.images.sheet(cells.map((cell) => cell?.data))
  return [{ file, key: '', name: 'history.jpg', alt: words.title([]) }]
}

/** Leaves out those that `thumbnailOf` has no thumbnails of. */
async function thumbnailsOf(core: Core, rows: readonly PastRequest[]): Promise<ReplyPicture[]> {
  const pictures = rows.map(async (row, index): Promise<ReplyPicture[]> => {
    const { id, request, picture } = row
    const key = picture && thumbnailKeyOf(core, picture.key)
    const object = await thumbnailOf(core, row)
    if (!key || !object) return []
    const alt = `${index + 1}. ${shorten(request.prompt, shortPrompt)}`
    const file = { data: object.data, type: 'image/webp', ...sizeWithin(thumbnailEdge, picture) } as const
    return [{ file, key, name: `${shortId(id)}.webp`, alt }]
  })
  return (await Promise.all(pictures)).flat()
}

/** undefined: the picture is gone from the store, or its thumbnail cannot be made now; the page is shown without it. */
async function thumbnailOf(core: Core, { picture }: PastRequest): Promise<StoredObject | undefined> {
  if (!picture) return undefined
  return loadThumbnail(core, picture.key).catch((error: unknown) => {
    core.log.warn({ key: picture.key, err: error }, 'could not make a thumbnail for the history')
    return undefined
  })
}

// ── The ref of a button ──────────────────────────────────────────────────────────────────────────────────────────

/** 'x' stands for any state. */
const stateLetters = ['x', ...historyStates.map((state) => state.charAt(0))].join('')

/** 'fd0199…1a2b3c4d': favourites or all, the state, the request, and the model as a hash, because its name may be too long. */
function refOf(
  { favourites, state = 'x', model }: { favourites?: boolean; state?: string; model?: string },
  id: string,
): string {
  return `${favourites ? 'f' : 'a'}${state.charAt(0)}${id.replaceAll('-', '')}${model === undefined ? '' : hashOf(model)}`
}

const hashOf = (model: string) => createHash('sha256').update(model).digest('hex').slice(0, 8)

/** Throws AppError unknown_button if the ref is malformed, or if its model is gone. */
export function turnedBy(core: Core, direction: Cursor['direction'], ref: string): Turned {
  const form = new RegExp(`^([af])([${stateLetters}])([0-9a-f]{32})([0-9a-f]{8})?$`)
  const [, kind, letter, hex = '', hash] = form.exec(ref) ?? []
  const id = hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
  const model = hash === undefined ? undefined : core.models.all().find((each) => hashOf(each.id) === hash)?.id
  if (!isId(id) || (hash !== undefined && model === undefined)) throw new AppError('unknown_button')
  const state = historyStates.find((each) => each.charAt(0) === letter)
  return { filter: { favourites: kind === 'f', state, model }, from: { direction, id } }
}
