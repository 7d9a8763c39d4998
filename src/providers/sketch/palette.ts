/** The colours of a scene, as the words of its prompt suggest. */
import { createHash } from 'node:crypto'
import { type Colour, mix, type Random } from './canvas.ts'

/** The colours that everything in a scene is mixed with. */
export interface Palette {
  /** Colour of the upper sky. */
  top: Colour
  /** Colour of the sky at the horizon. */
  low: Colour
  ground: Colour
  /** Whether it is night: the scene has a moon, stars and lit windows. */
  dark: boolean
  /** Whether the sun stands low. */
  late: boolean
}

/** Matches whole English words ('ice' is not in 'nice'), also in the plural; Chinese has no gaps between words. */
export function mentions(english: string, chinese: string): RegExp {
  return new RegExp(`\\b(?:${english})(?:e?s)?\\b|${chinese}`, 'i')
}

interface Mood {
  words: RegExp
  top: Colour
  low: Colour
  ground: Colour
  late?: boolean
}

/** The first mood that the prompt mentions decides; times of day come before places. */
const moods: readonly Mood[] = [
  {
    words: mentions('sunset|dusk|evening|twilight', '日落|黄昏|傍晚|夕阳'),
    top: [74, 50, 120],
    low: [255, 158, 88],
    ground: [84, 58, 72],
    late: true,
  },
  {
    words: mentions('dawn|morning|sunrise', '清晨|早晨|日出'),
    top: [126, 158, 222],
    low: [255, 212, 178],
    ground: [104, 130, 96],
    late: true,
  },
  {
    words: mentions('night|midnight|dark|moon|moonlight|moonlit|star|stars|starry', '夜|月|星'),
    top: [12, 18, 54],
    low: [64, 70, 132],
    ground: [24, 38, 58],
  },
  {
    words: mentions('space|galaxy|planet|cosmos|universe|mars', '宇宙|太空|星球'),
    top: [8, 6, 28],
    low: [66, 30, 104],
    ground: [44, 36, 78],
  },
  {
    words: mentions('snow|snowy|winter|ice|icy|christmas', '冬|雪|冰'),
    top: [138, 178, 214],
    low: [234, 241, 248],
    ground: [236, 242, 249],
  },
  {
    words: mentions('rain|rainy|storm|stormy|fog|foggy|mist', '雨|雾'),
    top: [96, 112, 132],
    low: [186, 196, 204],
    ground: [78, 100, 88],
  },
  {
    words: mentions('autumn|fall|fire|october', '秋'),
    top: [140, 176, 214],
    low: [250, 228, 190],
    ground: [176, 112, 54],
  },
  {
    words: mentions('desert|sand|sandy|dune|beach', '沙漠|沙滩'),
    top: [104, 176, 226],
    low: [250, 232, 196],
    ground: [226, 188, 126],
  },
  {
    words: mentions('forest|wood|woods|jungle|spring|green', '森林|春'),
    top: [124, 188, 214],
    low: [226, 240, 212],
    ground: [64, 118, 66],
  },
]

export function paletteOf({ prompt, guidance }: { prompt: string; guidance: number }, random: Random): Palette {
  const sky: Colour = [84 + random() * 70, 150 + random() * 40, 222 + random() * 26]
  const meadow: Colour = [86 + random() * 50, 146 + random() * 34, 70 + random() * 30]
  const plain: Mood = { words: /./, top: sky, low: mix(sky, [255, 248, 236], 0.78), ground: meadow }
  const { top, low, ground, late = false } = moods.find(({ words }) => words.test(prompt)) ?? plain
  const tint: Colour = [random() * 255, random() * 255, random() * 255]
  const vivid = vividness(Math.min(1.45, 0.75 + guidance / 14))
  return {
    top: vivid(mix(top, tint, 0.07)),
    low: vivid(mix(low, tint, 0.05)),
    ground: vivid(mix(ground, tint, 0.05)),
    dark: top[0] + top[1] + top[2] < 150,
    late,
  }
}

/** Changes the saturation of a colour and keeps its brightness. */
function vividness(strength: number): (colour: Colour) => Colour {
  return ([red, green, blue]) => {
    const grey = (red + green + blue) / 3
    const each = (value: number) => Math.max(0, Math.min(255, grey + (value - grey) * strength))
    return [each(red), each(green), each(blue)]
  }
}

/** Random numbers that depend on the text only: mulberry32, seeded with its hash. */
export function randomOf(text: string): Random {
  let state = createHash('sha256').update(text).digest().readUInt32LE(0)
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296
  }
}
