/** Settings of a group: its models, its defaults, and pictures that go to private chats. */
import { only } from '../stage.ts'
import { group, type TelegramStage } from './stage.ts'

export const groupSettings = {
  name: 'group-settings',
  title: 'Settings of a group: models, and pictures in private',
  about:
    'Mo is an administrator of the group, limits the models there, and then has pictures sent to the person alone.',
  async play({ telegram, write, press }: TelegramStage) {
    const own = only(await write('Mo', '/settings', group))
    await press('Ann', own, '👥 Settings of this group')
    const settings = only(await press('Mo', own, '👥 Settings of this group'))
    const models = only(await press('Mo', settings, '🎨 Models'))
    const without = only(await press('Mo', models, '✅ FLUX.1 [dev]'))
    await press('Mo', without, 'Page 2')
    await write('Bea', '/flux a boat on a lake --model flux-dev', group)
    await write('Mo', '/settings models flux-schnell, sketch', group)
    await write('Mo', '/settings model flux-pro here', group)
    await write('Ann', '/settings models all', group)
    await write('Bea', '/flux a boat on a lake 3:2', group)
    await write('Bea', '/models', group)
    await write('Mo', '/settings private on ratio 16:9 here', group)
    await write('Bea', '/flux a boat on a lake at night', group)
    telegram.open({ userId: 3002, firstName: 'Bea', chatType: 'private' })
    await write('Bea', '/start')
    await write('Bea', '/flux a boat on a lake at night', group, { messages: 2 })
    await write('Mo', '/settings models all private default ratio default here', group)
  },
}
