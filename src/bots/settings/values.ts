/** Settings as people write them, and the values that they may choose from. */
import type { Changes, SettingName } from '../../core/accounts/settings.ts'
import { AppError } from '../../core/errors.ts'
import type { Model } from '../../core/ports/models.ts'
import { readAspect } from '../../core/request/aspect.ts'
import { drawing, drawsFromWords, offeredAspects, offeredCount } from '../../core/request/choose-model.ts'
import { enhanceSettings } from '../../db/schema/settings.ts'
import { allLanguages } from '../../locales/index.ts'

/** The value that resets a setting to its default. */
export const byDefault = 'default'

export const possible: Readonly<Record<SettingName, (models: readonly Model[]) => readonly string[]>> = {
  model: (models) =>
    drawing(models)
      .filter(drawsFromWords)
      .map(({ id }) => id),
  aspect: offeredAspects,
  count: (models) => Array.from({ length: offeredCount(models) }, (_, index) => String(index + 1)),
  enhance: () => enhanceSettings,
  private: () => ['on', 'off'],
  language: () => allLanguages.map(([name]) => name),
  original: () => ['on', 'off'],
  announcements: () => ['on', 'off'],
}

export type Written = Partial<Readonly<Record<SettingName, string>>>

/** Throws AppError bad_option. Models, ratios and counts are checked when they are saved. */
export function changesIn(written: Written): Changes {
  const changes: { [Name in SettingName]?: Changes[Name] } = {}
  for (const [name, value] of Object.entries(written) as [SettingName, string | undefined][]) {
    const text = value?.trim().toLowerCase() ?? ''
    if (text !== '') Object.assign(changes, { [name]: text === byDefault ? null : read[name](text) })
  }
  return changes
}

const oneOf = (name: SettingName, text: string): string => {
  const values = possible[name]([])
  if (!values.includes(text)) throw new AppError('bad_option', { name, value: text, expected: values.join(', ') })
  return text
}
const onOff = (name: SettingName) => (text: string) => oneOf(name, text) === 'on'

const read: Readonly<Record<SettingName, (text: string) => string | number | boolean>> = {
  model: (text) => text,
  aspect: readAspect,
  count: (text) => {
    if (!/^\d{1,4}$/.test(text)) throw new AppError('bad_option', { name: 'count', value: text, expected: '1, 2, 3 …' })
    return Number(text)
  },
  enhance: (text) => oneOf('enhance', text),
  private: onOff('private'),
  language: (text) => oneOf('language', text),
  original: onOff('original'),
  announcements: onOff('announcements'),
}
