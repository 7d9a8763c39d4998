/** The manifest of a workflow pack: its names, the inputs of its graph that a request sets, and their limits. */
import { z } from 'zod'
import { type MaskMark, maskMarks, type Range, type Takes } from '../../core/ports/models.ts'
import { loraName } from '../../core/request/loras.ts'
import { aspects as commonAspects, likeInput, safeSeed, steps, strength } from '../routes/takes.ts'
import type { Graph } from './graph.ts'
import { pictureLimit, resultNodes } from './savers.ts'

/** One input of one node. */
export interface NodeInput {
  node: string
  input: string
}

const nodeInput = z
  .string()
  .regex(/^[^.\s]+\.\S+$/, 'write "<node>.<input>", as in "6.text"')
  .transform(
    (text): NodeInput => ({ node: text.slice(0, text.indexOf('.')), input: text.slice(text.indexOf('.') + 1) }),
  )

/** Several inputs get the same value: both text inputs of CLIPTextEncodeFlux get the prompt. */
const nodeInputs = z.union([nodeInput, z.array(nodeInput).min(1).max(8)], {
  error: 'write "<node>.<input>", or a list of these',
})

const nodeId = z.string().regex(/^[^.\s]+$/, 'write the id of a node, as in "9"')
const nodeIds = z.union([nodeId, z.array(nodeId).min(1).max(pictureLimit)], {
  error: 'write the id of a node, as in "9", or a list of these',
})

const word = z.string().regex(/^[a-z0-9][a-z0-9.-]{0,39}$/, 'use a–z, 0–9, "-" and ".", at most 40 characters')
const range = z
  .strictObject({ min: z.number(), max: z.number() })
  .refine(({ min, max }) => min <= max, 'min is greater than max')
const side = z.number().int().min(16, 'use at least 16 pixels').max(4096, 'use at most 4096 pixels')

export const manifestShape = z.strictObject({
  id: word,
  title: z.string().trim().min(1).max(80),
  aliases: z.array(word).max(8).default([]),
  /** Credits for one picture. */
  price: z.number().int('use a whole number of credits').min(0).max(10_000).default(1),
  hidden: z.boolean().optional(),
  nodes: z.strictObject({
    prompt: nodeInputs.optional(),
    negative: nodeInputs.optional(),
    width: nodeInputs.optional(),
    height: nodeInputs.optional(),
    seed: nodeInputs.optional(),
    steps: nodeInputs.optional(),
    guidance: nodeInputs.optional(),
    strength: nodeInputs.optional(),
    count: nodeInputs.optional(),
    /** Nodes whose pictures are the result. Absent: those of all nodes that save pictures. */
    output: nodeIds.optional(),
    /** One entry per input picture, in order. */
    images: z.array(nodeInputs).min(1).max(14).optional(),
    /** The file name of the mask: the input "image" of a LoadImageMask or LoadImage node. */
    mask: nodeInputs.optional(),
    /** By how many pixels each side of the first picture grows, as in ImagePadForOutpaint. */
    left: nodeInputs.optional(),
    right: nodeInputs.optional(),
    top: nodeInputs.optional(),
    bottom: nodeInputs.optional(),
    /** One entry per LoRA that a request may name: the inputs of its file, and of its strength. */
    loras: z
      .array(z.strictObject({ file: nodeInputs, scale: nodeInputs }))
      .min(1)
      .max(8)
      .optional(),
  }),
  /** LoRAs that requests may name, with their files on the server. */
  loras: z
    .record(
      z.string().regex(loraName, 'use a–z, 0–9, "-", "_" and ".", at most 40 characters'),
      z.string().min(1).max(250),
    )
    .default({}),
  aspects: z
    .record(
      z.string().regex(/^(\d{1,3}:\d{1,3}|auto)$/, 'write a ratio as "16:9"'),
      z.tuple([side, side], { error: 'write [width, height] in pixels, 16–4096' }),
    )
    .refine((each) => Object.keys(each).length > 0, 'name at least one ratio, or leave "aspects" out')
    .optional(),
  sizes: z
    .strictObject({ min: side, max: side })
    .refine(({ min, max }) => min <= max, 'min is greater than max')
    .optional(),
  params: z.strictObject({ seed: range, steps: range, guidance: range, strength: range }).partial().default({}),
  /** How the graph reads the area to redraw. Absent: as its node that loads the mask does. */
  marks: z.enum(maskMarks, { error: 'write "white", "black" or "transparent"' }).optional(),
  /** Most pictures per request. */
  count: z.number().int().min(1).max(16).optional(),
  promptLimit: z.number().int().min(1).max(100_000).optional(),
})

