/**
 * Requests and the models that serve them.
 *
 * request  what a person asked for, understood: `PictureRequest`
 * model    what a person chooses; route: one provider's endpoint that can serve it
 */
import type { Json } from '../../db/json.ts'
import type { ErrorData } from '../errors.ts'

export const numberParams = ['seed', 'steps', 'guidance', 'strength'] as const
export type NumberParam = (typeof numberParams)[number]

/** A request as words and flags, before any model has looked at it. Absent means: not said. */
export interface RequestParams {
  prompt: string
  model?: string
  /** '16:9', or '640x480'. */
  aspect?: string
  count?: number
  /** A whole number; kept as text because seeds may exceed 2^53. */
  seed?: string
  steps?: number
  guidance?: number
  strength?: number
  negative?: string
  enhance?: boolean
}

/** A request that a model has agreed to. Sizes in pixels. */
export interface PictureRequest {
  prompt: string
  model: string
  aspect: string
  width: number
  height: number
  count: number
  /** Number of input pictures. */
  images: number
  seed?: string
  steps?: number
  guidance?: number
  strength?: number
  negative?: string
  enhance?: boolean
  /** How the program that asked wants to be shown its pictures. Absent: as is usual where it looks. */
  format?: string
}

export interface Range {
  min: number
  max: number
  integer?: boolean
}

/** What one route takes; whatever else is asked for is refused by name before any credit moves. */
export interface Takes {
  /** How many input pictures; { min: 0, max: 0 } is text only. */
  images: { min: number; max: number }
  /** Absent: words are needed. 'none': words are refused. 'optional': pictures alone will do. */
  prompt?: 'optional' | 'none'
  /** Most characters of a prompt. Absent: the service's own limit. */
  promptLimit?: number
  /** Most pictures in one request. */
  count: number
  /** Ratio → size in pixels. The first is the default. 'auto' → [0, 0]: the shape of the input picture. */
  aspects: Readonly<Record<string, readonly [width: number, height: number]>>
  /** Exact 'WxH' sizes, where it takes them: limits of either side in pixels. */
  sizes?: Range
  /** Parameters it takes and their ranges. */
  params: Readonly<Partial<Record<NumberParam, Range>>>
  negative?: boolean
  /** Most characters of what is not wanted. Absent: the service's own limit. */
  negativeLimit?: number
}

export interface Model {
  readonly id: string
  readonly aliases: readonly string[]
  readonly title: string
  /** Found by its name, but not offered in lists. */
  readonly hidden?: boolean
  /** Credits for one picture. */
  readonly price: number
  /**
   * In order of preference. The first that is set up and takes that number of pictures says what may be asked; another
   * serves in its place only when it takes the very same request.
   */
  readonly routes: readonly Route[]
}

/** Stands in a route's input for the nth input picture (from 0); the provider puts a link, a file or a name there. */
export interface ImageRef {
  $image: number
  [key: string]: Json
}

/** Stands in a route's input for a whole number beyond 2^53. */
export interface BigInteger {
  $integer: string
  [key: string]: Json
}

export interface Route {
  readonly provider: string
  readonly endpoint: string
  readonly takes: Takes
  /** The provider's own parameters for this request: pure. `images`: one for each input picture, in order. */
  input(request: PictureRequest, images: readonly ImageRef[]): Json
}

/** Something that the person should know about a picture that did come. The words are in `locales`. */
export interface Note {
  kind: 'prompt_cut' | 'not_enhanced' | 'some_missing'
  data?: ErrorData
}
