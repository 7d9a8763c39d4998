/** The nodes of a pack's graph whose pictures are the result. */
import { type Graph, isLink } from './graph.ts'

/** Most pictures that one run may return. */
export const pictureLimit = 16

/** `nodes` of a manifest. */
interface Nodes {
  output?: string | readonly string[]
}

export function nodeIdsOf(output: string | readonly string[]): readonly string[] {
  return typeof output === 'string' ? [output] : [...new Set(output)]
}

/** Ids of the nodes that return pictures: those of `nodes.output`, else all that save, else all that show a preview. */
export function resultNodes(graph: Graph, { output }: Nodes): string[] {
  if (output !== undefined) return [...nodeIdsOf(output)]
  const ids = Object.keys(graph).filter((id) => kindOf(graph, id) !== undefined && hasPicture(graph, id))
  const saving = ids.filter((id) => kindOf(graph, id) === 'save')
  return saving.length > 0 ? saving : ids
}

/** Why the pictures of this graph cannot be read. */
export function saverMistakes(graph: Graph, nodes: Nodes): string[] {
  const { output } = nodes
  if (output !== undefined) return nodeIdsOf(output).flatMap((id) => outputMistake(graph, id))
  const count = resultNodes(graph, nodes).length
  if (count > pictureLimit) {
    return [`graph: ${count} nodes save pictures; name at most ${pictureLimit} of them in nodes.output`]
  }
  if (count > 0) return []
  const ids = Object.keys(graph)
  const [socket] = ids.filter((id) => isSocketSaver(graph, id))
  if (socket !== undefined) return [`graph: ${named(graph, socket)} ${socketReason}`]
  const [unused] = ids.filter((id) => kindOf(graph, id) !== undefined)
  if (unused !== undefined) return [`graph: ${named(graph, unused)} ${linkReason}`]
  return [
    'graph: no node saves a picture; add a SaveImage node, or name the node that saves pictures in nodes.output, as in "9"',
  ]
}

const socketReason =
  'sends its picture over the websocket only, where fluxbot cannot read it; use a SaveImage node instead'
const linkReason = 'gets no picture; connect its input "images" and export again'

function outputMistake(graph: Graph, id: string): string[] {
  if (!graph[id]) return [`nodes.output: the graph has no node ${id}; its nodes are ${Object.keys(graph).join(', ')}`]
  const fault = (reason: string) => [`nodes.output: ${named(graph, id)} ${reason}`]
  if (isSocketSaver(graph, id)) return fault(socketReason)
  if (!hasPicture(graph, id)) return fault(linkReason)
  const user = Object.entries(graph).find(([, { inputs }]) =>
    Object.values(inputs).some((value) => isLink(value) && String(value[0]) === id),
  )
  // a node in the middle of the graph, such as VAEDecode, saves nothing
  if (kindOf(graph, id) === undefined && user) {
    return fault(`saves no picture: node ${user[0]} goes on with its output; name the node that saves it`)
  }
  return []
}

/** By its name, because what a node does is known to the server only. undefined: it returns no pictures. */
function kindOf(graph: Graph, id: string): 'save' | 'preview' | undefined {
  const name = graph[id]?.class_type ?? ''
  if (!/image/i.test(name) || /websocket|animated|video|audio/i.test(name)) return undefined
  if (/save/i.test(name)) return 'save'
  return /preview/i.test(name) ? 'preview' : undefined
}

const isSocketSaver = (graph: Graph, id: string) => /websocket/i.test(graph[id]?.class_type ?? '')

const hasPicture = (graph: Graph, id: string) => Object.values(graph[id]?.inputs ?? {}).some(isLink)

const named = (graph: Graph, id: string) => `node ${id} (${graph[id]?.class_type})`
