/** Midjourney draws four pictures as one, in two rows. */
import sharp from 'sharp'

/** The largest grid of Midjourney has 4,096 pixels on its longer side. */
const mostPixels = 64_000_000

/** The four pictures in reading order. A file that cannot be a grid is returned as it is, to be checked like every result. */
export async function cutGrid(file: Buffer): Promise<Buffer[]> {
  try {
    const open = () => sharp(file, { limitInputPixels: mostPixels, failOn: 'error' })
    const { width, height, format, pages = 1 } = await open().metadata()
    if (!['png', 'jpeg', 'webp'].includes(format) || pages > 1) return [file]
    if (width < 2 || height < 2 || width * height > mostPixels) return [file]
    const [half, middle] = [Math.floor(width / 2), Math.floor(height / 2)]
    const corners = [0, height - middle].flatMap((top) => [0, width - half].map((left) => ({ left, top })))
    const cut = corners.map((corner) =>
      open()
        .extract({ ...corner, width: half, height: middle })
        .png()
        .toBuffer(),
    )
    return await Promise.all(cut)
  } catch {
    return [file]
  }
}
