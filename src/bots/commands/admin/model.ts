/** `/model id on|off`: whether a model is offered. */
import { switchModel, tariffId } from '../../../core/billing/prices.ts'
import { callHash } from '../../../core/ids.ts'
import { namedModel } from '../../../core/request/choose-model.ts'
import { defineCommand } from '../../command.ts'

export const modelCommand = defineCommand({
  name: 'model',
  needs: 'admin',
  audience: 'private',
  options: {
    model: { type: 'text', required: true },
    state: { type: 'choice', choices: ['on', 'off'], required: true },
  },
  async run({ core, call, words, values: { model: name, state } }) {
    const model = tariffId(namedModel(core.models.all(), name))
    const enabled = state === 'on'
    await switchModel(core, { actor: call.from.id, key: `model:${callHash(core, call.key)}` }, { model, enabled })
    const text = words.prices.switched({ model, enabled })
    return { locale: call.locale, state: 'info', content: { kind: 'text', text }, private: true }
  },
})
