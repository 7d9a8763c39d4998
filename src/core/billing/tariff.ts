/**
 * Prices and switches that administrators have set, over the declarations of the models. This process keeps them in memory: a
 * change is announced, and also looked for every few seconds. A request that was accepted before a change keeps its price.
 */
import { sql } from 'drizzle-orm'
import { columnsOf, readRows } from '../../db/columns.ts'
import type { Database } from '../../db/database.ts'
import { modelSwitches, prices } from '../../db/schema/billing.ts'
import type { Log } from '../../log.ts'
import type { Catalogue, Tariff } from '../core.ts'
import { type Model, type PricedPart, pricedParts } from '../ports/models.ts'
import { drawing } from '../request/choose-model.ts'
import { mainPart } from './quote.ts'

/** Notified after each change. */
export const tariffChanged = 'fluxbot_tariff'
/** In the table of prices: every model. */
export const everyModel = '*'

const reloadEveryMs = 4_000

export interface LiveTariff extends Tariff {
  stop(): Promise<void>
}

type SetPrices = Partial<Record<PricedPart, number>>

interface Settings {
  prices: ReadonlyMap<string, SetPrices>
  /** Ids of the models that are off. */
  off: ReadonlySet<string>
}

const priceColumns = columnsOf({ model: prices.model, part: prices.part, credits: prices.credits })
const switchColumns = columnsOf({ model: modelSwitches.model })

export async function keepTariff({ database, log }: { database: Database; log: Log }): Promise<LiveTariff> {
  let settings: Settings = { prices: new Map(), off: new Set() }
  let signature = ''
  let known = new WeakMap<Model, Model>()
  let loading: Promise<void> = Promise.resolve()

  async function load(): Promise<void> {
    const next = await readSettings(database)
    const text = JSON.stringify([[...next.prices], [...next.off]])
    if (text === signature) return
    signature = text
    settings = next
    known = new WeakMap()
  }

  function reload(): Promise<void> {
    loading = loading.then(load, load)
    return loading
  }

  const tryReload = () => void reload().catch((error) => log.warn({ err: error }, 'could not read prices; retrying'))
  await reload()
  const timer = setInterval(tryReload, reloadEveryMs)
  timer.unref()
  const unlisten = await database.listen(tariffChanged, tryReload)

  return {
    applied(model) {
      const before = known.get(model)
      if (before) return before
      const applied = apply(settings, model)
      known.set(model, applied)
      return applied
    },
    reload,
    async stop() {
      clearInterval(timer)
      await unlisten()
      await loading.catch(() => undefined)
    },
  }
}

async function readSettings(database: Database): Promise<Settings> {
  const [rows, off] = await Promise.all([
    readRows(database, priceColumns, (list) => sql`select ${list} from prices order by model, part`),
    readRows(
      database,
      switchColumns,
      (list) => sql`select ${list} from model_switches where not enabled order by model`,
    ),
  ])
  const byModel = new Map<string, SetPrices>()
  for (const { model, part, credits } of rows) {
    const name = pricedParts.find((each) => each === part)
    if (name) byModel.set(model, { ...byModel.get(model), [name]: credits })
  }
  return { prices: byModel, off: new Set(off.map(({ model }) => model)) }
}

function apply({ prices, off }: Settings, model: Model): Model {
  const id = model.base ?? model.id
  const own = prices.get(id)
  const everywhere = prices.get(everyModel)
  if (!own && !everywhere && !off.has(id)) return model
  const { [mainPart(model)]: price = model.price, ...others } = own ?? {}
  return { ...model, price, prices: { ...model.prices, ...everywhere, ...others }, ...(off.has(id) && { off: true }) }
}

/** The same models with today's prices and switches. */
export function withTariff(catalogue: Catalogue, { applied }: Tariff): Catalogue {
  const all = () => catalogue.all().map(applied)
  return {
    all,
    of: (provider) => catalogue.of(provider).map(applied),
    preferred() {
      const id = catalogue.preferred()
      const models = all()
      if (!models.find((model) => model.id === id)?.off) return id
      return drawing(models)[0]?.id ?? id
    },
  }
}
