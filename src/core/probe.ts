/** Whether a provider can be reached with these settings, at no cost. */
import { AppError } from './errors.ts'
import type { ImageProvider, ProviderKind, ProviderSettings } from './ports.ts'
import type { Providers } from './providers.ts'

const limitMs = 20_000

/** 'unknown': that cannot be found out for free. Rejects with the AppError that a generation would meet. */
export async function probe(
  providers: Pick<Providers, 'kinds' | 'build'>,
  name: string,
  settings: ProviderSettings,
): Promise<'works' | 'unknown'> {
  const kind = providers.kinds.find((each) => each.name === name)
  if (!kind) throw new AppError('unknown_provider', { name, known: providers.kinds.map((each) => each.name) })
  const provider = built(providers, kind, settings)
  try {
    if (!provider.test) return 'unknown'
    await provider.test(AbortSignal.timeout(limitMs))
    return 'works'
  } finally {
    await provider.close?.()
  }
}

function built(providers: Pick<Providers, 'build'>, kind: ProviderKind, settings: ProviderSettings): ImageProvider {
  try {
    return providers.build(kind, settings)
  } catch (error) {
    if (error instanceof AppError) throw error
    // several addresses where one is wanted, say; without it in the words, for it may hold a password
    throw new AppError('bad_option', { name: 'url', value: '', expected: 'https://…' }, { cause: error })
  }
}
