/** FLUX.1 on a ComfyUI server: what the models take, and the graphs that draw it. */
import type { ImageRef, Margins, Model, PictureRequest, Range, Route, Takes } from '../core/ports/models.ts'
import type { Json } from '../db/json.ts'
import { seedNumber } from './routes/input.ts'
import {
  aspects,
  likeInput,
  oneImage,
  safeSeed as seed,
  steps as stepsUpTo,
  strength,
  textOnly,
} from './routes/takes.ts'

const steps = stepsUpTo(50)
const guidance: Range = { min: 0, max: 20 }
const count = 4
const sized = { count, aspects, sizes: { min: 64, max: 2048 } }

const dev: Model = {
  id: 'comfy-dev',
  // the name that clients of ComfyUI wrappers know
  aliases: ['flux.1-dev'],
  title: 'FLUX.1 dev (ComfyUI)',
  price: 1,
  routes: [
    comfyRoute('flux-dev', { images: textOnly, ...sized, params: { seed, steps, guidance } }, devGraph),
    comfyRoute('flux-dev-image', { images: oneImage, ...sized, params: { seed, steps, guidance, strength } }, devGraph),
  ],
}

const schnell: Model = {
  id: 'comfy-schnell',
  aliases: [],
  title: 'FLUX.1 schnell (ComfyUI)',
  price: 1,
  routes: [
    comfyRoute('flux-schnell', { images: textOnly, ...sized, params: { seed, steps } }, schnellGraph),
    comfyRoute('flux-schnell-image', { images: oneImage, ...sized, params: { seed, steps, strength } }, schnellGraph),
  ],
}

const kontext: Model = {
  id: 'comfy-kontext',
  aliases: [],
  title: 'FLUX.1 Kontext (ComfyUI)',
  price: 1,
  routes: [
    comfyRoute(
      'flux-kontext',
      { images: { min: 1, max: 2 }, count, aspects: likeInput, params: { seed, steps, guidance } },
      kontextGraph,
    ),
  ],
}

const fillTakes = {
  images: oneImage,
  count,
  aspects: likeInput,
  params: { seed, steps, guidance: { min: 0, max: 100 } },
}
/** FLUX draws pictures of up to two megapixels well. */
const kept = { side: 1536 }

/** Draws the area that a mask marks, or what lies beyond the sides of a picture. */
const fill: Model = {
  id: 'comfy-fill',
  aliases: ['flux.1-fill-dev'],
  title: 'FLUX.1 Fill dev (ComfyUI)',
  price: 1,
  routes: [
    comfyRoute('flux-fill', { ...fillTakes, kept, mask: { marks: 'white', required: true } }, fillGraph),
    comfyRoute('flux-fill-expand', { ...fillTakes, kept, expand: { max: 1024, required: true } }, fillGraph),
  ],
}

export const comfyuiModels: readonly Model[] = [dev, schnell, kontext, fill]

export function comfyRoute(endpoint: string, takes: Takes, input: Route['input']): Route {
  return { provider: 'comfyui', endpoint, takes, input }
}

type Graph = { [node: string]: { class_type: string; inputs: { [name: string]: Json } } }

/** One output of another node. */
type Link = [node: string, slot: number]

const model: Link = ['1', 0]
const clip: Link = ['2', 0]
const vae: Link = ['3', 0]

/** File names that servers use for the same weights, the first choice first. */
const files = {
  dev: ['flux1-dev.safetensors', 'flux1-dev-fp8.safetensors', 'flux1-dev-fp8-e4m3fn.safetensors'],
  schnell: ['flux1-schnell.safetensors', 'flux1-schnell-fp8.safetensors', 'flux1-schnell-fp8-e4m3fn.safetensors'],
  fill: ['flux1-fill-dev.safetensors', 'flux1-fill-dev_fp8.safetensors', 'flux1-fill-dev-fp8.safetensors'],
  kontext: ['flux1-dev-kontext_fp8_scaled.safetensors', 'flux1-kontext-dev.safetensors'],
  t5: ['t5xxl_fp16.safetensors', 't5xxl_fp8_e4m3fn_scaled.safetensors', 't5xxl_fp8_e4m3fn.safetensors'],
}

const devTokens = 512
const schnellTokens = 256
/** CLIP-L only sets the overall direction; T5 reads the whole prompt. */
const clipTokens = 77

function devGraph(request: PictureRequest, images: readonly ImageRef[]): Json {
  const { prompt, guidance = 3.5, steps = 20 } = request
  const texts = { clip_l: { $text: prompt, tokens: clipTokens, quiet: true }, t5xxl: text(prompt, devTokens) }
  return {
    ...loaders(files.dev),
    '4': node('CLIPTextEncodeFlux', { clip, ...texts, guidance }),
    ...startingLatent(request, images),
    ...sampling(request, { steps, positive: ['4', 0], denoise: denoiseOf(request, images) }),
  }
}

function schnellGraph(request: PictureRequest, images: readonly ImageRef[]): Json {
  const { prompt, steps = 4 } = request
  return {
    ...loaders(files.schnell),
    '4': node('CLIPTextEncode', { clip, text: text(prompt, schnellTokens) }),
    ...startingLatent(request, images),
    ...sampling(request, { steps, positive: ['4', 0], denoise: denoiseOf(request, images) }),
  }
}

