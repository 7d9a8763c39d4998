/** The names of commands, sub-commands, options and choices that Discord shows to people with another language. */
import { describe, expect, it } from 'vitest'
import { allCommands } from '../../../src/bots/commands/index.ts'
import { commandDefinitions } from '../../../src/bots/discord/register.ts'
import { sketch } from '../../../src/models/sketch.ts'

interface Named {
  name: string
  value?: string
  name_localizations?: Record<string, string>
  options?: Named[]
  choices?: Named[]
}

const commands = commandDefinitions({ commands: allCommands, models: () => [sketch] }) as Named[]
const withPath = (path: string, each: Named): [string, Named][] => [
  [`${path} ${each.name}`, each],
  ...(each.options ?? []).flatMap((option) => withPath(`${path} ${each.name}`, option)),
]
const all = commands.flatMap((command) => withPath('', command))
const shown = ({ name, name_localizations: localized }: Named) => localized?.['zh-CN'] ?? name
const find = (path: string) => all.find(([each]) => each === ` ${path}`)?.[1]

describe('names in Chinese', () => {
  it.each(all)('%s', (_path, { name, name_localizations: localized, options = [], choices = [] }) => {
    expect(Object.keys(localized ?? {}).sort()).toEqual(['zh-CN', 'zh-TW'])
    for (const each of [name, ...Object.values(localized ?? {})]) {
      // Discord's rule for names, without the scripts that ours do not use
      expect(each).toMatch(/^[-_\p{L}\p{N}]{1,32}$/u)
      expect(each).toBe(each.toLowerCase())
    }
    for (const list of [options, choices]) expect(new Set(list.map(shown)).size).toBe(list.length)
  })

  it('of commands differ', () => {
    expect(new Set(commands.map(shown)).size).toBe(commands.length)
  })

  it('leave the names and values that Discord sends back as they are', () => {
    expect(find('flux')).toMatchObject({ name: 'flux', name_localizations: { 'zh-CN': '画图' } })
    expect(find('imagine')).toMatchObject({ name_localizations: { 'zh-CN': '想象' } })
    expect(find('server channel state')).toMatchObject({
      name: 'state',
      name_localizations: { 'zh-CN': '状态' },
      choices: [
        { name: 'on', name_localizations: { 'zh-CN': '开启' }, value: 'on' },
        { name: 'off', value: 'off' },
        { name: 'default', value: 'default' },
      ],
    })
  })

  it('are not made for what is the same in all languages', () => {
    const models = find('settings model')?.choices?.find(({ name }) => name === 'sketch')
    expect(models).toEqual({ name: 'sketch', value: 'sketch' })
  })
})
