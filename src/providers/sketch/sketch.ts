/** The built-in provider: draws a picture from prompt and seed in this process, without key or network. */
import { randomInt } from 'node:crypto'
import sharp from 'sharp'
import { z } from 'zod'
import { AppError } from '../../core/errors.ts'
import type { Turns } from '../../core/media/turns.ts'
import type { ImageFile } from '../../core/ports/images.ts'
import type {
  ImageProvider,
  Progress,
  ProviderContext,
  ProviderKind,
  ProviderSettings,
  Task,
} from '../../core/ports/providers.ts'
import { boxOf, canvasOf, marksIn, paintInto } from './area.ts'
import { hangUp, relight, rgb } from './blend.ts'
import type { Canvas } from './canvas.ts'
import { type Directives, parseDirectives } from './directives.ts'
import { label } from './label.ts'
import { drawScene } from './scene.ts'
import { tint } from './tint.ts'

const Input = z.strictObject({
  prompt: z.string(),
  width: z.int().min(64).max(2048),
  height: z.int().min(64).max(2048),
  count: z.int().min(1).max(4),
  seed: z.string().optional(),
  steps: z.number().default(20),
  guidance: z.number().default(3.5),
  strength: z.number().default(0.6),
  negative: z.string().default(''),
  /** Its index among the pictures: only what it marks is drawn. */
  mask: z.object({ $image: z.int() }).optional(),
  loras: z.array(z.object({ path: z.string(), scale: z.number().min(0).max(2) })).default([]),
})
type Input = z.infer<typeof Input>

const Ticket = z.object({ seed: z.string(), from: z.number(), until: z.number() })
type Ticket = z.infer<typeof Ticket>

const pollMs = 250
/** Number of tasks whose attempts are counted for `[fail busy 2]`. */
const rememberedTasks = 1000

export const sketch: ProviderKind = {
  name: 'sketch',
  title: 'Sketch (built in)',
  defaultUrl: 'sketch:',
  needsKey: false,
  create: createSketch,
}

function createSketch(_settings: ProviderSettings, { decode = (work) => work() }: ProviderContext): ImageProvider {
  /** Attempts so far, by task id. */
  const attempts = new Map<string, number>()

  return {
    name: 'sketch',
    repeatable: true,
    async start(task, signal) {
      const input = Input.parse(task.input)
      const directives = parseDirectives(input.prompt)
      failOnPurpose(directives, task.id)
      const seed = input.seed ?? String(randomInt(2 ** 32))
      if (directives.slowMs === 0) return draw(input, { task, seed, decode, signal })
      const ticket: Ticket = { seed, from: Date.now(), until: Date.now() + directives.slowMs }
      return pending(ticket)
    },
    async check(saved, task, signal) {
      const ticket = Ticket.parse(saved)
      if (Date.now() < ticket.until) return pending(ticket)
      return draw(Input.parse(task.input), { task, seed: ticket.seed, decode, signal })
    },
  }

  function failOnPurpose({ fail }: Directives, id: string): void {
    if (!fail) return
    const before = attempts.get(id) ?? 0
    if (attempts.size >= rememberedTasks) attempts.clear()
    attempts.set(id, before + 1)
    if (before < fail.times) throw new AppError(fail.kind, { provider: 'sketch' }, { neverRan: true })
  }
}

function pending(ticket: Ticket): Progress {
  const { from, until } = ticket
  const percent = Math.min(99, Math.max(0, ((Date.now() - from) / (until - from)) * 100))
  return { state: 'pending', ticket, waitMs: Math.max(1, Math.min(pollMs, until - Date.now())), percent }
}

interface Drawing {
  task: Task
  seed: string
  decode: Turns
  signal: AbortSignal
}

async function draw(input: Input, { task, seed, decode, signal }: Drawing): Promise<Progress> {
  const images: Buffer[] = []
  for (let n = 0; n < input.count; n++) {
    signal.throwIfAborted()
    images.push(await decode(() => drawOne(input, task.images, String(BigInt(seed) + BigInt(n)))))
  }
  return { state: 'done', images, seed }
}

async function drawOne(input: Input, images: readonly ImageFile[], seed: string): Promise<Buffer> {
  const mask = input.mask && images[input.mask.$image]
  const [first, ...others] = images.filter((image) => image !== mask)
  if (first && mask) return drawArea(input, { picture: first, others, mask, seed })
  const { width, height, strength } = input
  const { prompt } = parseDirectives(input.prompt)
  const base = first && (await rgb(first, width, height))
  const canvas = drawScene({ ...input, prompt, seed }, (scene, palette) => {
    if (base) relight(scene, base, { palette, strength })
  })
  tint(canvas, input.loras)
  await hangUp(canvas, others)
  label(canvas, prompt)
  return png(canvas)
}

interface Area {
  picture: ImageFile
  others: readonly ImageFile[]
  mask: ImageFile
  seed: string
}

async function drawArea(input: Input, { picture, others, mask, seed }: Area): Promise<Buffer> {
  const { prompt } = parseDirectives(input.prompt)
  const canvas = await canvasOf(picture)
  const marks = await marksIn(mask)
  const box = boxOf(marks, canvas)
  const drawn = drawScene({ ...input, width: box.width, height: box.height, prompt, seed })
  tint(drawn, input.loras)
  await hangUp(drawn, others)
  label(drawn, prompt)
  paintInto(canvas, { drawn, box, mask: marks })
  return png(canvas)
}

const png = ({ width, height, pixels }: Canvas) =>
  sharp(pixels, { raw: { width, height, channels: 3 } })
    .png({ compressionLevel: 6 })
    .toBuffer()
