/** What the message under a request shows while it waits, and when it has ended. */
import { chargedFor } from '../billing/quote.ts'
import { button } from '../chats/buttons.ts'
import type { Core } from '../core.ts'
import { AppError, type ErrorData, type ErrorKind } from '../errors.ts'
import { roughly } from '../history/estimate.ts'
import { shortId } from '../ids.ts'
import type { ButtonRows, ChatSurface, Reply } from '../ports/chat.ts'
import type { Content } from '../ports/content.ts'
import type { ReplyPicture } from '../ports/reply-files.ts'
import { formatExpand } from '../request/grow.ts'
import { shownLoras } from '../request/loras.ts'
import { shorten } from '../text.ts'
import type { Generation } from './row.ts'

type Asked = Pick<Generation, 'id' | 'locale' | 'request'>

/** Characters of the prompt in a message that waits or failed, in a caption, and in the alternative text. */
const shortPrompt = 200
const captionPrompt = 500
/** Characters of each prompt in a caption with two, so that Telegram's 1,024 characters hold the other facts as well. */
const captionPrompts = 350
const altPrompt = 1000

/** Throws AppError chat_refused when this process knows no such surface. */
export function surfaceFor(core: Core, { surface: name }: Pick<Generation, 'surface'>): ChatSurface {
  const surface = core.surfaces.get(name)
  if (!surface) throw new AppError('chat_refused', {}, { cause: new Error(`the surface ${name} is not set up`) })
  return surface
}

export const promptOf = ({ request }: Asked) => shorten(request.prompt, shortPrompt)

export const altOf = ({ request }: Asked) => shorten(request.prompt, altPrompt)

interface Waiting {
  place?: number
  /** The provider in whose own queue it waits. */
  at?: string
  /** Time until the pictures are there. */
  seconds?: number
}

export const queuedContent = (asked: Asked, { seconds, ...where }: Waiting = {}): Content => ({
  kind: 'queued',
  prompt: promptOf(asked),
  ...where,
  seconds: roughly(seconds),
})

/** With a button that cancels the request. */
export const waitingReply = (asked: Asked, content: Content, pictures?: readonly ReplyPicture[]): Reply => ({
  locale: asked.locale,
  state: 'waiting',
  content,
  pictures,
  buttons: [[button('cancel', asked.id, { style: 'danger' })]],
})

/** Shown before its message can no longer be changed without a press. */
export const offeringReply = (asked: Asked): Reply => ({
  locale: asked.locale,
  state: 'waiting',
  content: { kind: 'drawing', prompt: promptOf(asked) },
  buttons: [[button('getresult', asked.id, { style: 'primary' }), button('cancel', asked.id, { style: 'danger' })]],
})

/** Its pictures are stored and paid for, so it can no longer be cancelled. */
export const finishingReply = ({ locale }: Asked): Reply => ({
  locale,
  state: 'waiting',
  content: { kind: 'finishing' },
})

interface Failure {
  error: ErrorKind
  data: ErrorData
  /** Credits given back. */
  refunded: number
}

export const failureReply = (asked: Asked, failure: Failure): Reply => ({
  locale: asked.locale,
  state: 'failed',
  content: { kind: 'failure', prompt: promptOf(asked), ...failure },
})

/** What `resultReply` needs of a generation, under way or stored. */
type Drawn = Asked &
  Pick<Generation, 'model' | 'provider' | 'enhanced' | 'seed' | 'price' | 'quote' | 'notes' | 'parentId'>

interface Shown {
  pictures: readonly ReplyPicture[]
  /** Sizes of the stored pictures, which those in the message may be smaller than. */
  sizes: readonly { width: number; height: number }[]
  seconds: number
  /** Credits that the person has left. */
  left?: number
  /** The pool of the group paid. */
  byPool?: boolean
  buttons: ButtonRows
}

export function resultReply(
  core: Core,
  drawn: Drawn,
  { pictures, sizes, seconds, left, byPool, buttons }: Shown,
): Reply {
  const { id, locale, request, enhanced, provider, seed, notes, parentId } = drawn
  const model = core.models.all().find((each) => each.id === drawn.model)
  const [{ width, height } = request] = sizes
  const limit = enhanced === null ? captionPrompt : captionPrompts
  const content = {
    kind: 'result' as const,
    id: shortId(id),
    parent: parentId === null ? undefined : shortId(parentId),
    prompt: shorten(request.prompt, limit),
    enhanced: enhanced === null ? undefined : shorten(enhanced, limit),
    enhancedBy: core.enhancer?.model,
    model: model?.title ?? drawn.model,
    servedBy: core.providers.get(provider)?.title ?? provider,
    width,
    height,
    seed: seed ?? undefined,
    ...(request.mask && { masked: true }),
    ...(request.expand && { grown: formatExpand(request.expand) }),
    ...(request.loras && { loras: shownLoras(request.loras) }),
    seconds,
    credits: chargedFor(drawn, sizes.length),
    left,
    ...(byPool && { byPool }),
    notes: notes ?? [],
  }
  return {
    locale,
    state: 'done',
    content,
    pictures,
    buttons,
    unclear: {
      content: { ...content, notes: [...content.notes, { kind: 'may_be_missing' }] },
      buttons: [[button('resend', id, { style: 'primary' })], ...buttons],
    },
  }
}
