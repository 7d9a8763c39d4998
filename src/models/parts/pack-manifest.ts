/** What a workflow pack says of itself: its names, which inputs of its graph a request sets, and within which limits. */
import { z } from 'zod'
import type { Range, Takes } from '../../core/ports/models.ts'
import type { Graph } from './pack-graph.ts'

/** One input of one node. */
export interface Place {
  node: string
  input: string
}

const place = z
  .string()
  .regex(/^[^.\s]+\.\S+$/, 'write "<node>.<input>", as in "6.text"')
  .transform((text): Place => ({ node: text.slice(0, text.indexOf('.')), input: text.slice(text.indexOf('.') + 1) }))

/** Several get the same value: both encoders of CLIPTextEncodeFlux the prompt. */
const places = z.union([place, z.array(place).min(1).max(8)], { error: 'write "<node>.<input>", or a list of such' })

const word = z.string().regex(/^[a-z0-9][a-z0-9.-]{0,39}$/, 'use a–z, 0–9, "-" and ".", at most 40 characters')
const range = z
  .strictObject({ min: z.number(), max: z.number() })
  .refine(({ min, max }) => min <= max, 'min is more than max')
const side = z.number().int().min(16, 'at least 16 pixels').max(4096, 'at most 4096 pixels')

export const manifestShape = z.strictObject({
  id: word,
  title: z.string().trim().min(1).max(80),
  aliases: z.array(word).max(8).default([]),
  /** Credits for one picture. */
  price: z.number().int('a whole number of credits').min(0).max(10_000).default(1),
  hidden: z.boolean().optional(),
  nodes: z.strictObject({
    prompt: places.optional(),
    negative: places.optional(),
    width: places.optional(),
    height: places.optional(),
    seed: places.optional(),
    steps: places.optional(),
    guidance: places.optional(),
    strength: places.optional(),
    count: places.optional(),
    /** One for each picture, in order. */
    images: z.array(places).min(1).max(14).optional(),
  }),
  aspects: z
    .record(
      z.string().regex(/^(\d{1,3}:\d{1,3}|auto)$/, 'a ratio is written "16:9"'),
      z.tuple([side, side], { error: 'write [width, height] in pixels, 16–4096' }),
    )
    .refine((each) => Object.keys(each).length > 0, 'name at least one, or leave "aspects" out')
    .optional(),
  sizes: z
    .strictObject({ min: side, max: side })
    .refine(({ min, max }) => min <= max, 'min is more than max')
    .optional(),
  params: z.strictObject({ seed: range, steps: range, guidance: range, strength: range }).partial().default({}),
  /** Most pictures in one request. */
  count: z.number().int().min(1).max(16).optional(),
  promptLimit: z.number().int().min(1).max(100_000).optional(),
})

export type Manifest = z.infer<typeof manifestShape>

export function placesOf(named: Place | readonly Place[] | undefined): readonly Place[] {
  if (named === undefined) return []
  return 'node' in named ? [named] : named
}

const usualAspects: Takes['aspects'] = {
  '1:1': [1024, 1024],
  '1:2': [512, 1024],
  '3:2': [768, 512],
  '3:4': [768, 1024],
  '16:9': [1024, 576],
  '9:16': [576, 1024],
  '4:3': [1024, 768],
  '2:3': [512, 768],
  '21:9': [1344, 576],
  '9:21': [576, 1344],
}

const usualRanges: Readonly<Record<keyof Manifest['params'], Range>> = {
  seed: { min: 0, max: Number.MAX_SAFE_INTEGER, integer: true },
  steps: { min: 1, max: 50, integer: true },
  guidance: { min: 0, max: 20 },
  strength: { min: 0.01, max: 1 },
}

const usualCount = 4

export function takesOf({ nodes, aspects, sizes, params, count, promptLimit }: Manifest, graph: Graph): Takes {
  const pictures = nodes.images?.length ?? 0
  const sized = nodes.width !== undefined && nodes.height !== undefined
  const names = (['seed', 'steps', 'guidance', 'strength'] as const).filter((name) => nodes[name] !== undefined)
  const own = ownAspect(nodes, graph)
  return {
    images: { min: pictures, max: pictures },
    prompt: nodes.prompt === undefined ? 'none' : undefined,
    promptLimit,
    count: nodes.count === undefined ? 1 : (count ?? usualCount),
    aspects: sized ? (aspects ?? { ...own, ...usualAspects, ...own }) : { auto: [0, 0] },
    sizes: sized ? sizes : undefined,
    params: Object.fromEntries(names.map((name) => [name, { ...usualRanges[name], ...params[name] }])),
    negative: nodes.negative !== undefined || undefined,
  }
}

/** The size that the graph was saved with comes first: it is what a request gets that names none. */
function ownAspect({ width, height }: Manifest['nodes'], graph: Graph): Takes['aspects'] {
  const [w, h] = [width, height].map((named) => {
    const [first] = placesOf(named)
    return first && graph[first.node]?.inputs[first.input]
  })
  if (typeof w !== 'number' || typeof h !== 'number' || w < 1 || h < 1) return {}
  const usual = Object.entries(usualAspects).find(([, [width, height]]) => width === w && height === h)
  const divisor = common(w, h)
  return { [usual?.[0] ?? `${w / divisor}:${h / divisor}`]: [w, h] }
}

function common(a: number, b: number): number {
  return b < 1 ? a : common(b, a % b)
}
