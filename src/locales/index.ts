/** Every text that people read. A language is one file and a line in the list. */
import { type AliasName, type ChoiceName, en, type PageWords, type SubcommandName, type Words } from './en.ts'
import { zh } from './zh.ts'

export type { AliasName, ChoiceName, PageWords, SubcommandName, Words }

const english: Words = { ...en, names: undefined }

const languages = { en: english, zh } as const satisfies Readonly<Record<string, Words>>

export type Language = keyof typeof languages

/** English first: it serves everyone whose language is not there. */
export const allLanguages = Object.entries(languages) as readonly [Language, Words][]

export function wordsFor(locale: string): Words {
  return isLanguage(locale) ? languages[locale] : english
}

/** Of a language tag or an Accept-Language header: 'zh-CN', 'zh-hans,zh;q=0.9' → 'zh'. Anything unknown → 'en'. */
export function localeOf(tag: string | undefined): Language {
  const primary = /^[a-z]+/.exec(tag?.toLowerCase() ?? '')?.[0] ?? ''
  return isLanguage(primary) ? primary : 'en'
}

const isLanguage = (name: string): name is Language => Object.hasOwn(languages, name)
