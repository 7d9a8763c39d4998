/** Mistakes of a model pack that show in several of its fields together. */
import { areaFields, areaMistakes, isHidden } from './area-fields.ts'
import { loraMistakes } from './lora-fields.ts'
import type { ModelPack, PackRoute } from './model-shape.ts'

type Mistakes = (string | false | undefined)[]

export function modelMistakes(pack: ModelPack): string[] {
  const each = pack.routes.flatMap((route, at) =>
    routeMistakes(route, { provider: providerOf(pack, route) }).map((text) => `routes[${at}]${text}`),
  )
  return [...each, ...overlaps(pack)]
}

export const providerOf = ({ provider }: ModelPack, route: PackRoute) => route.provider ?? provider

/** Names that the service gets from fluxbot itself. */
const ownNames = ['model', 'messages', 'stream', 'partial_images']

function routeMistakes(route: PackRoute, { provider }: { provider: string }): string[] {
  const { endpoint, call, model, images, prompt, size, count, params, previews, cost, body, result } = route
  const isFal = provider === 'fal'
  const isChat = call === 'chat'
  const pictures = images ?? { min: 0, max: 0, name: undefined, as: 'list' }
  const found: Mistakes = [
    isFal && endpoint === undefined && '.endpoint: is missing; write it as on fal’s page, as in "fal-ai/z-image/turbo"',
    isFal && call !== undefined && '.call: belongs to the provider "openai"; remove it',
    isFal && model !== undefined && '.model: belongs to the provider "openai"; a model of fal is its "endpoint"',
    isFal && previews !== undefined && '.previews: belongs to the provider "openai"; remove it',
    !isFal && endpoint !== undefined && '.endpoint: belongs to the provider "fal"; write "call" and "model"',
    !isFal && call === undefined && '.call: is missing; write "generations", "edits" or "chat"',
    !isFal && model === undefined && '.model: is missing; write the name of the model at the service',
    pictures.min > pictures.max && '.images: min is greater than max',
    !isChat &&
      pictures.max > 0 &&
      pictures.name === undefined &&
      '.images.name: is missing; write the field of the pictures, as in "image_urls"',
    isChat && pictures.name !== undefined && '.images.name: a chat has a place of its own for pictures; remove it',
    pictures.as === 'one' &&
      pictures.max > 1 &&
      '.images.max: a field of "one" picture takes 1; write "as": "list" for several',
    pictures.as === 'files' &&
      call !== 'edits' &&
      '.images.as: only "call": "edits" sends files; write "one" or "list"',
    call === 'edits' &&
      pictures.max > 0 &&
      pictures.as !== 'files' &&
      '.images.as: "call": "edits" sends files; write "files"',
    call === 'edits' &&
      pictures.min < 1 &&
      '.images.min: "call": "edits" needs a picture; write 1, or use "generations"',
    prompt === 'none' &&
      pictures.min < 1 &&
      '.prompt: without a prompt a route needs pictures; write "images" with a min of 1',
    prompt === 'none' && isChat && '.prompt: a chat needs words; remove "prompt"',
    isChat && count !== undefined && '.count: one chat answer has one picture; remove it',
    isChat && previews !== undefined && '.previews: a chat shows no previews; remove it',
    !isFal && result?.seed !== undefined && '.result.seed: belongs to the provider "fal"; remove it',
    size === undefined &&
      pictures.min < 1 &&
      '.size: is missing; write how the size is sent, or the one size that the model draws: { "as": "none", "aspects": { "1:1": [1024, 1024] } }',
    size?.as === 'none' &&
      Object.keys(size.aspects).length > 1 &&
      '.size.aspects: a size that is not sent has one ratio; write how it is sent, or remove the others',
    size &&
      'auto' in size &&
      size.auto !== undefined &&
      pictures.min < 1 &&
      '.size.auto: is for routes that need a picture; remove it, or write an "images" min of 1',
    size?.as === 'sides' &&
      size.values !== undefined &&
      '.size.values: "sides" has two fields; remove it, or use another form',
    size?.as === 'sides' &&
      typeof size.auto === 'string' &&
      '.size.auto: "sides" has two fields; write true, which leaves both out',
    size && 'sizes' in size && size.sizes && size.sizes.min > size.sizes.max && '.size.sizes: min is greater than max',
    ...(size && 'values' in size ? Object.keys(size.values ?? {}) : []).map(
      (name) => !(size && name in size.aspects) && `.size.values.${name}: is not one of "aspects"`,
    ),
    ...Object.entries(params).flatMap(([name, range]): Mistakes => {
      const usual = 'default' in range ? range.default : undefined
      return [
        range.min > range.max && `.params.${name}: min is greater than max`,
        usual !== undefined &&
          (usual < range.min || usual > range.max) &&
          `.params.${name}.default: is outside min and max`,
        wholeParams.includes(name) &&
          ![range.min, range.max, usual ?? 0].every(Number.isInteger) &&
          `.params.${name}: is a whole number; write min, max and default without a fraction`,
      ]
    }),
    ...Object.entries(size?.aspects ?? {}).map(
      ([ratio, [width, height]]) =>
        isOtherShape(ratio, width / height) &&
        `.size.aspects.${ratio}: ${width} × ${height} has another shape; write [width, height] of that ratio`,
    ),
    ...costMistakes(cost),
    ...(isFal
      ? []
      : ownNames
          .filter((name) => Object.hasOwn(body, name))
          .map((name) => `.body.${name}: fluxbot sends it itself; remove it`)),
    ...areaMistakes(route),
    ...loraMistakes(route.loras),
    route.loras && call === 'edits' && '.loras: "call": "edits" sends a form, which has no lists; remove it',
    ...nameMistakes(route),
  ]
  return found.filter((text): text is string => typeof text === 'string')
}

