/** Telegram's limits: 20 calls a minute in one group, one a second in one chat. */
import { floodLimits } from '../../emulators/telegram/index.ts'
import { busyGroup, type TelegramStage } from './stage.ts'

export const flood = {
  name: 'flood',
  title: 'Many requests at once, within Telegram’s limits',
  about:
    'Telegram takes at most 20 messages and edits a minute in one group, and refuses more. The emulator applies this limit. The bot gives up edits that only show progress, so that answers and results have room.',
  async play({ telegram, note, together }: TelegramStage) {
    telegram.limitFlood(floodLimits)
    const from = Date.now()
    const things = ['a cat', 'a dog', 'a fox', 'a rainbow', 'a boat', 'a house', 'a tower', 'a balloon', 'a mountain']
    const people = ['Ann', 'Bea', 'Cyd'] as const
    const lines = things.flatMap((thing, index) => {
      const who = people[index % people.length]
      return who ? [{ who, words: `/flux ${thing} --model sketch` }] : []
    })
    await together(lines, busyGroup)
    telegram.limitFlood(undefined)
    const calls = telegram.requests.filter(
      ({ at, method, params }) =>
        at >= from && /^(?:send|edit)/.test(method) && Number(params.chat_id) === busyGroup.chatId,
    )
    const taken = calls.filter(({ status }) => status === 200)
    const seconds = Math.round((Date.now() - from) / 1000)
    note(
      `${lines.length} requests were answered in ${seconds} s, with ${taken.length} messages and edits in the group.`,
    )
    note(`Telegram refused ${calls.length - taken.length} of ${calls.length} calls.`)
  },
}
