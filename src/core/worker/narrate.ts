/** Edits the waiting message of a request that this process draws: its place in the provider's queue, then its progress. */
import type { Core } from '../core.ts'
import { placeEditIsOver } from '../generation/place-edits.ts'
import { altOf, promptOf, queuedContent, surfaceFor, waitingReply } from '../generation/replies.ts'
import type { Generation } from '../generation/row.ts'
import { roughly, secondsLeft } from '../history/estimate.ts'
import type { Content } from '../ports/content.ts'
import type { ReplyPicture } from '../ports/reply-files.ts'

export interface Narrator {
  progress(progress: { percent?: number; position?: number; preview?: Buffer }): void
  /** Resolves once no edit is under way. */
  stop(): Promise<void>
  /** false: an edit is under way, so that nothing was stopped. */
  stopIfIdle(): boolean
}

/** Fast pictures need no progress; after that, as often as Discord and groups of Telegram permit. */
const firstMs = 1_500
const everyMs = 3_000
/** Pixels on the longer side. */
const previewEdge = 512

/** Shows the progress of a generation that this process draws. */
export function narrateRun(core: Core, generation: Generation): Narrator {
  let next: { percent?: number; position?: number; preview?: Buffer } = {}
  let shown = ''
  let pictures: readonly ReplyPicture[] | undefined
  let editing: Promise<unknown> = Promise.resolve()
  let isEditing = false
  let stopped = false
  const { posted } = generation
  const pauseMs = core.surfaces.get(generation.surface)?.paceMs
  if (!posted) return { progress: () => undefined, stop: async () => undefined, stopIfIdle: () => true }

  let timer = setTimeout(tick, pauseMs ?? firstMs)
  timer.unref()

  function tick() {
    isEditing = true
    editing = show()
      .catch((error: unknown) => core.log.debug({ id: generation.id, err: error }, 'could not show progress'))
      .finally(() => {
        isEditing = false
        if (stopped) return
        timer = setTimeout(tick, pauseMs ?? everyMs)
        timer.unref()
      })
  }

  async function show() {
    const { percent, position } = next
    const content = await contentOf(core, generation, { percent, position })
    const text = JSON.stringify(content)
    if (!posted || stopped || (text === shown && !next.preview)) return
    await placeEditIsOver(core, generation)
    const surface = surfaceFor(core, generation)
    // if the chat has no room, the next round shows the latest state
    if (stopped || (await surface.takeRoom?.(posted)) === false) return
    const { preview } = next
    next = { ...next, preview: undefined }
    shown = text
    // sent again with every edit: one without it would remove the last preview
    if (preview) pictures = (await previewOf(core, generation, preview)) ?? pictures
    if (!stopped) await surface.edit(posted, waitingReply(generation, content, pictures))
  }

  return {
    progress: ({ percent, position, preview }) => {
      next = {
        percent: percent === undefined ? undefined : Math.round(percent),
        position,
        preview: preview ?? next.preview,
      }
    },
    stop: async () => {
      stopped = true
      clearTimeout(timer)
      await editing
    },
    stopIfIdle: () => {
      if (isEditing) return false
      stopped = true
      clearTimeout(timer)
      return true
    },
  }
}

async function contentOf(
  core: Core,
  generation: Generation,
  { percent, position }: { percent?: number; position?: number },
): Promise<Content> {
  const { provider, runMs, takenAt } = generation
  if (position !== undefined) {
    return queuedContent(generation, { place: position, at: core.providers.get(provider)?.title ?? provider })
  }
  const elapsed = (runMs + Date.now() - takenAt) / 1000
  const seconds = roughly(await secondsLeft(core, generation, { elapsed, percent }))
  return { kind: 'drawing', prompt: promptOf(generation), percent, seconds }
}

/** A preview is untrusted bytes like any other input. undefined: it is no picture. */
async function previewOf(core: Core, generation: Generation, preview: Buffer): Promise<ReplyPicture[] | undefined> {
  try {
    const { thumbnail } = await core.images.keepWithThumbnail(preview, previewEdge)
    return [{ file: thumbnail, key: '', name: 'preview.webp', alt: altOf(generation) }]
  } catch {
    return undefined
  }
}
