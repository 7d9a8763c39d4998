/** The person's requests under way, and how busy the providers are. `/queue` and the buttons below its answer show it. */
import { button } from '../../core/chats/buttons.ts'
import type { Core } from '../../core/core.ts'
import { type OwnRequest, requestsUnderWay, unfinishedLoad } from '../../core/history/backlog.ts'
import { roughly, secondsInQueue, secondsLeft } from '../../core/history/estimate.ts'
import { shortId } from '../../core/ids.ts'
import type { Button, Call } from '../../core/ports/chat.ts'
import { shorten } from '../../core/text.ts'
import { type Words, wordsFor } from '../../locales/index.ts'
import { isSeenByOthers } from '../aside.ts'
import type { Answer } from '../command.ts'

const mostRequests = 10
const promptLength = 80
/** Discord's limit. */
const buttonsInRow = 5

/** Where others read it, it leaves out the words of private requests. */
export async function queueReply(core: Core, call: Call, userId: string): Promise<Answer> {
  const { locale } = call
  const words = wordsFor(locale)
  const isSeen = isSeenByOthers(core, call)
  const [requests, load] = await Promise.all([
    requestsUnderWay(core, userId, mostRequests),
    unfinishedLoad(core.database),
  ])
  const lines = await Promise.all(
    requests.map((request, index) =>
      lineOf(core, words, { request, number: index + 1, isHidden: isSeen && request.private }),
    ),
  )
  const lanes = core.providers.all().map(({ provider, title, settings }) => {
    const inLane = load.filter((each) => each.provider === provider.name)
    const all = inLane.reduce((sum, { count }) => sum + count, 0)
    const waiting = inLane.find(({ state }) => state === 'queued')?.count ?? 0
    return words.queue.lane({ title, running: all - waiting, places: settings.concurrency, waiting })
  })
  const own = lines.length === 0 ? [words.queue.none] : [words.queue.title, ...lines]
  const cancels = requests.flatMap(({ id, state }, index) =>
    state === 'stored' ? [] : [button('drop', id, { style: 'danger', number: index + 1 })],
  )
  return {
    locale,
    state: 'info',
    content: { kind: 'text', text: [...own, '', words.queue.lanes, ...lanes].join('\n') },
    private: true,
    inPlace: true,
    buttons: [...inRows(cancels), [button('queue', userId)]],
  }
}

interface Line {
  request: OwnRequest
  number: number
  isHidden: boolean
}

async function lineOf(core: Core, words: Words, { request, number, isHidden }: Line) {
  const status = await statusOf(core, words, request)
  const prompt = isHidden ? '🔒' : shorten(request.request.prompt, promptLength)
  // requests that take no words have no prompt
  return `${number}. ${prompt === '' ? status : words.status.of(status, prompt)} (#${shortId(request.id)})`
}

async function statusOf(core: Core, { status }: Words, request: OwnRequest): Promise<string> {
  const { state, place, elapsed } = request
  if (state === 'stored') return status.finishing
  if (state === 'queued' && place !== null) {
    return status.queued({ place, seconds: roughly(await secondsInQueue(core, request, place)) })
  }
  const percent = request.percent ?? undefined
  return status.drawing({
    percent,
    seconds: roughly(await secondsLeft(core, request, { elapsed: elapsed ?? 0, percent })),
  })
}

function inRows(buttons: readonly Button[]): Button[][] {
  const rows = Math.ceil(buttons.length / buttonsInRow)
  return Array.from({ length: rows }, (_, row) => buttons.slice(row * buttonsInRow, (row + 1) * buttonsInRow))
}
