/** Draws a cat or a dog. */
import { type Canvas, type Colour, ellipse, mix, polygon, type Random } from './canvas.ts'

/** A sitting animal, seen from the front. */
export function animal(canvas: Canvas, random: Random, kind: 'cat' | 'dog'): void {
  const size = Math.min(canvas.width, canvas.height) * 0.36
  const [x, y] = [canvas.width * (0.35 + random() * 0.3), canvas.height * 0.9]
  const coats: readonly Colour[] = [
    [236, 152, 72],
    [88, 86, 98],
    [238, 226, 208],
    [140, 96, 64],
  ]
  const coat = coats[Math.floor(random() * coats.length)] ?? [236, 152, 72]
  const [shade, pale]: [Colour, Colour] = [mix(coat, [30, 20, 30], 0.3), mix(coat, [255, 255, 255], 0.6)]
  const head = { x, y: y - size * 0.74, rx: size * 0.26, ry: size * 0.22 }
  ellipse(canvas, { x: x + size * 0.32, y: y - size * 0.18, rx: size * 0.2, ry: size * 0.07 }, shade)
  ellipse(canvas, { x, y: y - size * 0.28, rx: size * 0.27, ry: size * 0.32 }, coat)
  ellipse(canvas, { x, y: y - size * 0.24, rx: size * 0.14, ry: size * 0.22 }, pale)
  for (const side of [-1, 1]) {
    ellipse(canvas, { x: x + side * size * 0.13, y: y - size * 0.02, rx: size * 0.1, ry: size * 0.05 }, pale)
    const [near, far] = [head.x + side * size * 0.06, head.x + side * size * 0.27]
    if (kind === 'cat')
      polygon(
        canvas,
        [
          [near, head.y - size * 0.14],
          [far, head.y - size * 0.36],
          [far, head.y - size * 0.02],
        ],
        coat,
      )
    else ellipse(canvas, { x: far, y: head.y + size * 0.02, rx: size * 0.07, ry: size * 0.17 }, shade)
  }
  ellipse(canvas, head, coat)
  for (const side of [-1, 1]) {
    const eye = { x: head.x + side * size * 0.1, y: head.y - size * 0.02 }
    ellipse(canvas, { ...eye, rx: size * 0.05, ry: size * 0.055 }, [250, 250, 240])
    ellipse(canvas, { ...eye, rx: size * 0.024, ry: size * 0.045 }, [24, 30, 24])
    ellipse(
      canvas,
      { x: eye.x - size * 0.01, y: eye.y - size * 0.018, rx: size * 0.01, ry: size * 0.01 },
      [255, 255, 255],
    )
    for (const tilt of kind === 'cat' ? [-0.05, 0, 0.05] : []) {
      const [x1, y1] = [head.x + side * size * 0.08, head.y + size * 0.09]
      const [x2, y2] = [head.x + side * size * 0.34, head.y + size * (0.07 + tilt)]
      polygon(
        canvas,
        [
          [x1, y1],
          [x2, y2],
          [x2, y2 + 1.2],
          [x1, y1 + 1.6],
        ],
        [255, 255, 255],
        0.8,
      )
    }
  }
  ellipse(canvas, { x: head.x, y: head.y + size * 0.09, rx: size * 0.1, ry: size * 0.07 }, pale)
  polygon(
    canvas,
    [
      [head.x - size * 0.03, head.y + size * 0.05],
      [head.x + size * 0.03, head.y + size * 0.05],
      [head.x, head.y + size * 0.085],
    ],
    [226, 110, 120],
  )
}
