/** Words and a seed → a scene. The same words, seed and numbers always give the same pixels. */
import { animal } from './animal.ts'
import { type Canvas, createCanvas, gradient, type Random, rectangle, write } from './canvas.ts'
import { glyphs } from './font.ts'
import { hills, mountain, sea } from './land.ts'
import { type Palette, paletteOf, randomOf } from './palette.ts'
import { balloon, birds, clouds, planet, rain, rainbow, snowfall, stars, sun } from './sky.ts'
import { boat, city, flowers, house, trees } from './things.ts'
import { says } from './words.ts'

export interface SceneParams {
  prompt: string
  width: number
  height: number
  seed: string
  /** More steps, more detail: 1–50. */
  steps: number
  /** 0–20: how strong the colours are. */
  guidance: number
  /** Things whose words stand here are left out. */
  negative: string
}

interface Part {
  words: RegExp
  draw(canvas: Canvas, random: Random, palette: Palette, prompt: string): void
}

/** From far to near. Adding a thing: its words and how it is drawn. */
const things: readonly Part[] = [
  { words: says('rainbow', '彩虹'), draw: rainbow },
  { words: says('planet|space|galaxy|saturn', '星球|太空|宇宙'), draw: planet },
  { words: says('mountain|alps|peak|volcano', '山'), draw: mountain },
  { words: says('sea|ocean|beach|lake|river|water|island|coast|ship|boat|sailing|sailboat', '海|湖|河|船'), draw: sea },
  { words: says('city|cities|town|street|tower|skyline|skyscraper', '城市|街'), draw: city },
  { words: says('bird|seagull|gull|crow|swallow', '鸟'), draw: birds },
  { words: says('balloon', '气球'), draw: balloon },
  { words: says('forest|tree|wood|jungle|garden|park|pine', '森林|树|花园'), draw: trees },
  { words: says('boat|ship|sailing|sailboat|yacht', '船'), draw: boat },
  { words: says('house|home|cottage|hut|cabin|farm', '房|屋'), draw: house },
  { words: says('flower|rose|tulip|garden|blossom|meadow|daisy|daisies', '花'), draw: flowers },
  { words: says('dog|puppy|puppies|fox|wolf', '狗|犬'), draw: (canvas, random) => animal(canvas, random, 'dog') },
  { words: says('cat|kitten|kitty', '猫'), draw: (canvas, random) => animal(canvas, random, 'cat') },
  { words: says('snow|snowy|winter|christmas', '雪'), draw: snowfall },
  { words: says('rain|rainy|storm|stormy', '雨'), draw: rain },
]

const skyThings = {
  stars: says('star|night sky', '星'),
  sun: says('sun|moon', '太阳|月'),
  clouds: says('cloud', '云'),
  hills: says('hill|land', '山|丘'),
}

/**
 * Each part has a stream of numbers of its own, so that leaving one out moves none of the others. `paintOver` may put
 * another picture where the land and sky are, before things are placed in it.
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

/** What it is, and of what: nobody shall take a sketch for more. Letters that the font lacks are left out. */
export function label(canvas: Canvas, prompt: string): void {
  const size = Math.max(1, Math.round(Math.min(canvas.width, canvas.height) / 320))
  const margin = size * 4
  const letters = Math.max(6, Math.floor((canvas.width - 2 * margin) / (6 * size)))
  const known = [...prompt.toUpperCase()].filter((letter) => letter === ' ' || glyphs[letter]).join('')
  const words = known.replace(/\s+/g, ' ').trim()
  const text = (words === '' ? 'SKETCH' : `SKETCH · ${words}`).slice(0, letters)
  const top = canvas.height - 7 * size - 2 * margin
  rectangle(canvas, { x: 0, y: top, w: canvas.width, h: canvas.height - top }, [22, 24, 38])
  write(canvas, text, { x: margin, y: top + margin, size }, [255, 255, 255])
}
