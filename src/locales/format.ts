/** Numbers, plurals and lists in the way of a language. */

/** Details of an error or a note. */
export type Data = Readonly<Record<string, string | number | boolean | readonly string[] | undefined>>

export const numberOf = (locale: string) => {
  const format = new Intl.NumberFormat(locale)
  return (value: number) => format.format(value)
}

/** Picks the form of a count: `plural(2, { one: '1 credit', other: '2 credits' })`. */
export const pluralOf = (locale: string) => {
  const rules = new Intl.PluralRules(locale)
  return (count: number, forms: Partial<Record<Intl.LDMLPluralRule, string>> & { other: string }) =>
    forms[rules.select(count)] ?? forms.other
}

export const listOf = (separator: string) => (values: Data[string]) =>
  Array.isArray(values) ? values.join(separator) : String(values ?? '')

/** The first items of a list with `count` items, and a sign that there are more. */
export const firstOf = (items: readonly string[], count: number): readonly string[] =>
  count > items.length ? [...items, '…'] : items

/** A list of alternatives: 'give or take'. */
export const eitherOf = (locale: string) => {
  const format = new Intl.ListFormat(locale, { type: 'disjunction' })
  return (values: Data[string]) => (Array.isArray(values) ? format.format(values) : String(values ?? ''))
}

export const amountOf = (value: Data[string]) => Number(value ?? 0)

/** Whether a picture is beyond a limit, which the details then name. */
export const hasLimit = ({ limitMb, limitSide, limitMegapixels, limitProgressive, limitRatio }: Data) =>
  (limitMb ?? limitSide ?? limitMegapixels ?? limitProgressive ?? limitRatio) !== undefined
