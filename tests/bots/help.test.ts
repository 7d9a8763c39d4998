import { expect, it } from 'vitest'
import { allCommands } from '../../src/bots/commands/index.ts'
import type { Locale } from '../../src/core/ports/chat.ts'
import { wordsFor } from '../../src/locales/index.ts'

it.each<Locale>(['en', 'zh'])('the help in %s names each command, in a message that Discord takes', (locale) => {
  const words = wordsFor(locale)
  const commands = allCommands.map(({ name }) => `/${name} · ${words.commands[name].description}`)
  const text = words.help({ commands, models: 'm'.repeat(700), ratios: '1:1 '.repeat(12), isAdmin: true })
  for (const { name } of allCommands) expect(text).toContain(`/${name} ·`)
  // Discord's limit; Telegram allows 4,096
  expect(text.length).toBeLessThanOrEqual(2_000)
  for (const line of text.split('\n').filter((each) => each.startsWith('--'))) expect(line.length).toBeLessThan(32)
})
