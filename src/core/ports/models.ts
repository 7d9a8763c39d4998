/**
 * Requests and the models that serve them.
 *
 * params   what a person asked for, parsed from text or a body: `RequestParams`
 * request  the same, checked by a model: `PictureRequest`
 * model    what a person chooses
 * route    one provider's endpoint that can serve a model
 */
import type { Json } from '../../db/json.ts'
import type { ErrorData } from '../errors.ts'

/** `safety`: how much a provider's content filter allows; 1 is the strictest. */
export const numberParams = ['seed', 'steps', 'guidance', 'strength', 'safety'] as const
export type NumberParam = (typeof numberParams)[number]

/** What was changed to fit the model: names of options that were left out, and of numbers that were moved into its range. */
interface Fit {
  ignored: readonly string[]
  adjusted: readonly string[]
}

export const sides = ['left', 'right', 'top', 'bottom'] as const
export type Side = (typeof sides)[number]
/** By how much a picture grows on each side: pixels, or a share of its width or height. */
export type Expand = Readonly<Partial<Record<Side, number | `${number}%`>>>
/** In pixels. */
export type Margins = Readonly<Record<Side, number>>

/** Extra weights that a picture is drawn with. `path`: an https address, or a name that the model has for one. */
export interface Lora {
  path: string
  /** How strong it is. Absent: as the service has it, usually 1. */
  scale?: number
}

/** Parameters as the person gave them, not yet checked by a model. Absent: not given. */
export interface RequestParams {
  prompt: string
  model?: string
  /** A ratio such as '16:9', or a size such as '640x480'. */
  aspect?: string
  count?: number
  /** A whole number, as text because seeds may exceed 2^53. */
  seed?: string
  steps?: number
  guidance?: number
  strength?: number
  safety?: number
  /** How many times the sides of the input picture. */
  scale?: number
  negative?: string
  enhance?: boolean
  /** A mask comes with the request: only the area that it marks in the first input picture is drawn anew. */
  mask?: true
  /** By how much the first input picture grows. What is new is drawn. */
  expand?: Expand
  /** At least one. Absent: none. */
  loras?: readonly Lora[]
  fit?: Fit
  /** The request continues finished work of the provider, and has no other parameters than its words and ratio. */
  continues?: Continuation
}

/** What a provider can do further with finished work of its own: with one picture of the result, or with all of it. */
export type Act =
  | 'reroll'
  | 'upscale'
  | 'vary'
  | 'zoomout'
  | 'zoomoutless'
  | 'panleft'
  | 'panright'
  | 'panup'
  | 'pandown'

export interface Continuation {
  act: Act
  /** Number of the picture in the result, from 1. Absent: the act is about all. */
  picture?: number
  /** What the provider's `start` gets as the input of the task. */
  input: Json
}

/** A request that a model takes. Sizes in pixels. */
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
  safety?: number
  /** How many times the sides of the input picture; width and height are those of the result. */
  scale?: number
  negative?: string
  enhance?: boolean
  /** As in RequestParams. */
  mask?: true
  /** As in RequestParams; width and height are those of the result. */
  expand?: Margins
  loras?: readonly Lora[]
  fit?: Fit
  continues?: Continuation
  /** It was accepted where pictures that a provider flags may be shown, as spoilers. */
  adult?: true
  /** The form in which a program wants its pictures. Absent: the default of its API family. */
  format?: string
}

export interface Range {
  min: number
  max: number
  integer?: boolean
}

/** How a mask marks the area to draw: by white or black in a grey picture, or by transparency. */
export const maskMarks = ['white', 'black', 'transparent'] as const
export type MaskMark = (typeof maskMarks)[number]

