/** Every word people read. A language is one file; `Words` makes sure that none misses a sentence. */
import { en, type Words } from './en.ts'
import { zh } from './zh.ts'

export type { Words }

const locales: Readonly<Record<string, Words>> = { en, zh }

export function wordsFor(locale: string): Words {
  return locales[locale] ?? en
}

/** 'zh-CN', 'zh-hans', 'zh' → 'zh'; everything else → 'en'. */
export function localeOf(tag: string | undefined): 'en' | 'zh' {
  return tag?.toLowerCase().startsWith('zh') ? 'zh' : 'en'
}
