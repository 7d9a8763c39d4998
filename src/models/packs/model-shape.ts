/** The form of a model pack: a model of fal or of an images API, described by one JSON file (docs/model-packs.md). */
import { z } from 'zod'
import { maskMarks } from '../../core/ports/models.ts'
import { lorasShape } from './lora-fields.ts'
import { number, only, whole, wireName } from './shape-parts.ts'

const place = z
  .string({ error: 'write where it is in the answer, as in "images[].url"' })
  .regex(
    /^[A-Za-z_][\w-]*(\[\])*(\.[A-Za-z_][\w-]*(\[\])*)*$/,
    'write names separated by dots, with [] after a list, as in "images[].url" or "image.url"',
  )
const id = z
  .string({ error: 'write the name that people use, as in "my-model"' })
  .regex(/^[a-z0-9][a-z0-9.-]{0,39}$/, 'use a–z, 0–9, "-" and ".", at most 40 characters')
const alias = z
  .string({ error: 'write a name' })
  .regex(/^[a-z0-9@][a-z0-9@._:/-]{0,79}$/, 'use a–z, 0–9 and @ . _ : / -, at most 80 characters')
const side = z
  .number({ error: 'write a number of pixels' })
  .int('use whole pixels')
  .min(64, 'use at least 64 pixels')
  .max(8192, 'use at most 8192 pixels')
const dollars = z.number({ error: 'write US dollars, as in 0.04' }).min(0, 'must not be negative').max(1000)
const credits = whole(0, 10_000)
const ratio = z.string().regex(/^\d{1,3}:\d{1,3}$/, 'write a ratio of two whole numbers, as in "16:9"')

const parameter = only(
  {
    name: wireName,
    min: number,
    max: number,
    /** Sent where a request names no value. Absent: the field is left out. */
    default: number.optional(),
    as: z.enum(['number', 'text'], { error: 'write "number" or "text"' }).default('number'),
  },
  'a parameter',
)

const seed = only(
  {
    name: wireName,
    min: number.default(0),
    max: number.default(2_147_483_647),
    as: z.enum(['number', 'text'], { error: 'write "number" or "text"' }).default('number'),
  },
  '"seed"',
)

const sized = {
  /** The first one is the default. */
  aspects: z
    .record(ratio, z.tuple([side, side], { error: 'write [width, height] in pixels' }), {
      error: 'write ratios with their sizes, as in { "1:1": [1024, 1024], "16:9": [1344, 768] }',
    })
    .refine((each) => Object.keys(each).length > 0, 'name at least one ratio'),
  /** What is sent for a ratio in place of its size. */
  values: z
    .record(ratio, z.string(), { error: 'write what is sent for a ratio, as in { "1:1": "square_hd" }' })
    .optional(),
  /** Without a requested ratio, the result has the shape of the input picture. true: the field is left out. A text is sent. */
  auto: z.union([z.literal(true), z.string()], { error: 'write true, or the text to send, as in "auto"' }).optional(),
}
const exact = {
  /** Limits of either side, for exact sizes. Absent: exact sizes are refused. */
  sizes: only({ min: side, max: side }, '"sizes"').optional(),
}

const mask = only(
  {
    name: wireName,
    marks: z.enum(maskMarks, {
      error: 'write how the service reads the area to redraw: "white", "black" or "transparent"',
    }),
    optional: z.boolean({ error: 'write true or false' }).default(false),
  },
  '"mask"',
)

const growth = whole(1, 8192)
const expand = z.discriminatedUnion(
  'as',
  [
    only(
      {
        as: z.literal('sides'),
        left: wireName,
        right: wireName,
        top: wireName,
        bottom: wireName,
        max: growth.default(2048),
        optional: z.boolean({ error: 'write true or false' }).default(false),
      },
      '"expand" as "sides"',
    ),
    only({ as: z.literal('mask'), max: growth.default(1024) }, '"expand" as "mask"'),
  ],
  { error: 'write "as": "sides" or "mask"' },
)

const size = z.discriminatedUnion(
  'as',
  [
    only({ as: z.literal('object'), name: wireName, ...sized, ...exact }, '"size" as "object"'),
    only(
      {
        as: z.literal('text'),
        name: wireName,
        between: z
          .string({ error: 'write what stands between width and height, as in "x"' })
          .min(1)
          .max(3)
          .default('x'),
        ...sized,
        ...exact,
      },
      '"size" as "text"',
    ),
    only({ as: z.literal('sides'), width: wireName, height: wireName, ...sized, ...exact }, '"size" as "sides"'),
    only(
      {
        as: z.literal('ratio'),
        name: wireName,
        ...sized,
        tiers: only(
          {
            name: wireName,
            factors: z.record(
              z.string(),
              z.number({ error: 'write by how much the sides of "aspects" grow' }).min(0.25).max(8),
              {
                error: 'write the tiers with their factors, as in { "1K": 1, "2K": 2 }',
              },
            ),
          },
          '"tiers"',
        ).optional(),
      },
      '"size" as "ratio"',
    ),
    only({ as: z.literal('none'), aspects: sized.aspects }, '"size" as "none"'),
  ],
  { error: 'write how the size is sent: { "as": "object" | "text" | "sides" | "ratio" | "none", … }' },
)