/** What one route takes. Any other parameter is refused by name before credits are held. */
export interface Takes {
  /** Number of input pictures. { min: 0, max: 0 }: text only. */
  images: { min: number; max: number }
  /** Absent: a prompt is required. 'optional': pictures alone are enough. 'none': a prompt is refused. */
  prompt?: 'optional' | 'none'
  /** Characters of a prompt. Absent: the service's own limit. */
  promptLimit?: number
  /** The greatest count that a request may ask for. */
  count: number
  /** Pictures that the provider makes for each requested one. Each is charged. Absent: 1. */
  picturesEach?: number
  /** Ratio → size in pixels. The first is the default. 'auto' → [0, 0] keeps the shape of the input picture. */
  aspects: Readonly<Record<string, readonly [width: number, height: number]>>
  /** Limits of either side in pixels, for exact sizes. Absent: exact sizes are refused. */
  sizes?: Range
  /** Ranges of the parameters it takes. */
  params: Readonly<Partial<Record<NumberParam, Range>>>
  /** The scales by which it enlarges the input picture. Routes of one model may have different ones. */
  scales?: readonly number[]
  /** It takes masks, which mark the area to draw in this way. Absent: masks are refused. */
  mask?: { marks: MaskMark; required?: true }
  /**
   * The most pixels by which each side of the input picture may grow. `byMask`: it gets a larger picture and a mask of what is
   * new; a request that grows the picture needs no mask of its own. Absent: it does not grow pictures.
   */
  expand?: { max: number; required?: true; byMask?: true }
  /**
   * Requests with a mask, and those that grow the picture, keep the size of the input picture. A picture whose result would have
   * a longer side is shrunk before. Absent: a mask does not change which sizes it draws.
   */
  kept?: { side: number }
  /**
   * The LoRAs that a request may name: so many, with a scale in this range. `names`: those that the operator has stored with the model.
   * `hosts`: where the addresses of others may lead; '*' stands for all. Absent: LoRAs are refused.
   */
  loras?: { max: number; range: Range; names: readonly string[]; hosts: readonly string[] }
  negative?: boolean
  /** Characters of a negative prompt. Absent: the service's own limit. */
  negativeLimit?: number
  /**
   * Present: the provider reads `--word` in a prompt as a parameter of its own, so such prompts are refused. The names listed here
   * change the price or the model: they are refused also right after another word, and after a long dash.
   */
  ownFlags?: readonly string[]
  /** The route takes only requests that continue finished work by one of these acts. Absent: it takes no such requests. */
  continues?: readonly Act[]
}

/** How large one picture is: see core/billing/quote.ts. */
export const sizeClasses = ['small', 'standard', 'large', 'huge'] as const
export type SizeClass = (typeof sizeClasses)[number]

/**
 * What a request is charged for: each picture, by its size or as an enlargement · each input picture · the enhancement of its
 * prompt.
 */
export const pricedParts = [...sizeClasses, 'upscale', 'input', 'enhance'] as const
export type PricedPart = (typeof pricedParts)[number]

export interface QuotedPart {
  part: PricedPart
  /** Id of the model. */
  model: string
  count: number
  /** Credits for one. */
  each: number
  credits: number
}

/** The price of a request, in whole credits. It is stored with the request. */
export interface Quote {
  total: number
  parts: readonly QuotedPart[]
}

export interface Model {
  readonly id: string
  readonly aliases: readonly string[]
  /** More aliases, each while no other model that is available has that name. */
  readonly spareAliases?: readonly string[]
  readonly title: string
  /** Can be requested by name, but is not listed. */
  readonly hidden?: boolean
  /**
   * Listed, but it does not draw: never chosen for a request that names no model, and not offered where people choose a model
   * to draw with.
   */
  readonly tool?: boolean
  /** Credits for one picture of the standard size; for a model that enlarges, at a scale of 2. */
  readonly price: number
  /** `price` of one picture × this is the price of another size, rounded up. Absent: as core/billing/quote.ts says. */
  readonly sizeFactors?: Partial<Readonly<Record<SizeClass, number>>>
  /** Credits for single parts. They come before `sizeFactors`. Absent: input pictures and enhancement are free. */
  readonly prices?: Partial<Readonly<Record<PricedPart, number>>>
  /** Id of the model whose prices and switch count for it, too. Absent: it has its own. */
  readonly base?: string
  /** An administrator has turned it off: it is not listed, not chosen, and refused by name. */
  readonly off?: boolean
  /**
   * In order of preference. The first route that is set up and takes the number of pictures decides which parameters are
   * allowed. Another route replaces it only if it takes exactly the same request.
   */
  readonly routes: readonly Route[]
}

/** Placeholder in a route's input for an input picture, by index from 0. The provider replaces it with a link, file or name. */
export interface ImageRef {
  $image: number
  [key: string]: Json
}

/** Placeholder in a route's input for a whole number beyond 2^53. */
export interface BigInteger {
  $integer: string
  [key: string]: Json
}

/** What a provider charges us for one picture, in millionths of a US dollar. undefined: not known for this request. */
export type Cost = (picture: { width: number; height: number }, request: PictureRequest) => number | undefined

/** Paths of fields in a provider's answer, such as 'images[].url': '[]' stands for all items of a list. */
export interface ResultPlace {
  /** Of pictures: addresses, data URLs, or base64. */
  readonly pictures?: string
  readonly seed?: string
}

export interface Route {
  readonly provider: string
  readonly endpoint: string
  readonly takes: Takes
  /**
   * The provider's parameters for the request; a pure function. `images`: one for each input picture, in order. `mask` comes with
   * requests that have one.
   */
  input(request: PictureRequest, images: readonly ImageRef[], mask?: ImageRef): Json
  /** Where the provider's answer holds the result. Absent: where this provider usually has it. */
  readonly result?: ResultPlace
  /** Absent: not known. */
  readonly cost?: Cost
}

/** A remark on a delivered result. `locales` holds the words. */
export interface Note {
  kind: 'prompt_cut' | 'not_enhanced' | 'some_missing' | 'may_be_missing'
  data?: ErrorData
}
