/**
 * Refuses by its name what would change the answer and is not supported, before anything is accepted: ignoring it would charge
 * for an answer that the client did not ask for.
 */
import { OpenAiError } from '../errors.ts'
import type { ImageTool, ResponsesBody } from './schemas.ts'

const kept = "No response is kept. Send the earlier image as an 'input_image' of the user message."
const one = 'A response has the images of one request. Send several requests, or use /v1/images/generations.'

interface Unsupported {
  /** Of the body. */
  name: string
  /** Tells values that have an effect from those that have none. Absent: every value has. */
  hasEffect?: (value: unknown) => boolean
  cure: string
}

const unsupported: readonly Unsupported[] = [
  { name: 'previous_response_id', cure: kept },
  { name: 'conversation', cure: kept },
  { name: 'prompt', hasEffect: (value) => value !== '', cure: "Send the prompt as 'input'." },
  {
    name: 'background',
    hasEffect: (value) => value !== false,
    cure: "Send the header 'Prefer: respond-async' instead, and poll GET /v1/images/jobs/{id}.",
  },
  { name: 'n', hasEffect: (value) => value !== 1, cure: one },
  { name: 'num_images', hasEffect: (value) => value !== 1, cure: one },
]

/** Throws OpenAiError. */
export function assertSupported(body: ResponsesBody, images: number): void {
  for (const { name, hasEffect, cure } of unsupported) {
    const value = body[name]
    if (isGiven(value) && (hasEffect?.(value) ?? true)) throw unsupportedParameter(name, cure)
  }
  if (body.text?.format !== undefined && body.text.format.type !== 'text') {
    throw unsupportedParameter('text.format', "The answer is an image or Markdown. Send { type: 'text' }, or nothing.")
  }
  for (const [at, tool] of (body.tools ?? []).entries()) assertTool(tool, at, images)
  assertToolChoice(body)
}

function assertTool(tool: ImageTool, at: number, images: number): void {
  const name = `tools.${at}`
  if (tool.type !== 'image_generation') {
    throw invalidValue(`${name}.type`, `'${shown(tool.type)}'. Only the tool 'image_generation' is supported`)
  }
  if (at > 0) throw invalidValue(name, "send the tool 'image_generation' once")
  if (isGiven(tool.input_image_mask)) {
    throw unsupportedParameter(
      `${name}.input_image_mask`,
      'Send it to /v1/images/edits, or describe the area in the prompt.',
    )
  }
  for (const count of ['n', 'num_images']) {
    if (isGiven(tool[count]) && tool[count] !== 1) throw unsupportedParameter(`${name}.${count}`, one)
  }
  if (tool.action === 'edit' && images === 0) {
    throw invalidValue(`${name}.action`, "'edit' requires an image. Send it as an 'input_image' of the user message")
  }
}

function assertToolChoice({ tools = [], tool_choice: choice }: ResponsesBody): void {
  if (choice === undefined || choice === 'auto' || choice === 'none') return
  if (choice === 'required') {
    if (tools.length > 0) return
    throw invalidValue('tool_choice', "'required' needs the tool 'image_generation' in 'tools'")
  }
  if (typeof choice === 'string') throw invalidValue('tool_choice', `'${shown(choice)}'`)
  const named = choice.type === 'allowed_tools' ? (choice.tools ?? []) : [choice]
  const other = named.find(({ type }) => type !== 'image_generation')
  if (!other) return
  throw invalidValue('tool_choice', `'${shown(other.type)}'. Only the tool 'image_generation' is supported`)
}

/** Whether the answer consists of calls of the tool. If not, it is a message. */
export function wantsCalls({ tools = [], tool_choice: choice }: ResponsesBody): boolean {
  if (choice === 'none') return false
  return tools.length > 0 || (typeof choice === 'object' && choice.type === 'image_generation')
}

const isGiven = (value: unknown) => value !== undefined && value !== null

const shown = (text: string) => text.slice(0, 100)

export const unsupportedParameter = (param: string, cure: string) =>
  new OpenAiError(`Unsupported parameter: '${param}'. ${cure}`, { param, code: 'unsupported_parameter' })

const invalidValue = (param: string, reason: string) =>
  new OpenAiError(`Invalid value for '${param}': ${reason}.`, { param, code: 'invalid_value' })
