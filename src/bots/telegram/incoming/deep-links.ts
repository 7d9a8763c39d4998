/** Links into the private chat, such as t.me/<bot>?start=show_1a2b3c4d, as the commands that they stand for. */
import type { CommandName } from '../../command.ts'

/** By what the payload starts with. What follows the underscore is the text of the command. */
const links: Readonly<Record<string, CommandName>> = {
  buy: 'buy',
  link: 'link',
  show: 'show',
}

/** undefined: the payload is not one of ours, so the person gets the greeting. */
export function linkedCommand(payload: string): { name: CommandName; text: string } | undefined {
  const [, kind = '', text = ''] = /^([a-z]+)_([\w-]+)$/.exec(payload) ?? []
  const name = Object.hasOwn(links, kind) ? links[kind] : undefined
  return name && { name, text }
}
