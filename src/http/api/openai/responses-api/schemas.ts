/** The request of the Responses API, for validation and for the OpenAPI document. Unknown fields pass validation. */
import { z } from 'zod'
import { optional } from '../../../server/validation.ts'
import { promptText, withoutEffect, word } from '../../fields.ts'
import { shared } from '../schemas.ts'

/** In the body or in the tool, which takes precedence. */
const drawing = {
  size: shared.size,
  aspect_ratio: shared.aspect_ratio,
  image_size: shared.image_size,
  width: shared.width,
  height: shared.height,
  image_config: shared.image_config,
  seed: shared.seed,
  steps: shared.steps,
  guidance: shared.guidance,
  strength: shared.strength,
  scale: shared.scale,
  loras: shared.loras,
  negative_prompt: shared.negative_prompt,
  enhance: shared.enhance,
}

export const drawingFields = Object.keys(drawing) as (keyof typeof drawing)[]

const tool = z.looseObject({
  type: word.describe("'image_generation'. Other tools are refused."),
  model: optional(word).describe('A model id, in place of the `model` of the request.'),
  action: optional(z.enum(['auto', 'generate', 'edit'])).describe("'edit' requires an input image."),
  ...drawing,
  partial_images: shared.partial_images,
  quality: withoutEffect,
  background: withoutEffect,
  moderation: withoutEffect,
  input_fidelity: withoutEffect,
  output_compression: withoutEffect,
  output_format: withoutEffect.describe('Accepted and ignored. `output_format` of the call is the actual format.'),
})

const toolChoice = z.union(
  [word, z.looseObject({ type: word, tools: optional(z.array(z.looseObject({ type: word }))) })],
  {
    error: "it must be 'auto', 'none', 'required', or { type: 'image_generation' }",
  },
)

/** The content is not checked here, because only the last user message is used. */
const item = z.looseObject({ type: optional(word), role: optional(word), content: optional(z.unknown()) })

const input = z.union([promptText, z.array(item).min(1).max(10_000)], {
  error: 'it must be a text, or a list that contains a message of the user',
})

export const responsesBody = z
  .looseObject({
    model: optional(word).describe(
      'A model id. Names of OpenAI’s models, such as `gpt-5` and `gpt-image-1`, stand for the default model. Absent: the ' +
        'default model, or the first model that accepts the input images.',
    ),
    input: input.describe(
      'The prompt, or messages. The last user message is the prompt: `input_text` with an optional ratio and optional flags ' +
        'at its end, and `input_image` with an `image_url`. Earlier messages are ignored.',
    ),
    tools: optional(z.array(tool).max(128)).describe(
      'With the tool `image_generation`, the images are calls of it, in base64. Without it, the answer is a message in ' +
        'Markdown that links to the images.',
    ),
    tool_choice: optional(toolChoice).describe(
      "`{ type: 'image_generation' }` is the same as the tool without options. 'none': the answer is a message.",
    ),
    stream: shared.stream,
    ...drawing,
    webhook_url: shared.webhook_url,
    text: optional(z.looseObject({ format: optional(z.looseObject({ type: word })) })).describe(
      "`format` must be absent or `{ type: 'text' }`.",
    ),
    store: withoutEffect.describe('Accepted and ignored: no response is kept.'),
    instructions: withoutEffect.describe('Accepted and ignored, as system messages are.'),
  })
  .meta({
    id: 'CreateResponseRequest',
    description: 'Creates images as calls of the tool `image_generation`, or as a message that links to them.',
    examples: [{ input: 'a cute cat', tools: [{ type: 'image_generation', size: '1536x1024' }] }],
  })

export type ResponsesBody = z.output<typeof responsesBody>
export type ImageTool = z.output<typeof tool>
export type InputItem = z.output<typeof item>
