/** The answer of a chat: what was asked, what it became, and the pictures. */
import type { Outcome } from '../../../core/history/outcome.ts'
import { wordsFor } from '../../../locales/index.ts'
import type { ApiParts } from '../parts.ts'
import { linkTo, textTokens } from './responses.ts'

export async function markdownOf(parts: ApiParts, outcome: Outcome): Promise<string> {
  const { prompt, enhanced, pictures, request, notes } = outcome
  const [first = request] = pictures
  const by = parts.core.enhancer?.model
  const lines = [
    ...(prompt === '' ? [] : [`**Prompt:** ${plain(prompt)}`]),
    ...(enhanced === null ? [] : [`**Optimized by:** ${plain(by ?? '—')}`, `**Optimized prompt:** ${plain(enhanced)}`]),
    `**Size:** ${first.width}×${first.height}`,
    ...notes.map(({ kind, data }) => plain(wordsFor('en').notes[kind](data ?? {}))),
  ]
  const alt = plain(prompt.slice(0, 100).replace(/\p{Cs}/gu, '')) || 'image'
  const links = await Promise.all(pictures.map((picture) => linkTo(parts, picture)))
  return [...lines, ...links.map((link) => `![${alt}](${link})`)].join('\n\n')
}

export function tokensOf(outcome: Outcome, content: string) {
  const asked = textTokens(outcome.prompt)
  const said = textTokens(content)
  return { prompt_tokens: asked, completion_tokens: said, total_tokens: asked + said, credits: outcome.credits }
}

/** Words that people wrote do not become links, pictures or markup of a page. */
const plain = (text: string) => text.replace(/[\\[\]<>`]/g, '\\$&')
