/**
 * How providers charge: what a size costs in comparison with the usual one, and what we pay for a picture by the public price
 * lists. These are in US dollars and change now and then; a route whose price is not known declares none.
 */
import type { Cost, Model } from '../../core/ports/models.ts'

/** The provider charges by picture, independent of its size. */
export const onePrice: Model['sizeFactors'] = { small: 1, large: 1, huge: 1 }

/** Charged by tiles of 512 × 512, of which a usual picture has four. */
export const byTiles: Model['sizeFactors'] = { small: 0.5 }

const micros = 1_000_000
/** fal counts 1024 × 1024 as one. */
const megapixel = 1024 * 1024
const tileSide = 512

export const perPicture =
  (dollars: number): Cost =>
  () =>
    Math.round(dollars * micros)

/** Rounded up to whole megapixels. `more`: for each after the first. */
export const perMegapixel =
  (dollars: number, more = dollars): Cost =>
  ({ width, height }) => {
    const megapixels = Math.max(1, Math.ceil((width * height) / megapixel))
    return Math.round((dollars + more * (megapixels - 1)) * micros)
  }

export const tilesOf = ({ width, height }: { width: number; height: number }) =>
  Math.ceil(width / tileSide) * Math.ceil(height / tileSide)

/** Cloudflare's prices by tile, step and input picture, each of which is one tile. `steps`: where the request names none. */
export const perTile =
  (
    dollars: { tile?: number; step?: number; tileStep?: number; inputStep?: number; input?: number },
    usual?: number,
  ): Cost =>
  (size, { steps = usual, images }) => {
    const { tile = 0, step = 0, tileStep = 0, inputStep = 0, input = 0 } = dollars
    const perStep = step + tileStep * tilesOf(size) + inputStep * images
    if (perStep > 0 && steps === undefined) return undefined
    return Math.round((tile * tilesOf(size) + input * images + perStep * (steps ?? 0)) * micros)
  }

/** Drawn in this process. */
export const free: Cost = () => 0
