/** Names of providers: ours, and the names of their models, by which people and other services know them. */
import { AppError } from '../errors.ts'
import type { ProviderKind } from '../ports/providers.ts'

/** Other name → name of the provider. */
const others: Readonly<Record<string, string>> = { doubao: 'ark', qwen: 'dashscope' }

export const providerNamed = (name: string) => (Object.hasOwn(others, name) ? (others[name] ?? name) : name)

/** undefined: the provider has no other name. */
export const otherProviderName = (provider: string) => Object.entries(others).find(([, name]) => name === provider)?.[0]

/** Finds a provider by either name. Throws AppError unknown_provider. */
export function findKind(kinds: readonly ProviderKind[], written: string): ProviderKind {
  const name = providerNamed(written)
  const kind = kinds.find((each) => each.name === name)
  if (!kind) throw new AppError('unknown_provider', { name: written, available: providerNames(kinds) })
  return kind
}

export const providerNames = (kinds: readonly ProviderKind[]) =>
  kinds.flatMap(({ name }) => [name, otherProviderName(name) ?? []].flat())
