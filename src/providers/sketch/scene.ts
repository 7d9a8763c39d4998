/** Draws a scene from a prompt and a seed. The same parameters always give the same pixels. */
import { animal } from './animal.ts'
import { type Canvas, createCanvas, gradient, type Random } from './canvas.ts'
import { hills, mountain, sea } from './land.ts'
import { mentions, type Palette, paletteOf, randomOf } from './palette.ts'
import { balloon, birds, clouds, planet, rain, rainbow, snowfall, stars, sun } from './sky.ts'
import { boat, city, flowers, house, trees } from './things.ts'

export interface SceneParams {
  prompt: string
  width: number
  height: number
  seed: string
  /** Amount of detail, 1–50. */
  steps: number
  /** Saturation of the colours, 0–20. */
  guidance: number
  /** Things that it mentions are left out. */
  negative: string
}

interface Part {
  words: RegExp
  draw(canvas: Canvas, random: Random, palette: Palette, prompt: string): void
}

/** Everything that a prompt can mention, from far to near. */
const things: readonly Part[] = [
  { words: mentions('rainbow', '彩虹'), draw: rainbow },
  { words: mentions('planet|space|galaxy|saturn', '星球|太空|宇宙'), draw: planet },
  { words: mentions('mountain|alps|peak|volcano', '山'), draw: mountain },
  {
    words: mentions('sea|ocean|beach|lake|river|water|island|coast|ship|boat|sailing|sailboat', '海|湖|河|船'),
    draw: sea,
  },
  { words: mentions('city|cities|town|street|tower|skyline|skyscraper', '城市|街'), draw: city },
  { words: mentions('bird|seagull|gull|crow|swallow', '鸟'), draw: birds },
  { words: mentions('balloon', '气球'), draw: balloon },
  { words: mentions('forest|tree|wood|jungle|garden|park|pine', '森林|树|花园'), draw: trees },
  { words: mentions('boat|ship|sailing|sailboat|yacht', '船'), draw: boat },
  { words: mentions('house|home|cottage|hut|cabin|farm', '房|屋'), draw: house },
  { words: mentions('flower|rose|tulip|garden|blossom|meadow|daisy|daisies', '花'), draw: flowers },
  { words: mentions('dog|puppy|puppies|fox|wolf', '狗|犬'), draw: (canvas, random) => animal(canvas, random, 'dog') },
  { words: mentions('cat|kitten|kitty', '猫'), draw: (canvas, random) => animal(canvas, random, 'cat') },
  { words: mentions('snow|snowy|winter|christmas', '雪'), draw: snowfall },
  { words: mentions('rain|rainy|storm|stormy', '雨'), draw: rain },
]

const skyThings = {
  stars: mentions('star|night sky', '星'),
  sun: mentions('sun|moon', '太阳|月'),
  clouds: mentions('cloud', '云'),
  hills: mentions('hill|land', '山|丘'),
}

/**
 * Each part has its own stream of random numbers, so that leaving one out does not move the others. `paintOver` can
 * replace the landscape by another picture before things are placed in it.
 */
export function drawScene(params: SceneParams, paintOver?: (canvas: Canvas, palette: Palette) => void): Canvas {
  const canvas = createCanvas(params.width, params.height)
  const stream = (part: string) => randomOf(`${params.prompt}\n${params.seed}\n${part}`)
  const palette = paletteOf(params, stream('palette'))
  drawLandscape(canvas, { params, palette, stream })
  paintOver?.(canvas, palette)
  for (const { words, draw } of things) {
    if (words.test(params.prompt) && !words.test(params.negative)) {
      draw(canvas, stream(words.source), palette, params.prompt)
    }
  }
  return canvas
}

function drawLandscape(
  canvas: Canvas,
  { params, palette, stream }: { params: SceneParams; palette: Palette; stream: (part: string) => Random },
): void {
  const shown = (part: keyof typeof skyThings) => !skyThings[part].test(params.negative)
  gradient(canvas, palette.top, palette.low)
  if (palette.dark && shown('stars')) stars(canvas, stream('stars'), 40 + params.steps * 5)
  if (shown('sun')) sun(canvas, stream('sun'), palette)
  if (!palette.dark && shown('clouds')) {
    clouds(canvas, stream('clouds'), { palette, count: 2 + Math.floor(params.steps / 8) })
  }
  if (shown('hills')) hills(canvas, stream('hills'), { palette, layers: 2 + Math.min(4, Math.floor(params.steps / 8)) })
}
