/** What a command is. One file in commands/ each; commands/index.ts lists them. */
import type { Core } from '../core/core.ts'
import type { Accepted } from '../core/generation/submit.ts'
import type { Call, Reply } from '../core/ports/chat.ts'

export interface CommandOption {
  /** Lower-case English; its description in each language is `words.options[name]`. */
  name: string
  /** 'user' is an identity ('discord:123', '@name'); 'image' is an attachment and comes in `call.images`. */
  type: 'text' | 'integer' | 'number' | 'boolean' | 'choice' | 'user' | 'image'
  required?: boolean
  choices?: readonly string[]
  min?: number
  max?: number
}

/** A reply, and the accepted request it waits for: that one starts once the reply stands. */
export type Answer = Reply & { accepted?: Accepted }

export interface Command {
  /** Its description in each language is `words.commands[name]`. */
  name: string
  aliases?: readonly string[]
  /** In the order in which platforms with typed options show them. */
  options: readonly CommandOption[]
  /** 'private': only the asker sees the answer, where the surface can do that. Errors always are. */
  audience: 'public' | 'private'
  /** Never posts: dispatch does. Throws AppError for what cannot be done. */
  run(call: Call, core: Core): Promise<Answer>
}
