/**
 * `/package` lists the packages of credits that `/buy` sells. `/package small 100 150` sells 100 credits for 150 Telegram Stars,
 * `/package small off` stops selling them, and `/package small on` sells them again.
 */
import { readPackages, savePackage, switchPackage } from '../../../core/billing/packages.ts'
import type { Core } from '../../../core/core.ts'
import { AppError } from '../../../core/errors.ts'
import { callHash } from '../../../core/ids.ts'
import type { Call } from '../../../core/ports/chat.ts'
import { defineCommand } from '../../command.ts'

export const packageCommand = defineCommand({
  name: 'package',
  needs: 'admin',
  audience: 'private',
  options: { id: { type: 'text' }, credits: { type: 'text' }, stars: { type: 'integer', min: 1 } },
  async run({ core, call, words, values: { id, credits, stars } }) {
    const isChanged = id !== undefined && (credits !== undefined || stars !== undefined)
    if (isChanged) await change(core, call, { id: id.toLowerCase(), credits, stars })
    const lines = (await readPackages(core)).map((each) => words.shop.line(each))
    const text = [
      isChanged ? words.shop.saved : words.shop.packages,
      ...(lines.length > 0 ? lines : [words.shop.none]),
      '',
      words.shop.usage,
    ].join('\n')
    return { locale: call.locale, state: 'info', content: { kind: 'text', text }, private: true }
  },
})

interface Change {
  id: string
  credits?: string
  stars?: number
}

/** `credits`: a number, 'on' or 'off'. */
async function change(core: Core, call: Call, { id, credits = '', stars }: Change): Promise<void> {
  const act = { actor: call.from.id, key: `package:${callHash(core, call.key)}` }
  const switched = credits.toLowerCase()
  if (switched === 'on' || switched === 'off') return switchPackage(core, act, { id, active: switched === 'on' })
  if (!/^\d+$/.test(credits)) {
    throw new AppError('bad_option', { name: 'credits', value: credits, expected: '100, on, off' })
  }
  if (stars === undefined) throw new AppError('bad_option', { name: 'stars', value: '', expected: '150' })
  await savePackage(core, act, { id, credits: Number(credits), stars })
}
