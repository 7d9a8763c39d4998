/** As `URL.canParse` should be: that of Node 20 comes to refuse letters such as ü once it has been called often. */
export function canParseUrl(text: string, base?: string): boolean {
  try {
    new URL(text, base)
    return true
  } catch {
    return false
  }
}