const route = only(
  {
    provider: z.enum(['fal', 'openai'], { error: 'write "fal" or "openai"' }).optional(),
    /** fal: the endpoint, as on fal's page. */
    endpoint: z
      .string({ error: 'write the endpoint, as in "fal-ai/z-image/turbo"' })
      .regex(
        /^[\w.-]+(\/[\w.-]+){1,7}$/,
        'write the endpoint without an address before it, as in "fal-ai/z-image/turbo"',
      )
      .optional(),
    /** openai: which address is called. */
    call: z.enum(['generations', 'edits', 'chat'], { error: 'write "generations", "edits" or "chat"' }).optional(),
    /** openai: the model's name at the service. */
    model: z
      .string({ error: 'write the name of the model at the service' })
      .regex(/^[\w@.:/-]{1,120}$/, 'use letters, digits and @ . : / - _')
      .optional(),
    images: only(
      {
        name: wireName.optional(),
        min: whole(0, 16),
        max: whole(0, 16),
        as: z.enum(['one', 'list', 'files'], { error: 'write "one", "list" or "files"' }).default('list'),
      },
      '"images"',
    ).optional(),
    prompt: z
      .enum(['required', 'optional', 'none'], { error: 'write "required", "optional" or "none"' })
      .default('required'),
    promptName: wireName.default('prompt'),
    promptLimit: whole(1, 100_000).optional(),
    negative: only({ name: wireName, limit: whole(1, 100_000).optional() }, '"negative"').optional(),
    size: size.optional(),
    /** Takes a mask, which a request must have unless it is optional. */
    mask: mask.optional(),
    /** Draws beyond the sides of a picture. */
    expand: expand.optional(),
    /** The LoRAs that a request may name. */
    loras: lorasShape.optional(),
    /** The longest side of a result that keeps the size of its input picture. */
    side: side.optional(),
    /** Absent: one picture for each request. */
    count: only({ name: wireName, max: whole(1, 16) }, '"count"').optional(),
    params: only(
      {
        seed: seed.optional(),
        steps: parameter.optional(),
        guidance: parameter.optional(),
        strength: parameter.optional(),
        safety: parameter.optional(),
      },
      '"params"',
      { others: '; write what every request sends into "body"' },
    ).default({}),
    /** A field that switches the service's content checker: true, and false where pictures that it flags may be shown. */
    checker: wireName.optional(),
    /** Sent with every request. */
    body: z.record(z.string(), z.json(), { error: 'write the fields to send as an object' }).default({}),
    /** openai: previews that are asked for, as a stream. */
    previews: whole(1, 3).optional(),
    result: only({ pictures: place.optional(), seed: place.optional() }, '"result"').optional(),
    /** What the service charges the operator for a picture. Absent: not known. */
    cost: only(
      {
        picture: dollars.optional(),
        megapixel: dollars.optional(),
        more: dollars.optional(),
        small: dollars.optional(),
        standard: dollars.optional(),
        large: dollars.optional(),
        huge: dollars.optional(),
      },
      '"cost"',
    ).optional(),
  },
  'a route',
)
export type PackRoute = z.infer<typeof route>

const price = z.preprocess(
  (value) => (typeof value === 'number' ? { small: value, standard: value, large: value, huge: value } : value),
  only(
    {
      standard: credits,
      small: credits.optional(),
      large: credits.optional(),
      huge: credits.optional(),
      input: credits.optional(),
    },
    '"price"',
    {
      form: 'a number of credits, as in 4, or an object, as in { "standard": 4, "large": 8 }, with the fields',
    },
  ),
)

export const modelPackShape = only(
  {
    /** Words for the people who read the file. */
    about: z.string({ error: 'write text' }).max(2000).optional(),
    provider: z.enum(['fal', 'openai'], { error: 'write "fal" or "openai"' }),
    id,
    title: z
      .string({ error: 'write the name that people see' })
      .trim()
      .min(1, 'write the name that people see')
      .max(80),
    aliases: z.array(alias, { error: 'write a list of names' }).max(8).default([]),
    price: price.default({ standard: 1, small: 1, large: 1, huge: 1 }),
    hidden: z.boolean({ error: 'write true or false' }).optional(),
    tool: z.boolean({ error: 'write true or false' }).optional(),
    routes: z
      .array(route, { error: 'write a list of routes: [{ "endpoint": … }]' })
      .min(1, 'name at least one route')
      .max(8, 'name at most eight routes'),
  },
  'a model pack',
)
export type ModelPack = z.infer<typeof modelPackShape>
