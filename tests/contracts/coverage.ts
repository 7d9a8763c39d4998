/** Which buttons the contracts have pressed, and on which surface. */
import { existsSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import type { Action, ActionName } from '../../src/bots/action.ts'
import { allActions } from '../../src/bots/actions/index.ts'

const pressed = new Map<string, Set<ActionName>>()

/** Every action. Those that run on this surface are noted. */
export function noting(surface: string): readonly Action[] {
  const names = pressed.get(surface) ?? new Set()
  pressed.set(surface, names)
  return allActions.map((action) => ({
    ...action,
    run: (asked) => {
      names.add(action.name)
      return action.run(asked)
    },
  }))
}

/** Buttons that one surface, one kind of chat, or administrators alone have → where a test presses them. */
const elsewhere: Partial<Record<ActionName, string>> = {
  resend: 'tests/bots/telegram-batches.test.ts',
  editupload: 'tests/bots/discord/http.test.ts',
  getresult: 'tests/bots/discord/answers.test.ts',
  useinput: 'tests/bots/discord/menus.test.ts',
  varyphoto: 'tests/bots/telegram-photos.test.ts',
  editphoto: 'tests/bots/telegram-photos.test.ts',
  enlargephoto: 'tests/bots/telegram-photos.test.ts',
  describephoto: 'tests/bots/telegram-photos.test.ts',
  example: 'tests/bots/telegram-inline.test.ts',
  show: 'tests/bots/history.test.ts',
  older: 'tests/bots/history.test.ts',
  newer: 'tests/bots/history.test.ts',
  setpictures: 'tests/bots/settings.test.ts',
  setanswers: 'tests/bots/settings.test.ts',
  groupsettings: 'tests/bots/settings.test.ts',
  allowed: 'tests/bots/telegram/group-models.test.ts',
  allowedpage: 'tests/bots/telegram/group-models.test.ts',
  allow: 'tests/bots/telegram/group-models.test.ts',
  forbid: 'tests/bots/telegram/group-models.test.ts',
  allowall: 'tests/bots/telegram/group-models.test.ts',
  exportdata: 'tests/http/exports/exports.test.ts',
  joinaccounts: 'tests/bots/linking.test.ts',
  buy: 'tests/bots/telegram/stars.test.ts',
  audience: 'tests/bots/broadcast/broadcast.test.ts',
  broadcast: 'tests/bots/broadcast/broadcast.test.ts',
  dropbroadcast: 'tests/bots/broadcast/broadcast.test.ts',
  pause: 'tests/bots/broadcast/broadcast.test.ts',
  resume: 'tests/bots/broadcast/broadcast.test.ts',
  stop: 'tests/bots/broadcast/broadcast.test.ts',
  mute: 'tests/bots/broadcast/broadcast.test.ts',
  unmute: 'tests/bots/broadcast/broadcast.test.ts',
}

/** Last, once the contracts have run. */
export function coverage(surfaces: readonly string[]): void {
  describe('the contracts press every button', () => {
    it.each(surfaces)('on %s', (surface) => {
      const covered = new Set<string>([...(pressed.get(surface) ?? []), ...Object.keys(elsewhere)])
      expect(allActions.map(({ name }) => name).filter((name) => !covered.has(name))).toEqual([])
    })

    it('or name the test that does', () => {
      for (const [action, file] of Object.entries(elsewhere))
        expect([action, file, existsSync(file)]).toEqual([action, file, true])
    })
  })
}