export type Manifest = z.infer<typeof manifestShape>

export function nodeInputsOf(named: NodeInput | readonly NodeInput[] | undefined): readonly NodeInput[] {
  if (named === undefined) return []
  return 'node' in named ? [named] : named
}

/** Where the manifest sets no limits. */
const defaultRanges: Readonly<Record<keyof Manifest['params'], Range>> = {
  seed: safeSeed,
  steps: steps(50),
  guidance: { min: 0, max: 20 },
  strength,
}

const defaultCount = 4
const loraRange = { min: 0, max: 4 }

export function takesOf(manifest: Manifest, graph: Graph): Takes {
  const { nodes, aspects, sizes, params, count, promptLimit, marks, loras } = manifest
  const pictures = nodes.images?.length ?? 0
  const sized = nodes.width !== undefined && nodes.height !== undefined
  const names = (['seed', 'steps', 'guidance', 'strength'] as const).filter((name) => nodes[name] !== undefined)
  const own = ownAspect(nodes, graph)
  const picturesEach = resultNodes(graph, nodes).length
  return {
    images: { min: pictures, max: pictures },
    prompt: nodes.prompt === undefined ? 'none' : undefined,
    promptLimit,
    count: nodes.count === undefined ? 1 : (count ?? Math.min(defaultCount, Math.floor(pictureLimit / picturesEach))),
    picturesEach: picturesEach > 1 ? picturesEach : undefined,
    aspects: sized ? (aspects ?? { ...own, ...commonAspects, ...own }) : likeInput,
    sizes: sized ? sizes : undefined,
    params: Object.fromEntries(
      names.map((name) => [
        name,
        { ...defaultRanges[name], ...(name === 'seed' && ownSeeds(nodes, graph)), ...params[name] },
      ]),
    ),
    negative: nodes.negative !== undefined || undefined,
    loras: nodes.loras && { max: nodes.loras.length, range: loraRange, names: Object.keys(loras), hosts: [] },
    ...areasTaken({ nodes, marks }, graph),
  }
}

const growth = 2048

function areasTaken({ nodes, marks }: Pick<Manifest, 'nodes' | 'marks'>, graph: Graph): Partial<Takes> {
  const [mask] = nodeInputsOf(nodes.mask)
  const grows = nodes.left !== undefined
  return {
    mask: mask && { marks: marks ?? marksOf(graph[mask.node]), required: true },
    expand: grows ? { max: growth, required: true } : undefined,
    kept: (mask || grows) && nodes.width === undefined ? { side: growth } : undefined,
  }
}

/** ComfyUI reads a transparent area as marked, and otherwise the value of a colour. */
function marksOf(loader: Graph[string] | undefined): MaskMark {
  const isColour = loader?.class_type === 'LoadImageMask' && loader.inputs.channel !== 'alpha'
  return isColour || (loader && loader.class_type !== 'LoadImage' && loader.class_type !== 'LoadImageMask')
    ? 'white'
    : 'transparent'
}

/** Seed nodes that take fewer seeds than samplers do, and their greatest seed. */
const greatestSeeds: Readonly<Record<string, number>> = { 'Seed (rgthree)': 2 ** 50, 'easy seed': 2 ** 50 }

function ownSeeds({ seed }: Manifest['nodes'], graph: Graph): Partial<Range> {
  const limits = nodeInputsOf(seed).flatMap(({ node }) => greatestSeeds[graph[node]?.class_type ?? ''] ?? [])
  return limits.length === 0 ? {} : { max: Math.min(...limits) }
}

/** The size that the graph was exported with. It comes first, which makes it the default. */
function ownAspect({ width, height }: Manifest['nodes'], graph: Graph): Takes['aspects'] {
  const [w, h] = [width, height].map((named) => {
    const [first] = nodeInputsOf(named)
    return first && graph[first.node]?.inputs[first.input]
  })
  if (typeof w !== 'number' || typeof h !== 'number' || w < 1 || h < 1) return {}
  const common = Object.entries(commonAspects).find(([, [width, height]]) => width === w && height === h)
  const divisor = greatestDivisor(w, h)
  return { [common?.[0] ?? `${w / divisor}:${h / divisor}`]: [w, h] }
}

function greatestDivisor(a: number, b: number): number {
  return b < 1 ? a : greatestDivisor(b, a % b)
}
