/** Checks a workflow pack as far as that is possible without a server. */
import { sides } from '../../core/ports/models.ts'
import type { Json } from '../../db/json.ts'
import { type Graph, isLink } from './graph.ts'
import { type Manifest, type NodeInput, nodeInputsOf } from './manifest.ts'
import { pictureLimit, resultNodes, saverMistakes } from './savers.ts'

/** Every input that the manifest names must exist and be of its kind; every link must lead to a node. */
export function mistakesIn(graph: Graph, manifest: Manifest): string[] {
  const { nodes, aspects, sizes, params, count, marks } = manifest
  const { images = [], mask, loras = [], prompt, negative, output: _, ...numbers } = nodes
  const named = (name: string, inputs: NodeInput | readonly NodeInput[] | undefined, check: Check) =>
    nodeInputsOf(inputs).flatMap((input) => inputMistake(graph, input, check).map((text) => `nodes.${name}: ${text}`))
  return [
    ...named('prompt', prompt, isText),
    ...named('negative', negative, isText),
    ...Object.entries(numbers).flatMap(([name, inputs]) => named(name, inputs, isNumber)),
    ...images.flatMap((inputs, at) => named(`images.${at}`, inputs, isPicture)),
    ...named('mask', mask, isPicture),
    ...loras.flatMap(({ file, scale }, at) => [
      ...named(`loras.${at}.file`, file, isText),
      ...named(`loras.${at}.scale`, scale, isNumber),
    ]),
    ...areaMistakes(nodes, marks),
    ...loraMistakes(manifest),
    ...linkMistakes(graph),
    ...saverMistakes(graph, nodes),
    ...Object.keys(params).flatMap((name) =>
      nodes[name as keyof typeof params] ? [] : [`params.${name}: name the input in nodes.${name}, or remove this`],
    ),
    ...(prompt || images.length > 0
      ? []
      : ['nodes: name "prompt" or "images"; without either, every picture would be the same']),
    ...(!nodes.width === !nodes.height ? [] : ['nodes: name both "width" and "height", or neither']),
    ...((aspects || sizes) && !nodes.width
      ? ['aspects, sizes: name the inputs in nodes.width and nodes.height, or remove these']
      : []),
    ...(count !== undefined && !nodes.count ? ['count: name the input in nodes.count, or remove this'] : []),
    ...countMistakes(graph, nodes, count),
  ]
}

function areaMistakes(nodes: Manifest['nodes'], marks: Manifest['marks']): string[] {
  const named = sides.filter((side) => nodes[side])
  const missing = sides.filter((side) => !nodes[side])
  return [
    ...(nodes.mask && !nodes.images ? ['nodes.mask: name the picture that it is for in nodes.images'] : []),
    ...(marks !== undefined && !nodes.mask ? ['marks: name the input in nodes.mask, or remove this'] : []),
    ...(named.length > 0 && missing.length > 0
      ? [`nodes: name ${missing.join(', ')} as well, or none of the sides`]
      : []),
    ...(named.length > 0 && !nodes.images ? ['nodes: name the picture that grows in nodes.images'] : []),
    ...(named.length > 0 && nodes.width
      ? ['nodes.width: a picture that grows keeps its own size; remove width and height']
      : []),
  ]
}

function loraMistakes({ nodes, loras }: Manifest): string[] {
  const isNamed = Object.keys(loras).length > 0
  if (isNamed && !nodes.loras) return ['loras: name the inputs of a loader in nodes.loras, or remove this']
  return nodes.loras && !isNamed ? ['nodes.loras: name the files that requests may use in "loras"'] : []
}

/** What is wrong with the present value of an input. undefined: nothing. */
type Check = (value: Json, place: Place) => string | undefined

interface Place {
  classType: string
  input: string
}

const isText: Check = (value) => (typeof value === 'string' || isLink(value) ? undefined : 'is not text')
const isNumber: Check = (value) => (typeof value === 'number' || isLink(value) ? undefined : 'is not a number')
const isPicture: Check = (value, { classType, input }) =>
  typeof value === 'string' && takesFileName(value, { classType, input })
    ? undefined
    : 'is not the file name of a picture; name the input "image" of a LoadImage node'

/** ComfyUI's own loaders, which may have been exported before a picture was chosen. */
const usualLoaders = new Set(['LoadImage', 'LoadImageMask', 'LoadImageOutput'])
/** Loaders that read something else than a file of the server's input folder. */
const otherSource = /base64|b64|url|path|folder|dir|batch|http/i
/** As in "cat.png" and "clipspace/cat.webp [input]". */
const fileName = /^(?![a-z]+:|[\\/~])[^\n]{1,250}\.(png|jpe?g|jfif|webp|gif|bmp|tiff?|avif)( \[\w+\])?$/i

function takesFileName(value: string, { classType, input }: Place): boolean {
  if (usualLoaders.has(classType)) return input === 'image'
  if (!/load/i.test(classType) || !/image/i.test(classType)) return false
  return !otherSource.test(classType) && !otherSource.test(input) && fileName.test(value)
}

function countMistakes(graph: Graph, nodes: Manifest['nodes'], count = 1): string[] {
  const savers = resultNodes(graph, nodes).length
  const most = Math.floor(pictureLimit / savers)
  if (count <= most || savers > pictureLimit) return []
  return [`count: ${savers} nodes save pictures, so use at most ${most}, or name fewer nodes in nodes.output`]
}

function inputMistake(graph: Graph, { node, input }: NodeInput, check: Check): string[] {
  const found = graph[node]
  if (!found) return [`the graph has no node ${node}; its nodes are ${list(Object.keys(graph))}`]
  const value = found.inputs[input]
  const name = `node ${node} (${found.class_type})`
  if (value === undefined) return [`${name} has no input "${input}"; its inputs are ${list(Object.keys(found.inputs))}`]
  const mistake = check(value, { classType: found.class_type, input })
  return mistake === undefined ? [] : [`${name}: its input "${input}" ${mistake}`]
}

function linkMistakes(graph: Graph): string[] {
  return Object.entries(graph).flatMap(([node, { class_type: name, inputs }]) =>
    Object.entries(inputs).flatMap(([input, value]) =>
      isLink(value) && typeof value[0] === 'string' && !graph[value[0]]
        ? [`graph: node ${node} (${name}): its input "${input}" links to node ${value[0]}, which does not exist`]
        : [],
    ),
  )
}

function list(names: readonly string[]): string {
  const shown = names.slice(0, 20).join(', ')
  return names.length > 20 ? `${shown}, …` : shown || 'none'
}
