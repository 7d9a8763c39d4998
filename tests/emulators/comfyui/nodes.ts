/** The nodes of the emulated server: inputs, limits and outputs. */

export type NodeInput =
  /** Linked to an output of this type. */
  | { link: string }
  | { int: readonly [preset: number, min: number, max: number] }
  | { float: readonly [preset: number, min: number, max: number] }
  | { text: true }
  | { bool: boolean }
  | { oneOf: readonly string[] }
  /** A file in this model folder; 'input': an uploaded picture. */
  | { file: string }

export interface NodeKind {
  required: Readonly<Record<string, NodeInput>>
  optional?: Readonly<Record<string, NodeInput>>
  outputs: readonly string[]
  /** Saves or shows something. A graph runs for its output nodes. */
  isOutput?: boolean
}

const link = (type: string): NodeInput => ({ link: type })
const int = (preset: number, min: number, max: number): NodeInput => ({ int: [preset, min, max] })
const float = (preset: number, min: number, max: number): NodeInput => ({ float: [preset, min, max] })
const file = (folder: string): NodeInput => ({ file: folder })
const oneOf = (...values: string[]): NodeInput => ({ oneOf: values })
const text: NodeInput = { text: true }
const side = (preset: number) => int(preset, 16, 16_384)
const seed = int(0, 0, 2 ** 64)

const samplers = oneOf(
  ...[
    'euler',
    'euler_cfg_pp',
    'euler_ancestral',
    'heun',
    'dpm_2',
    'lms',
    'dpmpp_2s_ancestral',
    'dpmpp_sde',
    'dpmpp_2m',
  ],
  ...['dpmpp_2m_sde', 'dpmpp_3m_sde', 'ddpm', 'lcm', 'ipndm', 'deis', 'res_multistep', 'ddim', 'uni_pc', 'uni_pc_bh2'],
)
const schedulers = oneOf(
  ...['simple', 'sgm_uniform', 'karras', 'exponential', 'ddim_uniform', 'beta', 'normal', 'linear_quadratic'],
  'kl_optimal',
)
const clipTypes = ['sdxl', 'sd3', 'flux', 'hunyuan_video', 'hidream', 'hunyuan_image']
const device = { device: oneOf('default', 'cpu') }
const scaling = oneOf('nearest-exact', 'bilinear', 'area', 'bicubic', 'lanczos')

