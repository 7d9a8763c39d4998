import { expect, it } from 'vitest'
import { allCommands } from '../../src/bots/commands/index.ts'
import type { Locale } from '../../src/core/ports/chat.ts'
import { wordsFor } from '../../src/locales/index.ts'

it.each<Locale>(['en', 'zh'])('the help in %s names each command, in a message that Discord takes', (locale) => {
  const words = wordsFor(locale)
  const [admin, usual] = [true, false].map((wanted) =>
    allCommands.filter(({ needs }) => (needs === 'admin') === wanted),
  )
  const commands = usual?.map(({ name }) => `/${name} · ${words.commands[name].description}`) ?? []
  const adminCommands = admin?.map(({ name }) => `/${name}`) ?? []
  const text = words.help({ commands, adminCommands, models: 'm'.repeat(700), ratios: '1:1 '.repeat(12) })
  for (const { name } of allCommands) expect(text).toMatch(new RegExp(`/${name}( |$)`, 'm'))
  // Discord's limit; Telegram allows 4,096
  expect(text.length).toBeLessThanOrEqual(2_000)
  for (const line of text.split('\n').filter((each) => each.startsWith('--'))) expect(line.length).toBeLessThan(32)
})
