/** What the message under a request shows while it waits, and when it has ended. */
import { button } from '../chats/buttons.ts'
import type { Core } from '../core.ts'
import { AppError, type ErrorData, type ErrorKind } from '../errors.ts'
import type { ChatSurface, Content, Reply, ReplyPicture } from '../ports/chat.ts'
import { shorten } from '../text.ts'
import { proposeEdit } from './edit.ts'
import type { Generation } from './row.ts'

type Asked = Pick<Generation, 'id' | 'locale' | 'request'>

/** Characters of the prompt in a message that waits or failed, in a caption, and in the alternative text. */
const shortPrompt = 200
const captionPrompt = 500
const altPrompt = 1000

/** Throws AppError chat_refused when this process knows no such surface. */
export function surfaceFor(core: Core, { surface: name }: Pick<Generation, 'surface'>): ChatSurface {
  const surface = core.surfaces.get(name)
  if (!surface) throw new AppError('chat_refused', {}, { cause: new Error(`the surface ${name} is not set up`) })
  return surface
}

export const promptOf = ({ request }: Asked) => shorten(request.prompt, shortPrompt)

export const altOf = ({ request }: Asked) => shorten(request.prompt, altPrompt)

/** With a button that cancels the request. */
export const waitingReply = (asked: Asked, content: Content, pictures?: readonly ReplyPicture[]): Reply => ({
  locale: asked.locale,
  state: 'waiting',
  content,
  pictures,
  buttons: [[button('cancel', asked.id, { style: 'danger' })]],
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

interface Drawn {
  pictures: readonly ReplyPicture[]
  /** Sizes of the stored pictures, which those in the message may be smaller than. */
  sizes: readonly { width: number; height: number }[]
  seconds: number
}

/** With a button that changes the result. */
export function resultReply(core: Core, generation: Generation, { pictures, sizes, seconds }: Drawn): Reply {
  const { locale, request, enhanced, provider, seed, price, notes } = generation
  const model = core.models.all().find(({ id }) => id === generation.model)
  const [{ width, height } = request] = sizes
  return {
    locale,
    state: 'done',
    content: {
      kind: 'result',
      prompt: shorten(request.prompt, captionPrompt),
      enhanced: enhanced === null ? undefined : shorten(enhanced, captionPrompt),
      enhancedBy: core.enhancer?.model,
      model: model?.title ?? generation.model,
      servedBy: core.providers.get(provider)?.title ?? provider,
      width,
      height,
      seed: seed ?? undefined,
      seconds,
      credits: Math.floor((price * sizes.length) / request.count),
      notes: notes ?? [],
    },
    pictures,
    buttons: editButtons(core, generation),
  }
}

/** The price is that of the model which the form proposes. Absent: no model can draw it. */
function editButtons(core: Core, { id, model }: Generation): Reply['buttons'] {
  const edit = proposeEdit(core, model)
  return edit && [[button('edit', id, { price: edit.price })]]
}
