/** Does what `URL.canParse` should do. In Node 20 that function starts to refuse letters such as ü after many calls. */
export function canParseUrl(text: string, base?: string): boolean {
  try {
    new URL(text, base)
    return true
  } catch {
    return false
  }
}
