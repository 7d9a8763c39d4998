/** Checks whether a provider works with given settings, at no cost. */
import { AppError, type ErrorData } from '../errors.ts'
import type { ImageProvider, ProviderKind, ProviderSettings } from '../ports/providers.ts'
import { findKind } from './names.ts'
import type { Providers } from './registry.ts'

const timeoutMs = 20_000

/**
 * Resolves to 'unknown' when the provider has no check that is free. Rejects with the AppError that a generation would end
 * with; its data also says what to look at in the settings.
 */
export async function probe(
  providers: Pick<Providers, 'kinds' | 'build'>,
  name: string,
  settings: ProviderSettings,
): Promise<'works' | 'unknown'> {
  const kind = findKind(providers.kinds, name)
  const provider = build(providers, kind, settings)
  try {
    if (!provider.test) return 'unknown'
    await provider.test(AbortSignal.timeout(timeoutMs))
    return 'works'
  } catch (error) {
    throw error instanceof AppError ? explain(error, kind) : error
  } finally {
    await provider.close?.()
  }
}

function explain({ kind, data, cause, retryAfterMs }: AppError, { title }: ProviderKind): AppError {
  const details =
    kind === 'provider_account' ? { title } : kind === 'provider_failed' ? networkDetails(data, cause) : {}
  return new AppError(kind, { ...data, ...details }, { cause, retryAfterMs })
}

function networkDetails({ reason, unreachable }: ErrorData, cause: unknown): ErrorData {
  const { code, hostname } = (cause ?? {}) as { code?: string; hostname?: string }
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') return { unknownHost: hostname }
  // the settings are wrong, so another try would fail as well
  return { reason: reason ?? reasonOf(cause), lasting: unreachable }
}

/** Explains the usual network errors. undefined: another error. */
function reasonOf(cause: unknown): string | undefined {
  const { code, message = '' } = (cause ?? {}) as { code?: string; message?: string }
  if (code === 'ECONNREFUSED') return 'nothing listens at that address'
  if (code === 'UND_ERR_CONNECT_TIMEOUT' || code === 'EHOSTUNREACH') return 'that machine does not respond'
  if (/^(CERT_|ERR_TLS_|ERR_SSL_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO)/.test(code ?? ''))
    return 'its certificate is not trusted'
  return /answered \d{3}$/.exec(message)?.[0]
}

function build(providers: Pick<Providers, 'build'>, kind: ProviderKind, settings: ProviderSettings): ImageProvider {
  try {
    return providers.build(kind, settings)
  } catch (error) {
    if (error instanceof AppError) throw error
    // for example several addresses where one is expected; the value is left out because it may hold a password
    throw new AppError('bad_option', { name: 'url', value: '', expected: 'https://…' }, { cause: error })
  }
}
