import { expect, it } from 'vitest'
import { commandsOn } from '../../src/bots/command.ts'
import { allCommands } from '../../src/bots/commands/index.ts'
import type { Locale } from '../../src/core/ports/chat.ts'
import { wordsFor } from '../../src/locales/index.ts'

/** Characters of a message. */
const limits = { discord: 2_000, telegram: 4_096 } as const
const languages: Locale[] = ['en', 'zh']
const cases = languages.flatMap((locale) =>
  (['discord', 'telegram'] as const).map((surface) => [locale, surface] as const),
)

it.each(cases)('the help in %s names each command of %s, in one message', (locale, surface) => {
  const words = wordsFor(locale)
  const offered = commandsOn(surface, allCommands)
  const [admin, usual] = [true, false].map((wanted) => offered.filter(({ needs }) => (needs === 'admin') === wanted))
  const commands = usual?.map(({ name }) => `/${name} · ${words.commands[name].description}`) ?? []
  const adminCommands = admin?.map(({ name }) => `/${name}`) ?? []
  const text = words.help({ commands, adminCommands, models: 'm'.repeat(600), ratios: '1:1 '.repeat(12) })
  for (const { name } of offered) expect(text).toMatch(new RegExp(`/${name}( |$)`, 'm'))
  expect(text.length).toBeLessThanOrEqual(limits[surface])
  for (const line of text.split('\n').filter((each) => each.startsWith('--'))) expect(line.length).toBeLessThan(32)
})

it('names /buy, /terms and /paysupport on Telegram only, and /server on Discord only', () => {
  const names = (surface: string) => commandsOn(surface, allCommands).map(({ name }) => name)
  const own = (surface: string) => names(surface).filter((name) => !names('web').includes(name))
  expect(own('telegram')).toEqual(['buy', 'terms', 'paysupport'])
  expect(own('discord')).toEqual(['server'])
})