/** Edits one picture, or two placed side by side. The model chooses one of its own sizes by the shape of the input. */
function kontextGraph(request: PictureRequest, [first, second]: readonly ImageRef[]): Json {
  const { prompt, count, guidance = 2.5, steps = 20 } = request
  const stitched = { image1: ['10', 0], image2: ['11', 0], direction: 'right', match_image_size: true }
  const both = second && {
    '11': node('LoadImage', { image: second }),
    '12': node('ImageStitch', { ...stitched, spacing_width: 0, spacing_color: 'white' }),
  }
  return {
    ...loaders(files.kontext),
    '4': node('CLIPTextEncode', { clip, text: text(prompt, devTokens) }),
    '10': node('LoadImage', { image: first ?? '' }),
    ...both,
    '13': node('FluxKontextImageScale', { image: [both ? '12' : '10', 0] }),
    '14': node('VAEEncode', { pixels: ['13', 0], vae }),
    '15': node('ReferenceLatent', { conditioning: ['4', 0], latent: ['14', 0] }),
    '16': node('FluxGuidance', { conditioning: ['15', 0], guidance }),
    '6': node('RepeatLatentBatch', { samples: ['14', 0], amount: count }),
    ...sampling(request, { steps, positive: ['16', 0], denoise: 1 }),
  }
}

/** The mask comes with the request, or from the node that adds the new sides. */
function fillGraph(request: PictureRequest, [image]: readonly ImageRef[], mask?: ImageRef): Json {
  const { prompt, count, guidance = 30, steps = 20, expand } = request
  const marked: Graph = mask
    ? { '11': node('LoadImageMask', { image: mask, channel: 'red' }) }
    : { '11': node('ImagePadForOutpaint', { image: ['10', 0], ...sidesOf(expand), feathering: 24 }) }
  const [pixels, marks]: [Link, Link] = mask
    ? [
        ['10', 0],
        ['11', 0],
      ]
    : [
        ['11', 0],
        ['11', 1],
      ]
  return {
    ...loaders(files.fill),
    '4': node('CLIPTextEncode', { clip, text: text(prompt, devTokens) }),
    '10': node('LoadImage', { image: image ?? '' }),
    ...marked,
    '12': node('FluxGuidance', { conditioning: ['4', 0], guidance }),
    '13': node('InpaintModelConditioning', {
      positive: ['12', 0],
      negative: ['5', 0],
      vae,
      pixels,
      mask: marks,
      noise_mask: true,
    }),
    '14': node('DifferentialDiffusion', { model }),
    '6': node('RepeatLatentBatch', { samples: ['13', 2], amount: count }),
    ...sampling(request, { steps, model: ['14', 0], positive: ['13', 0], negative: ['13', 1], denoise: 1 }),
  }
}

function sidesOf({ left, top, right, bottom }: Margins = { left: 0, top: 0, right: 0, bottom: 0 }) {
  return { left, top, right, bottom }
}

function loaders(unet: string[]): Graph {
  return {
    '1': node('UNETLoader', { unet_name: { $file: unet }, weight_dtype: 'default' }),
    '2': node('DualCLIPLoader', {
      clip_name1: { $file: ['clip_l.safetensors'] },
      clip_name2: { $file: files.t5 },
      type: 'flux',
    }),
    '3': node('VAELoader', { vae_name: { $file: ['ae.safetensors', 'flux_vae.safetensors'] } }),
  }
}

/** Node 6, the latent to start from: empty and of the requested size, or the input picture. */
function startingLatent({ width, height, count }: PictureRequest, [image]: readonly ImageRef[]): Graph {
  const size = { width: multipleOf16(width), height: multipleOf16(height) }
  if (!image) return { '6': node('EmptySD3LatentImage', { ...size, batch_size: count }) }
  return {
    '10': node('LoadImage', { image }),
    '13': node('ImageScale', { image: ['10', 0], upscale_method: 'lanczos', ...size, crop: 'center' }),
    '14': node('VAEEncode', { pixels: ['13', 0], vae }),
    '6': node('RepeatLatentBatch', { samples: ['14', 0], amount: count }),
  }
}

interface Sampling {
  steps: number
  /** Absent: as it was loaded. */
  model?: Link
  positive: Link
  /** Absent: zero. */
  negative?: Link
  denoise: number
}

/** Guidance is part of the conditioning, so CFG stays 1 and the negative conditioning is zero. */
function sampling(
  { seed }: PictureRequest,
  { steps, model: sampled = model, positive, negative = ['5', 0], denoise }: Sampling,
): Graph {
  return {
    '5': node('ConditioningZeroOut', { conditioning: ['4', 0] }),
    '7': node('KSampler', {
      model: sampled,
      seed: seedNumber(seed) ?? { $seed: true },
      steps,
      cfg: 1,
      sampler_name: 'euler',
      scheduler: 'simple',
      positive,
      negative,
      latent_image: ['6', 0],
      denoise,
    }),
    '8': node('VAEDecode', { samples: ['7', 0], vae }),
    '9': node('SaveImage', { images: ['8', 0], filename_prefix: 'fluxbot' }),
  }
}

function denoiseOf({ strength = 0.75 }: PictureRequest, images: readonly ImageRef[]): number {
  return images.length > 0 ? strength : 1
}

/** FLUX draws in patches of 16 × 16 pixels. */
function multipleOf16(side: number): number {
  return Math.max(16, Math.round(side / 16) * 16)
}

function text(prompt: string, tokens: number): Json {
  return { $text: prompt, tokens }
}

export function node(classType: string, inputs: { [name: string]: Json }): Graph[string] {
  return { class_type: classType, inputs }
}
