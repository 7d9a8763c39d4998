/** Draws a picture from words and a seed in this process: no key, no network, the same seed the same picture. */
import { randomInt } from 'node:crypto'
import sharp from 'sharp'
import { z } from 'zod'
import { AppError } from '../core/errors.ts'
import type { ImageFile, ImageProvider, Progress, Task } from '../core/ports.ts'
import { type Directives, readDirectives } from './sketch/directives.ts'
import { drawScene, label } from './sketch/scene.ts'

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
})
type Input = z.infer<typeof Input>

const Ticket = z.object({ seed: z.string(), from: z.number(), until: z.number() })
type Ticket = z.infer<typeof Ticket>

const pollMs = 250
/** Requests whose tries are counted for `[fail busy 2]`. */
const rememberedTasks = 1000

export function createSketch(): ImageProvider {
  const tries = new Map<string, number>()

  return {
    name: 'sketch',
    repeatable: true,
    async start(task, signal) {
      const input = Input.parse(task.input)
      const directives = readDirectives(input.prompt)
      obey(directives, task.id)
      const seed = input.seed ?? String(randomInt(2 ** 32))
      if (directives.slowMs === 0) return draw(input, { task, seed, signal })
      const ticket: Ticket = { seed, from: Date.now(), until: Date.now() + directives.slowMs }
      return pending(ticket)
    },
    async check(saved, task, signal) {
      const ticket = Ticket.parse(saved)
      if (Date.now() < ticket.until) return pending(ticket)
      return draw(Input.parse(task.input), { task, seed: ticket.seed, signal })
    },
  }

  function obey({ fail }: Directives, id: string): void {
    if (!fail) return
    const before = tries.get(id) ?? 0
    if (tries.size >= rememberedTasks) tries.clear()
    tries.set(id, before + 1)
    if (before < fail.times) throw new AppError(fail.kind, { provider: 'sketch' }, { neverRan: true })
  }
}

function pending(ticket: Ticket): Progress {
  const { from, until } = ticket
  const percent = Math.min(99, Math.max(0, ((Date.now() - from) / (until - from)) * 100))
  return { state: 'pending', ticket, waitMs: Math.max(1, Math.min(pollMs, until - Date.now())), percent }
}

async function draw(
  input: Input,
  { task, seed, signal }: { task: Task; seed: string; signal: AbortSignal },
): Promise<Progress> {
  const images: Buffer[] = []
  for (let n = 0; n < input.count; n++) {
    signal.throwIfAborted()
    images.push(await drawOne(input, task.images, String(BigInt(seed) + BigInt(n))))
  }
  return { state: 'done', images, seed }
}

async function drawOne(input: Input, sources: readonly ImageFile[], seed: string): Promise<Buffer> {
  const { prompt } = readDirectives(input.prompt)
  const canvas = drawScene({ ...input, prompt, seed })
  if (sources.length > 0) await blendSources(canvas, sources, input.strength)
  label(canvas, prompt)
  const { width, height } = canvas
  return sharp(canvas.pixels, { raw: { width, height, channels: 3 } })
    .png({ compressionLevel: 6 })
    .toBuffer()
}

/** The first source is what the scene is drawn over, as strongly as asked; the others hang in it as small pictures. */
async function blendSources(
  { width, height, pixels }: { width: number; height: number; pixels: Buffer },
  [base, ...others]: readonly ImageFile[],
  strength: number,
): Promise<void> {
  if (!base) return
  const under = await rgb(base, width, height)
  for (let at = 0; at < pixels.length; at++) {
    pixels[at] = (under[at] ?? 0) * (1 - strength) + (pixels[at] ?? 0) * strength
  }
  const edge = Math.floor(Math.min(width, height) / 5)
  for (const [index, other] of others.entries()) {
    const inset = await rgb(other, edge, edge)
    const left = Math.min(width - edge, Math.floor(edge * 0.1 + index * edge * 1.1))
    for (let row = 0; row < edge; row++)
      inset.copy(pixels, (row * width + left) * 3, row * edge * 3, (row + 1) * edge * 3)
  }
}

function rgb(file: ImageFile, width: number, height: number): Promise<Buffer> {
  return sharp(file.data)
    .resize(width, height, { fit: 'cover' })
    .flatten()
    .toColourspace('srgb')
    .removeAlpha()
    .raw()
    .toBuffer()
}
