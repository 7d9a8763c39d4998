/** Credits for Telegram Stars, and another language. */
import { only } from '../stage.ts'
import type { TelegramStage } from './stage.ts'

export const shop = {
  name: 'shop',
  title: 'Credits for Stars, and another language',
  about:
    'Mo, an administrator of the service, sells two packages of credits. Ann buys one, and then switches to Chinese.',
  async play({ write, press, pay }: TelegramStage) {
    await write('Mo', '/package small 50 60')
    await write('Mo', '/package large 200 200')
    const list = only(await write('Ann', '/buy'))
    const invoice = only(await press('Ann', list, '50 credits'))
    await pay('Ann', invoice)
    await write('Ann', '/credits')
    await write('Ann', '/settings language zh')
    await write('Ann', '雪山下的房子 3:2 --model sketch')
    await write('Ann', '画一只狗 --model none')
    await write('Ann', '/settings language en')
  },
}
