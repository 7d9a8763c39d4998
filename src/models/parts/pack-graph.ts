/** The graph of a workflow pack, checked as far as that is possible without a server. */
import { z } from 'zod'
import type { Json } from '../../db/json.ts'
import { type Manifest, type Place, placesOf } from './pack-manifest.ts'

export type Graph = Record<string, { class_type: string; inputs: Record<string, Json> }>

const nodeLimit = 1000

export const graphShape = z
  .record(
    z.string(),
    z.looseObject(
      {
        class_type: z.string({ error: 'a node needs its "class_type"; export with Save (API Format)' }).min(1),
        inputs: z.record(z.string(), z.json(), { error: 'a node needs its "inputs"; export with Save (API Format)' }),
      },
      { error: 'every entry of a graph is a node; export with Save (API Format)' },
    ),
    { error: 'paste the exported graph here, as an object' },
  )
  .refine((graph) => Object.keys(graph).length > 0, 'it has no nodes')
  .refine((graph) => Object.keys(graph).length <= nodeLimit, `it has more than ${nodeLimit} nodes`)

/** The other format of ComfyUI, which its page reads and its server does not. */
export function uiFormat(value: unknown): string | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  if (!('nodes' in value && Array.isArray(value.nodes) && 'links' in value)) return undefined
  return 'this is a graph for ComfyUI’s page, not for its server: export with Save (API Format) and put that under "graph"'
}

export function isLink(value: Json | undefined): value is [string, number] {
  return Array.isArray(value) && value.length === 2 && typeof value[1] === 'number'
}

/** Every place that the manifest names must be there and of its kind; links must lead somewhere. */
export function graphMistakes(graph: Graph, { nodes, aspects, sizes, params, count }: Manifest): string[] {
  const { images = [], prompt, negative, ...numbers } = nodes
  const named = (name: string, places: Place | readonly Place[] | undefined, check: Check) =>
    placesOf(places).flatMap((place) => placeMistake(graph, place, check).map((words) => `nodes.${name}: ${words}`))
  return [
    ...named('prompt', prompt, isText),
    ...named('negative', negative, isText),
    ...Object.entries(numbers).flatMap(([name, places]) => named(name, places, isNumber)),
    ...images.flatMap((places, at) => named(`images.${at}`, places, isPicture)),
    ...linkMistakes(graph),
    ...Object.keys(params).flatMap((name) =>
      nodes[name as keyof typeof params] ? [] : [`params.${name}: say in nodes.${name} which input it sets`],
    ),
    ...(prompt || images.length > 0 ? [] : ['nodes: name "prompt" or "images", or every picture is the same']),
    ...(!nodes.width === !nodes.height ? [] : ['nodes: name both "width" and "height", or neither']),
    ...((aspects || sizes) && !nodes.width
      ? ['aspects, sizes: say in nodes.width and nodes.height what they set']
      : []),
    ...(count !== undefined && !nodes.count ? ['count: say in nodes.count which input it sets'] : []),
  ]
}

/** What is wrong with the value that is there; undefined: nothing. */
type Check = (value: Json, classType: string) => string | undefined

const isText: Check = (value) => (typeof value === 'string' || isLink(value) ? undefined : 'is not a text')
const isNumber: Check = (value) => (typeof value === 'number' || isLink(value) ? undefined : 'is not a number')
const isPicture: Check = (value, classType) => {
  if (/load/i.test(classType) && /image/i.test(classType) && typeof value === 'string') return undefined
  return `is no picture's file name; name the input "image" of a LoadImage node`
}

function placeMistake(graph: Graph, { node, input }: Place, check: Check): string[] {
  const there = graph[node]
  if (!there) return [`the graph has no node ${node}; its nodes are ${list(Object.keys(graph))}`]
  const value = there.inputs[input]
  const name = `node ${node} (${there.class_type})`
  if (value === undefined) return [`${name} has no input "${input}"; its inputs are ${list(Object.keys(there.inputs))}`]
  const wrong = check(value, there.class_type)
  return wrong === undefined ? [] : [`${name}, ${input}: ${wrong}`]
}

function linkMistakes(graph: Graph): string[] {
  return Object.entries(graph).flatMap(([node, { class_type: name, inputs }]) =>
    Object.entries(inputs).flatMap(([input, value]) =>
      isLink(value) && typeof value[0] === 'string' && !graph[value[0]]
        ? [`graph: node ${node} (${name}), ${input}: it comes from node ${value[0]}, which is not there`]
        : [],
    ),
  )
}

function list(names: readonly string[]): string {
  const shown = names.slice(0, 20).join(', ')
  return names.length > 20 ? `${shown}, …` : shown || 'none'
}
