/** `/flux a cute cat 16:9`, and every plain message: a request. */
import type { InForce } from '../../core/accounts/settings.ts'
import type { Core } from '../../core/core.ts'
import { AppError } from '../../core/errors.ts'
import { readAspect } from '../../core/request/aspect.ts'
import { drawing, offeredAspects, offeredCount, offeredRange } from '../../core/request/choose-model.ts'
import { type Filled, fillIn } from '../../core/request/defaults.ts'
import { readExpand } from '../../core/request/grow.ts'
import { readLoras } from '../../core/request/loras.ts'
import { type Message, parseMessage, readSeed } from '../../core/request/parse.ts'
import { defineCommand } from '../command.ts'
import { draftFor, submitFor } from '../submit.ts'
import { suggestAspects, suggestModels, suggestPrompts, writtenPrompt } from '../suggest/request.ts'

export const fluxCommand = defineCommand({
  name: 'flux',
  aliases: ['imagine'],
  needs: 'everyone',
  isRequest: true,
  audience: 'chosen',
  options: {
    prompt: { type: 'prompt', required: true, suggest: suggestPrompts },
    model: { type: 'choice', choices: (models) => drawing(models).map(({ id }) => id), suggest: suggestModels },
    aspect: { type: 'choice', choices: offeredAspects, suggest: suggestAspects },
    image1: { type: 'image' },
    image2: { type: 'image' },
    image3: { type: 'image' },
    image4: { type: 'image' },
    count: { type: 'integer', min: 1, range: (models) => ({ min: 1, max: offeredCount(models) }) },
    // a text, because typed whole numbers end at 2^53 and seeds can be larger
    seed: { type: 'text', max: 20 },
    steps: { type: 'integer', range: (models) => offeredRange(models, 'steps') },
    guidance: { type: 'number', range: (models) => offeredRange(models, 'guidance') },
    strength: { type: 'number', range: (models) => offeredRange(models, 'strength') },
    expand: { type: 'text', max: 60 },
    lora: { type: 'text', max: 1000 },
    negative: { type: 'text' },
    enhance: { type: 'choice', choices: ['on', 'off', 'ask'] },
    private: { type: 'switch' },
  },
  async run({ core, call, values, images, parent, settings: { chosen: set } }) {
    const prompt = values.prompt && (await writtenPrompt(core, call, values.prompt))
    const asked = { ...values, prompt }
    const { isDraft, ...wanted } = readRequest(core, { values: asked, images: images.length, set })
    return (isDraft ? draftFor : submitFor)(core, call, { ...wanted, images, parent })
  },
})

interface Composed {
  values: Typed
  /** Number of input pictures. */
  images: number
  /** The settings in force. */
  set: InForce
}

interface Read extends Filled {
  private: boolean
  /** Whether the person sees the enhanced prompt first. */
  isDraft: boolean
}

/** What a request asks for, with the settings where it leaves something open. Throws AppError. */
export function readRequest(core: Core, { values, images, set }: Composed): Read {
  const { private: isPrivate = set.private ?? false, ask, ...written } = messageOf(core, values)
  // enhancing may have been set up when the person chose it
  const enhance = ask ? 'ask' : (switchOf(written.enhance) ?? (core.enhancer && set.enhance))
  if (enhance === 'ask' && !core.enhancer) throw new AppError('enhancer_missing', { name: 'enhance' })
  const asked = { ...written, ...(enhance === 'on' || enhance === 'off' ? { enhance: enhance === 'on' } : {}) }
  const { chosen, params } = fillIn(core, { params: asked, images, defaults: set })
  const hasWords = params.prompt !== '' && chosen.takes.prompt !== 'none'
  return { chosen, params, private: isPrivate, isDraft: enhance === 'ask' && hasWords }
}

type Typed = Partial<
  Readonly<Record<'prompt' | 'model' | 'aspect' | 'seed' | 'expand' | 'lora' | 'negative' | 'enhance', string>>
> &
  Partial<Readonly<Record<'count' | 'steps' | 'guidance' | 'strength', number>>> & { readonly private?: boolean }

/** Typed options win over flags in the text. */
function messageOf(core: Core, { prompt = '', model, aspect, seed, expand, lora, enhance, ...others }: Typed): Message {
  const written = parseMessage(prompt, { ratios: offeredAspects(core.models.all()) })
  const typed = {
    ...others,
    model: model?.toLowerCase(),
    aspect: aspect === undefined ? undefined : readAspect(aspect),
    seed: seed === undefined ? undefined : readSeed(seed),
    expand: expand === undefined ? undefined : readExpand(expand),
    loras: lora === undefined ? undefined : readLoras(lora),
    ...(enhance === undefined
      ? {}
      : { ask: enhance === 'ask', enhance: enhance === 'ask' ? undefined : enhance === 'on' }),
  }
  const given = Object.fromEntries(Object.entries(typed).filter(([, value]) => value !== undefined))
  return { ...written, ...given }
}

const switchOf = (value: boolean | undefined) => (value === undefined ? undefined : value ? 'on' : 'off')
