/** The last user message of `input`: its texts are the prompt, its images the input pictures. */
import type { KeyHolder } from '../../../../core/accounts/api-keys.ts'
import type { Attachment } from '../../../../core/ports/chat.ts'
import type { Family } from '../../family.ts'
import { lastUserMessage } from '../chat.ts'
import { OpenAiError } from '../errors.ts'
import type { InputItem, ResponsesBody } from './schemas.ts'
import { unsupportedParameter } from './supported.ts'

interface Message {
  text: string
  images: Attachment[]
}

/** Throws OpenAiError and InvalidRequest. */
export function messageIn(family: Family, holder: KeyHolder, input: ResponsesBody['input']): Message {
  const message = typeof input === 'string' ? { text: input, images: [] } : messageOf(family, holder, input)
  if (message.images.length > 0 || /\S/.test(message.text)) return message
  throw missing('input', ' Describe the image to create.')
}

function messageOf(family: Family, holder: KeyHolder, items: readonly InputItem[]): Message {
  const at = items.findLastIndex(({ role }) => role === 'user')
  assertNoImageAfter(items, at)
  const content = items[at]?.content
  if (Array.isArray(content)) {
    for (const [position, part] of content.entries()) assertPart(part, `input.${at}.content.${position}`)
  }
  return lastUserMessage(family, holder, { name: 'input', messages: items })
}

/** OpenAI's clients name an earlier image after the message that changes it. Items before that message are context. */
function assertNoImageAfter(items: readonly InputItem[], message: number): void {
  const named = ['image_generation_call', 'item_reference']
  const at = items.findIndex(({ type = '' }, position) => position > message && named.includes(type))
  if (at < 0) return
  throw unsupportedParameter(
    `input.${at}`,
    "No response is kept. Send the image as an 'input_image' of the user message.",
  )
}

const partTypes = ['text', 'input_text', 'image_url', 'input_image']

function assertPart(part: unknown, name: string): void {
  if (typeof part !== 'object' || part === null) return
  const { type, file_id, image_url, text } = part as Record<string, unknown>
  if (file_id !== undefined && file_id !== null) {
    const cure = "Files are not kept. Send the image as 'image_url': an https URL or a data URL."
    throw unsupportedParameter(`${name}.file_id`, cure)
  }
  if (typeof type !== 'string') throw missing(`${name}.type`)
  if (!partTypes.includes(type)) {
    const message = `Invalid value for '${name}.type': '${type.slice(0, 100)}'. Supported are 'input_text' and 'input_image'.`
    throw new OpenAiError(message, { param: `${name}.type`, code: 'invalid_value' })
  }
  const [field, value] = type.endsWith('text') ? ['text', text] : ['image_url', image_url]
  if (value === undefined || value === null) throw missing(`${name}.${field}`)
}

const missing = (param: string, cure = '') =>
  new OpenAiError(`Missing required parameter: '${param}'.${cure}`, { param, code: 'missing_required_parameter' })
