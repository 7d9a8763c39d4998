/** The inputs and results of each model. Stricter than the real service: fields outside a model's schema are refused. */
import { type PictureType, picture } from '../pictures.ts'

export interface Field {
  type: 'string' | 'integer' | 'number' | 'file'
  min?: number
  max?: number
}

export interface EmulatedModel {
  /** Accepts only multipart/form-data. */
  form?: boolean
  fields: Readonly<Record<string, Field>>
  /** Default size in pixels. */
  width: number
  height: number
  /** Sides are rounded down to multiples of it. Absent: 1. */
  multiple?: number
  type: PictureType
  /** Returns bytes instead of JSON. */
  raw?: boolean
}

const prompt: Field = { type: 'string', min: 1 }
const seed: Field = { type: 'integer', min: 0, max: 4_294_967_295 }
const steps = (max: number): Field => ({ type: 'integer', min: 1, max })
const side = (min: number, max: number): Field => ({ type: 'integer', min, max })
const file: Field = { type: 'file', max: 512 }
const files = { input_image_0: file, input_image_1: file, input_image_2: file, input_image_3: file }

const klein: EmulatedModel = {
  form: true,
  // steps and seed are accepted but have no effect
  fields: { prompt, width: side(256, 1920), height: side(256, 1920), steps: steps(50), seed, ...files },
  width: 1024,
  height: 1024,
  multiple: 16,
  type: 'jpeg',
}

export const models: Readonly<Record<string, EmulatedModel>> = {
  '@cf/black-forest-labs/flux-1-schnell': {
    fields: { prompt: { ...prompt, max: 2048 }, steps: steps(8) },
    width: 1024,
    height: 1024,
    type: 'jpeg',
  },
  '@cf/black-forest-labs/flux-2-dev': {
    form: true,
    fields: {
      prompt,
      steps: steps(50),
      guidance: { type: 'number', min: 0, max: 20 },
      width: side(256, 1920),
      height: side(256, 1920),
      seed,
      ...files,
    },
    width: 1024,
    height: 768,
    type: 'png',
  },
  '@cf/black-forest-labs/flux-2-klein-4b': klein,
  '@cf/black-forest-labs/flux-2-klein-9b': klein,
  '@cf/leonardo/lucid-origin': {
    fields: {
      prompt,
      guidance: { type: 'number', min: 0, max: 10 },
      seed,
      width: side(0, 2500),
      height: side(0, 2500),
      num_steps: steps(40),
      steps: steps(40),
    },
    width: 1120,
    height: 1120,
    type: 'jpeg',
  },
  '@cf/leonardo/phoenix-1.0': {
    fields: {
      prompt,
      guidance: { type: 'number', min: 2, max: 10 },
      seed,
      width: side(0, 2048),
      height: side(0, 2048),
      num_steps: steps(50),
      negative_prompt: prompt,
    },
    width: 1024,
    height: 1024,
    type: 'jpeg',
    raw: true,
  },
}

export type Input = Readonly<Record<string, unknown>>

/** A real picture of the requested size. */
export function draw(model: EmulatedModel, input: Input, random: () => number): Promise<Buffer> {
  const { multiple = 1 } = model
  const pixels = (value: unknown, fallback: number) =>
    Math.floor((Number(value) || fallback) / multiple) * multiple || multiple
  const seed = input.seed === undefined || model.multiple ? Math.floor(random() * 360) : Number(input.seed)
  return picture(pixels(input.width, model.width), pixels(input.height, model.height), model.type, seed)
}