const wholeParams = ['steps', 'seed', 'safety']

/** Services round sizes to multiples of up to 64 pixels. */
function isOtherShape(ratio: string, shape: number): boolean {
  const [across = 1, down = 1] = ratio.split(':').map(Number)
  return Math.abs(Math.log((shape / across) * down)) > 0.15
}

function costMistakes(cost: PackRoute['cost']): Mistakes {
  if (!cost) return []
  const { picture, megapixel, more, ...sizes } = cost
  const ways = [picture, megapixel, Object.keys(sizes).length > 0 || undefined].filter((way) => way !== undefined)
  return [
    ways.length !== 1 &&
      '.cost: write one of "picture", "megapixel", or the sizes "small", "standard", "large", "huge"',
    more !== undefined &&
      megapixel === undefined &&
      '.cost.more: is for each megapixel after the first; write "megapixel" as well',
  ]
}

/** Two values for one field, or a field inside of a value. */
function nameMistakes(route: PackRoute): Mistakes {
  const { promptName, prompt, negative, loras, size, count, params, checker, images, body, call } = route
  const names = [
    ...(prompt === 'none' || call === 'chat' ? [] : [['promptName', promptName]]),
    ...(images?.name ? [['images.name', images.name]] : []),
    ...(negative ? [['negative.name', negative.name]] : []),
    ...(loras ? [['loras.name', loras.name]] : []),
    ...(size && 'name' in size ? [['size.name', size.name]] : []),
    ...(size?.as === 'sides'
      ? [
          ['size.width', size.width],
          ['size.height', size.height],
        ]
      : []),
    ...(size?.as === 'ratio' && size.tiers ? [['size.tiers.name', size.tiers.name]] : []),
    ...areaFields(route),
    ...(count ? [['count.name', count.name]] : []),
    ...(checker ? [['checker', checker]] : []),
    ...Object.entries(params).map(([name, each]) => [`params.${name}.name`, each.name]),
  ] as [where: string, name: string][]
  const sent = [...leavesOf(body), ...names]
  return names.flatMap(([where, name]): Mistakes => {
    const other = sent.find(([place, each]) => place !== where && (each === name || each.startsWith(`${name}.`)))
    return [
      other && `.${where}: "${name}" is sent by ${other[0]} as well; each field has one value`,
      call === 'edits' &&
        name.includes('.') &&
        `.${where}: "${name}" is nested, but edits are sent as a form; use a name without dots`,
    ]
  })
}

function leavesOf(body: PackRoute['body'], before = ''): [where: string, name: string][] {
  return Object.entries(body).flatMap(([name, value]): [string, string][] =>
    value !== null && typeof value === 'object' && !Array.isArray(value)
      ? leavesOf(value as PackRoute['body'], `${before}${name}.`)
      : [[`body.${before}${name}`, `${before}${name}`]],
  )
}

/** A route that no request can reach, because earlier ones of its provider take the same numbers of pictures. */
function overlaps(pack: ModelPack): string[] {
  return pack.routes.flatMap((route, at) => {
    const earlier = pack.routes.slice(0, at).filter((each) => providerOf(pack, each) === providerOf(pack, route))
    const twin = earlier.findIndex((each) => targetOf(each) === targetOf(route))
    if (twin >= 0)
      return [
        `routes[${at}]: has the same address as routes[${twin}]; a pack can have one route for an address: widen "images" of one of them, or write a second pack`,
      ]
    const { min = 0, max = 0 } = route.images ?? {}
    if (!isHidden(route, earlier)) return []
    return [
      `routes[${at}].images: earlier routes take ${min === max ? min : `${min}–${max}`} pictures, so this one is never used; change min and max in "images" of one of them`,
    ]
  })
}

const targetOf = ({ endpoint, call, model }: PackRoute) => endpoint ?? `${call}/${model}`