export const nodeKinds: Readonly<Record<string, NodeKind>> = {
  CheckpointLoaderSimple: { required: { ckpt_name: file('checkpoints') }, outputs: ['MODEL', 'CLIP', 'VAE'] },
  UNETLoader: {
    required: {
      unet_name: file('diffusion_models'),
      weight_dtype: oneOf('default', 'fp8_e4m3fn', 'fp8_e4m3fn_fast', 'fp8_e5m2'),
    },
    outputs: ['MODEL'],
  },
  DualCLIPLoader: {
    required: { clip_name1: file('text_encoders'), clip_name2: file('text_encoders'), type: oneOf(...clipTypes) },
    optional: device,
    outputs: ['CLIP'],
  },
  CLIPLoader: {
    required: { clip_name: file('text_encoders'), type: oneOf('stable_diffusion', 'flux2', ...clipTypes) },
    optional: device,
    outputs: ['CLIP'],
  },
  VAELoader: { required: { vae_name: file('vae') }, outputs: ['VAE'] },
  LoraLoaderModelOnly: {
    required: { model: link('MODEL'), lora_name: file('loras'), strength_model: float(1, -100, 100) },
    outputs: ['MODEL'],
  },
  CLIPTextEncode: { required: { text, clip: link('CLIP') }, outputs: ['CONDITIONING'] },
  CLIPTextEncodeFlux: {
    required: { clip: link('CLIP'), clip_l: text, t5xxl: text, guidance: float(3.5, 0, 100) },
    outputs: ['CONDITIONING'],
  },
  FluxGuidance: {
    required: { conditioning: link('CONDITIONING'), guidance: float(3.5, 0, 100) },
    outputs: ['CONDITIONING'],
  },
  ConditioningZeroOut: { required: { conditioning: link('CONDITIONING') }, outputs: ['CONDITIONING'] },
  EmptySD3LatentImage: {
    required: { width: side(1024), height: side(1024), batch_size: int(1, 1, 4096) },
    outputs: ['LATENT'],
  },
  EmptyLatentImage: {
    required: { width: side(512), height: side(512), batch_size: int(1, 1, 4096) },
    outputs: ['LATENT'],
  },
  ModelSamplingFlux: {
    required: {
      model: link('MODEL'),
      max_shift: float(1.15, 0, 100),
      base_shift: float(0.5, 0, 100),
      width: side(1024),
      height: side(1024),
    },
    outputs: ['MODEL'],
  },
  KSampler: {
    required: {
      model: link('MODEL'),
      seed,
      steps: int(20, 1, 10_000),
      cfg: float(8, 0, 100),
      sampler_name: samplers,
      scheduler: schedulers,
      positive: link('CONDITIONING'),
      negative: link('CONDITIONING'),
      latent_image: link('LATENT'),
      denoise: float(1, 0, 1),
    },
    outputs: ['LATENT'],
  },
  RandomNoise: { required: { noise_seed: seed }, outputs: ['NOISE'] },
  BasicGuider: { required: { model: link('MODEL'), conditioning: link('CONDITIONING') }, outputs: ['GUIDER'] },
  CFGGuider: {
    required: {
      model: link('MODEL'),
      positive: link('CONDITIONING'),
      negative: link('CONDITIONING'),
      cfg: float(8, 0, 100),
    },
    outputs: ['GUIDER'],
  },
  KSamplerSelect: { required: { sampler_name: samplers }, outputs: ['SAMPLER'] },
  BasicScheduler: {
    required: { model: link('MODEL'), scheduler: schedulers, steps: int(20, 1, 10_000), denoise: float(1, 0, 1) },
    outputs: ['SIGMAS'],
  },
  SamplerCustomAdvanced: {
    required: {
      noise: link('NOISE'),
      guider: link('GUIDER'),
      sampler: link('SAMPLER'),
      sigmas: link('SIGMAS'),
      latent_image: link('LATENT'),
    },
    outputs: ['LATENT', 'LATENT'],
  },
  VAEDecode: { required: { samples: link('LATENT'), vae: link('VAE') }, outputs: ['IMAGE'] },
  VAEEncode: { required: { pixels: link('IMAGE'), vae: link('VAE') }, outputs: ['LATENT'] },
  LoadImage: { required: { image: file('input') }, outputs: ['IMAGE', 'MASK'] },
  LoadImageMask: {
    required: { image: file('input'), channel: oneOf('alpha', 'red', 'green', 'blue') },
    outputs: ['MASK'],
  },
  ImagePadForOutpaint: {
    required: {
      image: link('IMAGE'),
      left: int(0, 0, 16_384),
      top: int(0, 0, 16_384),
      right: int(0, 0, 16_384),
      bottom: int(0, 0, 16_384),
      feathering: int(40, 0, 16_384),
    },
    outputs: ['IMAGE', 'MASK'],
  },
  InpaintModelConditioning: {
    required: {
      positive: link('CONDITIONING'),
      negative: link('CONDITIONING'),
      vae: link('VAE'),
      pixels: link('IMAGE'),
      mask: link('MASK'),
      noise_mask: { bool: true },
    },
    outputs: ['CONDITIONING', 'CONDITIONING', 'LATENT'],
  },
  DifferentialDiffusion: { required: { model: link('MODEL') }, outputs: ['MODEL'] },
  ImageScale: {
    required: {
      image: link('IMAGE'),
      upscale_method: scaling,
      width: int(512, 0, 16_384),
      height: int(512, 0, 16_384),
      crop: oneOf('disabled', 'center'),
    },
    outputs: ['IMAGE'],
  },
  ImageScaleBy: {
    required: { image: link('IMAGE'), upscale_method: scaling, scale_by: float(1, 0.01, 8) },
    outputs: ['IMAGE'],
  },
  /** Of a widely used extension. It takes fewer seeds than a sampler, and negative ones as commands. */
  'Seed (rgthree)': { required: { seed: int(0, -(2 ** 50), 2 ** 50) }, outputs: ['INT'] },
  FluxKontextImageScale: { required: { image: link('IMAGE') }, outputs: ['IMAGE'] },
  ImageStitch: {
    required: {
      image1: link('IMAGE'),
      direction: oneOf('right', 'down', 'left', 'up'),
      match_image_size: { bool: true },
      spacing_width: int(0, 0, 1024),
      spacing_color: oneOf('white', 'black', 'red', 'green', 'blue'),
    },
    optional: { image2: link('IMAGE') },
    outputs: ['IMAGE'],
  },
  ReferenceLatent: {
    required: { conditioning: link('CONDITIONING') },
    optional: { latent: link('LATENT') },
    outputs: ['CONDITIONING'],
  },
  FluxKontextMultiReferenceLatentMethod: {
    required: {
      conditioning: link('CONDITIONING'),
      reference_latents_method: oneOf('offset', 'index', 'uxo/uno'),
    },
    outputs: ['CONDITIONING'],
  },
  CLIPVisionLoader: { required: { clip_name: file('clip_vision') }, outputs: ['CLIP_VISION'] },
  CLIPVisionEncode: {
    required: { clip_vision: link('CLIP_VISION'), image: link('IMAGE'), crop: oneOf('center', 'none') },
    outputs: ['CLIP_VISION_OUTPUT'],
  },
  StyleModelLoader: { required: { style_model_name: file('style_models') }, outputs: ['STYLE_MODEL'] },
  StyleModelApply: {
    required: {
      conditioning: link('CONDITIONING'),
      style_model: link('STYLE_MODEL'),
      clip_vision_output: link('CLIP_VISION_OUTPUT'),
      strength: float(1, 0, 10),
      strength_type: oneOf('multiply', 'attn_bias'),
    },
    outputs: ['CONDITIONING'],
  },
  UpscaleModelLoader: { required: { model_name: file('upscale_models') }, outputs: ['UPSCALE_MODEL'] },
  ImageUpscaleWithModel: {
    required: { upscale_model: link('UPSCALE_MODEL'), image: link('IMAGE') },
    outputs: ['IMAGE'],
  },
  RepeatLatentBatch: { required: { samples: link('LATENT'), amount: int(1, 1, 64) }, outputs: ['LATENT'] },
  SaveImage: { required: { images: link('IMAGE'), filename_prefix: text }, outputs: [], isOutput: true },
  SaveLatent: { required: { samples: link('LATENT'), filename_prefix: text }, outputs: [], isOutput: true },
  PreviewImage: { required: { images: link('IMAGE') }, outputs: [], isOutput: true },
}

