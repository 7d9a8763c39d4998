/**
 * `/limits`, `/limits @user`, `/limits @user in_flight 10 per_minute 60`, `/limits @user tier gold`, `/limits @user tier default`, and
 * `/limits tier gold in_flight 10 per_minute 60` for all people of a tier.
 */
import { changeLimits, changeTier, highest, listTiers, readLimits } from '../../../core/accounts/change-limits.ts'
import type { Core } from '../../../core/core.ts'
import { AppError } from '../../../core/errors.ts'
import { callHash } from '../../../core/ids.ts'
import type { Words } from '../../../locales/index.ts'
import { defineCommand } from '../../command.ts'
import { personOf } from './person.ts'

/** The value of an option that removes a limit. */
const byDefault = 'default'
const tierForm = /^[a-z][a-z0-9-]{0,29}$/

export const limitsCommand = defineCommand({
  name: 'limits',
  needs: 'admin',
  audience: 'private',
  options: {
    user: { type: 'user' },
    in_flight: { type: 'text', named: true },
    per_minute: { type: 'text', named: true },
    tier: { type: 'text', named: true },
  },
  async run({ core, call, words, values }) {
    const { user, tier: written, in_flight, per_minute } = values
    const change = {
      inFlight: limitOf('in_flight', in_flight, highest.inFlight),
      perMinute: limitOf('per_minute', per_minute, highest.perMinute),
    }
    const tier = tierOf(written)
    const isChange = Object.values(change).some((value) => value !== undefined)
    const act = { actor: call.from.id, key: `limits:${callHash(core, call.key)}` }
    if (user !== undefined) {
      const { userId, name } = await personOf(core, call, user)
      if (isChange || tier !== undefined) await changeLimits(core, { userId, tier, ...change }, act)
      const text = words.admin.limitsOf({ user: name, ...(await readLimits(core, userId)) })
      return { locale: call.locale, state: 'info', content: { kind: 'text', text }, private: true }
    }
    if (isChange) await changeTier(core, { name: namedTier(tier), ...change }, act)
    const text = await listed(core, words)
    return { locale: call.locale, state: 'info', content: { kind: 'text', text }, private: true }
  },
})

/** null: 'default'. Throws AppError bad_option. */
function limitOf(name: string, written: string | undefined, max: number): number | null | undefined {
  if (written === undefined) return undefined
  if (written.toLowerCase() === byDefault) return null
  const value = Number(written)
  if (Number.isInteger(value) && value >= 1 && value <= max) return value
  throw new AppError('bad_option', { name, value: written, expected: `1–${max}, ${byDefault}` })
}

/** null: 'default'. Throws AppError bad_option. */
function tierOf(written: string | undefined): string | null | undefined {
  const name = written?.toLowerCase()
  if (name === undefined) return undefined
  if (name === byDefault) return null
  if (tierForm.test(name)) return name
  throw new AppError('bad_option', { name: 'tier', value: name, expected: 'a–z, 0–9, -' })
}

/** The settings have the limits of people without a tier. Throws AppError bad_option. */
function namedTier(tier: string | null | undefined): string {
  if (typeof tier === 'string') return tier
  throw new AppError('bad_option', { name: 'user', value: '' })
}

async function listed(core: Core, words: Words): Promise<string> {
  const { inFlight, perMinute } = core.limits
  const tiers = (await listTiers(core)).map(({ name, ...tier }) =>
    words.admin.tier({ name, inFlight: tier.inFlight ?? inFlight, perMinute: tier.perMinute ?? perMinute }),
  )
  return [words.admin.usualLimits({ inFlight, perMinute }), ...tiers, '', words.admin.limitsUsage].join('\n')
}
