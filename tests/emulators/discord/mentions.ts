/** Users that a message notifies: mentions in its content that `allowed_mentions` permits. */
import type { AllowedMentions } from './limits.ts'
import type { Message } from './types.ts'

export function mentionsIn(
  content: string,
  allowed: AllowedMentions | null | undefined,
  { viaInteraction, replyTo }: { viaInteraction: boolean; replyTo?: Pick<Message, 'author'> },
): Pick<Message, 'mentions' | 'mentionsEveryone'> {
  const parse = allowed ? (allowed.parse ?? []) : viaInteraction ? ['users'] : ['users', 'roles', 'everyone']
  const named = [...content.matchAll(/<@!?(\d+)>/g)].map((match) => match[1]!)
  const users = parse.includes('users') ? named : named.filter((id) => allowed?.users?.includes(id))
  const repliedTo = replyTo && (allowed ? allowed.replied_user : true) ? [replyTo.author.id] : []
  return {
    mentions: [...new Set([...users, ...repliedTo])],
    mentionsEveryone: parse.includes('everyone') && /@(everyone|here)\b/.test(content),
  }
}