/** The values that an input accepts. undefined: it has no list of values. */
export function valuesOf(input: NodeInput, files: Readonly<Record<string, readonly string[]>>) {
  if ('oneOf' in input) return input.oneOf
  return 'file' in input ? (files[input.file] ?? []) : undefined
}

/** The body of GET /object_info. `newer`: in the form of nodes that use the newer schema. */
export function objectInfo(name: string, files: Readonly<Record<string, readonly string[]>>, newer: boolean) {
  const kind = nodeKinds[name]
  if (!kind) return {}
  const { required, optional = {}, outputs, isOutput = false } = kind
  const specs = (inputs: NodeKind['required']) =>
    Object.fromEntries(Object.entries(inputs).map(([input, each]) => [input, spec(each, files, newer)]))
  return {
    [name]: {
      input: { required: specs(required), optional: specs(optional), hidden: {} },
      input_order: { required: Object.keys(required), optional: Object.keys(optional), hidden: [] },
      output: outputs,
      output_is_list: outputs.map(() => false),
      output_name: outputs,
      name,
      display_name: name,
      description: '',
      python_module: 'nodes',
      category: 'all',
      output_node: isOutput,
      ...(newer && { is_input_list: false, search_aliases: [] }),
    },
  }
}

function spec(input: NodeInput, files: Readonly<Record<string, readonly string[]>>, newer: boolean): unknown {
  const values = valuesOf(input, files)
  if (values) return newer ? ['COMBO', { multiselect: false, options: values }] : [values, {}]
  if ('link' in input) return [input.link]
  if ('text' in input) return ['STRING', { multiline: true, dynamicPrompts: true }]
  if ('bool' in input) return ['BOOLEAN', { default: input.bool }]
  const [type, [preset, min, max]] =
    'int' in input ? ['INT', input.int] : ['FLOAT', 'float' in input ? input.float : [0, 0, 0]]
  return [type, { default: preset, min, max }]
}
