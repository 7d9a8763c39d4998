/** `/flux a cute cat 16:9`, and every plain message: a request. */
import type { RequestParams } from '../../core/ports/models.ts'
import { readAspect } from '../../core/request/aspect.ts'
import { checkParams } from '../../core/request/check.ts'
import { chooseModel, drawing, offeredAspects } from '../../core/request/choose-model.ts'
import { parsePrompt } from '../../core/request/parse.ts'
import { defineCommand } from '../command.ts'
import { submitFor } from '../submit.ts'

export const fluxCommand = defineCommand({
  name: 'flux',
  aliases: ['imagine'],
  needs: 'everyone',
  audience: 'public',
  options: {
    prompt: { type: 'prompt', required: true },
    model: { type: 'choice', choices: (models) => drawing(models).map(({ id }) => id) },
    aspect: { type: 'choice', choices: offeredAspects },
    image1: { type: 'image' },
    image2: { type: 'image' },
    image3: { type: 'image' },
    image4: { type: 'image' },
  },
  async run({ core, call, values, images, parent }) {
    const { prompt = '', model, aspect } = values
    const written = parsePrompt(prompt, { ratios: offeredAspects(core.models.all()) })
    const params: RequestParams = {
      ...written,
      ...(model === undefined ? {} : { model: model.toLowerCase() }),
      ...(aspect === undefined ? {} : { aspect: readAspect(aspect) }),
    }
    const chosen = chooseModel(core, {
      name: params.model,
      images: images.length,
      words: params.prompt !== '',
      check: (model) => checkParams(model, params, images.length),
    })
    return submitFor(core, call, { params, images, chosen, parent })
  },
})
