/** Enlarges one picture: on fal, on a ComfyUI server, or in this process. */
import type { Model, Route, Takes } from '../core/ports/models.ts'
import { comfyRoute, node } from './comfyui.ts'
import { free, perMegapixel } from './routes/costs.ts'
import { falRoute } from './routes/fal.ts'
import { likeInput, oneImage } from './routes/takes.ts'

const takes = { images: oneImage, prompt: 'none', count: 1, aspects: likeInput, params: {} } as const satisfies Takes

/** Enlarges four times only, and takes seconds. Overlapping tiles take twice as long but leave no seams. */
const auraSr = falRoute('fal-ai/aura-sr', { ...takes, scales: [4] }, (_, [image]) => ({
  image_url: image,
  checkpoint: 'v2',
  overlapping_tiles: true,
}))

/** Adds detail, and costs the operator by the pixels of the result: a scale of 4 would cost four times as much as 2. */
const clarity = falRoute(
  'fal-ai/clarity-upscaler',
  { ...takes, scales: [2] },
  ({ scale }, [image]) => ({ image_url: image, upscale_factor: scale, enable_safety_checker: true }),
  perMegapixel(0.03),
)

/** Model files by the scale that they are made for, best first. If none is installed, any other file is used. */
const files: Readonly<Record<number, readonly string[]>> = {
  2: ['RealESRGAN_x2plus.pth', 'RealESRGAN_x2.pth', '2x-AnimeSharpV4_RCAN.safetensors'],
  4: ['4x-UltraSharp.pth', 'RealESRGAN_x4plus.pth', 'RealESRGAN_x4plus.safetensors', '4x_foolhardy_Remacri.pth'],
}

/** The factor of a model file is not known, so its result is scaled to the size that was asked for. */
const comfy = comfyRoute('upscale', { ...takes, scales: [2, 4] }, ({ width, height, scale = 2 }, [image]) => ({
  '1': node('LoadImage', { image: image ?? '' }),
  '2': node('UpscaleModelLoader', {
    model_name: { $file: [...(files[scale] ?? [])], orAny: `${scale}x|x${scale}(?!\\d)` },
  }),
  '3': node('ImageUpscaleWithModel', { upscale_model: ['2', 0], image: ['1', 0] }),
  '4': node('ImageScale', { image: ['3', 0], upscale_method: 'lanczos', width, height, crop: 'disabled' }),
  '9': node('SaveImage', { images: ['4', 0], filename_prefix: 'fluxbot' }),
}))

/** Adds no detail, but needs no service. */
const builtIn: Route = {
  provider: 'lanczos',
  endpoint: 'lanczos',
  takes: { ...takes, scales: [2, 4] },
  input: ({ scale = 2 }) => ({ scale }),
  cost: free,
}

export const upscale: Model = {
  id: 'upscale',
  aliases: [],
  title: 'Upscale',
  tool: true,
  price: 4,
  routes: [auraSr, clarity, comfy, builtIn],
}
