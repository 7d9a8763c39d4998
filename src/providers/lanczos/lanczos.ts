/** The built-in provider that enlarges pictures in this process, without key or network. */
import sharp, { type Sharp } from 'sharp'
import { z } from 'zod'
import { AppError } from '../../core/errors.ts'
import { createTurns } from '../../core/media/turns.ts'
import type { ImageFile } from '../../core/ports/images.ts'
import type { ImageProvider, ProviderKind } from '../../core/ports/providers.ts'
import { enlarge, type Pixels } from './enlarge.ts'

const Input = z.strictObject({ scale: z.int().min(2).max(4) })

/** A result of 36 megapixels takes 150 MB until it is encoded, so there is one at a time. */
const atATime = 1
const quality = 92

export const lanczos: ProviderKind = {
  name: 'lanczos',
  title: 'Lanczos (built in)',
  defaultUrl: 'lanczos:',
  needsKey: false,
  create: createLanczos,
}

function createLanczos(): ImageProvider {
  // the number of waiting calls is not limited: the lane of the provider has a limit of its own
  const inTurn = createTurns({ atATime, waiting: Number.POSITIVE_INFINITY })
  return {
    name: 'lanczos',
    repeatable: true,
    async start(task, signal) {
      const { scale } = Input.parse(task.input)
      const [picture] = task.images
      if (!picture) throw new AppError('input_lost', {}, { neverRan: true })
      const data = await inTurn(async () => {
        signal.throwIfAborted()
        return encode(await enlarge(await decode(picture), { scale, signal }))
      })
      return { state: 'done', images: [data] }
    },
  }
}

/** Decodes to 8 bits per channel in sRGB, upright, with an alpha channel only if a pixel is transparent. */
async function decode({ data }: ImageFile): Promise<Pixels> {
  const picture = sharp(data).autoOrient().toColourspace('srgb')
  const { isOpaque } = await sharp(data).stats()
  const whole = isOpaque ? picture.removeAlpha() : picture.ensureAlpha()
  const { data: bytes, info } = await whole.raw({ depth: 'uchar' }).toBuffer({ resolveWithObject: true })
  return { data: bytes, width: info.width, height: info.height, channels: info.channels }
}

/** JPEG, a tenth of the size of PNG; WebP for transparent pictures, which JPEG cannot hold. */
async function encode({ data, width, height, channels }: Pixels): Promise<Buffer> {
  const picture: Sharp = sharp(data, { raw: { width, height, channels }, limitInputPixels: false })
  const encoded = channels === 4 ? picture.webp({ quality, effort: 2 }) : picture.jpeg({ quality })
  return encoded.toBuffer()
}
