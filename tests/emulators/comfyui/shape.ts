/** Computes the size and number of the pictures that a node outputs. */
import sharp from 'sharp'
import type { Files } from './files.ts'
import { type Graph, isLink } from './validate.ts'

interface Shape {
  width: number
  height: number
  batch: number
}

const kontextSizes = [
  ...[
    [672, 1568],
    [688, 1504],
    [720, 1456],
    [752, 1392],
    [800, 1328],
    [832, 1248],
    [880, 1184],
    [944, 1104],
  ],
  ...[
    [1024, 1024],
    [1104, 944],
    [1184, 880],
    [1248, 832],
    [1328, 800],
    [1392, 752],
    [1456, 720],
    [1504, 688],
  ],
  [1568, 672],
] as const

/** Inputs that receive pictures or latents. */
const pictureInputs = ['images', 'samples', 'pixels', 'latent_image', 'image', 'image1']

export async function shapeOf(graph: Graph, id: string, files: Files): Promise<Shape> {
  const node = graph[id]
  if (!node) throw new Error(`no node ${id}`)
  const { inputs, class_type: name } = node
  const number = (input: string) => Number(inputs[input])
  if (name === 'EmptySD3LatentImage' || name === 'EmptyLatentImage') {
    return { width: number('width'), height: number('height'), batch: number('batch_size') }
  }
  if (name === 'LoadImage') {
    const { width, height } = await sharp(files.read('input', String(inputs.image))).metadata()
    return { width, height, batch: 1 }
  }
  const source = pictureInputs.map((input) => inputs[input]).find(isLink)
  if (!source) throw new Error(`node ${id} has no picture`)
  const from = await shapeOf(graph, source[0], files)
  if (name === 'ImageScale') return scaled(from, number('width'), number('height'))
  if (name === 'ImageScaleBy') {
    return scaled(from, Math.round(from.width * number('scale_by')), Math.round(from.height * number('scale_by')))
  }
  if (name === 'ImageUpscaleWithModel') return enlarged(from, graph, inputs.upscale_model)
  if (name === 'FluxKontextImageScale') return { ...from, ...kontextSize(from) }
  if (name === 'RepeatLatentBatch') return { ...from, batch: from.batch * number('amount') }
  if (name === 'ImageStitch' && isLink(inputs.image2)) {
    const second = await shapeOf(graph, inputs.image2[0], files)
    const width = from.width + Math.round((second.width * from.height) / second.height)
    return { ...from, width: width + number('spacing_width') }
  }
  return from
}

/** By the factor in the name of the model's file. */
function enlarged(from: Shape, graph: Graph, model: unknown): Shape {
  const loader = isLink(model) ? graph[model[0]] : undefined
  const [, before, after] = /(\d)x|x(\d)/i.exec(String(loader?.inputs.model_name)) ?? []
  const factor = Number(before ?? after ?? 4)
  return { ...from, width: from.width * factor, height: from.height * factor }
}

/** A width or height of 0 keeps the aspect ratio. */
function scaled(from: Shape, width: number, height: number): Shape {
  if (width === 0 && height === 0) return from
  return {
    ...from,
    width: width || Math.round((from.width * height) / from.height),
    height: height || Math.round((from.height * width) / from.width),
  }
}

function kontextSize({ width, height }: Shape) {
  const distance = ([w, h]: readonly [number, number]) => Math.abs(width / height - w / h)
  const [best] = [...kontextSizes].sort((a, b) => distance(a as [number, number]) - distance(b as [number, number]))
  return { width: best![0] as number, height: best![1] as number }
}
